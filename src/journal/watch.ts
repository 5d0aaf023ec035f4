import { watch } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import { makeDirectorySync } from '../system/files/make-directory.ts';
import { PRIVATE_FOLDER } from '../system/files/modes.ts';

/** Segments that arrive within this time are claimed together. */
const GATHER_MS = 10;

export interface JournalWatch {
  close(): void;
}

/**
 * Calls `onChange` soon after a file in the journal's directory is created, removed or renamed, so that segments of
 * short-lived processes are claimed at once. Some network file systems report no changes; the poll each second covers
 * them.
 */
export function watchJournal(
  directory: string,
  onChange: () => Promise<void>,
  onFailure: (reason: string) => void,
): JournalWatch {
  let isWaiting = false;
  let isClosed = false;
  const gather = async (): Promise<void> => {
    if (isWaiting) return;
    isWaiting = true;
    await delay(GATHER_MS, undefined, { ref: false });
    isWaiting = false;
    if (!isClosed) await onChange();
  };
  try {
    makeDirectorySync(directory, PRIVATE_FOLDER);
    const watcher = watch(directory, { persistent: false }, (event) => {
      if (event === 'rename') void gather();
    });
    watcher.on('error', (error) => onFailure(messageOf(error)));
    return {
      close: () => {
        isClosed = true;
        watcher.close();
      },
    };
  } catch (error) {
    onFailure(messageOf(error));
    return { close: () => {} };
  }
}

/** Wakes those that wait for something new. */
export class Wakeups {
  readonly #waiters = new Set<() => void>();
  /** Increases with each call of `wake`. */
  version = 0;

  wake(): void {
    this.version += 1;
    for (const wake of [...this.#waiters]) wake();
  }

  /** Resolves after a call that is newer than `version`, or when the signal aborts. */
  async changed(version: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || version !== this.version) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#waiters.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiters.add(wake);
      signal.addEventListener('abort', wake);
    });
  }
}
