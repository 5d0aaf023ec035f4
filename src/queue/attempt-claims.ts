import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../errors.ts';
import { isPathSafeId } from '../model/ids.ts';
import { PRIVATE_FILE } from '../system/files/modes.ts';
import { namesIn } from '../system/files/optional-files.ts';
import { makePrivateDirectory } from '../system/files/private-files.ts';
import { openSafeHandle } from '../system/files/safe-open.ts';
import { checkLease } from '../system/lease-guard.ts';

/** No task id starts with `_`. */
const FOLDER = '_claims';

/** Claims of earlier attempts that are removed with a task. */
const EARLIER_MAX = 20;

/**
 * `_queue/_claims/<task_id>.<attempt>`: empty files. Who makes one runs that attempt. Two services that both take themselves for
 * the owner of the log directory thus never run the same attempt.
 */
export class AttemptClaims {
  readonly #dir: string;
  readonly #claimed = new Map<string, number>();

  constructor(queueDir: string) {
    this.#dir = join(queueDir, FOLDER);
  }

  /** Claims the attempt, or the next one that no process has claimed, and returns its number. */
  async claim(taskId: string, attempt: number): Promise<number> {
    for (let number = attempt; ; number += 1) {
      checkLease();
      if (!(await this.#make(join(this.#dir, `${taskId}.${number}`)))) continue;
      this.#claimed.set(taskId, number);
      return number;
    }
  }

  async remove(taskId: string): Promise<void> {
    const last = this.#claimed.get(taskId);
    if (last === undefined) return;
    this.#claimed.delete(taskId);
    for (let number = last; number > Math.max(0, last - EARLIER_MAX); number -= 1)
      await rm(join(this.#dir, `${taskId}.${number}`), { force: true });
  }

  /** Removes the claims of tasks that have no entry. */
  async sweep(taskIds: readonly string[]): Promise<void> {
    const kept = new Set(taskIds);
    for (const name of await namesIn(this.#dir)) {
      const taskId = name.slice(0, name.lastIndexOf('.'));
      if (isPathSafeId(taskId) && !kept.has(taskId)) await rm(join(this.#dir, name), { force: true });
    }
  }

  /** False when the file exists. A full disk does not stop the work: the lease alone decides then. */
  async #make(path: string): Promise<boolean> {
    try {
      await (await openSafeHandle(path, 'wx', PRIVATE_FILE)).close();
      return true;
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return false;
      if (errnoOf(error) !== 'ENOENT') return true;
    }
    try {
      await makePrivateDirectory(this.#dir);
      await (await openSafeHandle(path, 'wx', PRIVATE_FILE)).close();
      return true;
    } catch (error) {
      return errnoOf(error) !== 'EEXIST';
    }
  }
}
