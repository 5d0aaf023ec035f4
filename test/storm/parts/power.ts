import { readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { listPids } from '../../../src/system/process-table.ts';
import { DiskImage, noImageReason } from '../../support/disk-image.ts';

/** Enough for a round; small enough to be copied in a tenth of a second. */
const IMAGE_MB = 64;

/** Longest wait until killed processes have let go of the disk. */
const RELEASE_MS_MAX = 10_000;

const RETRY_MS = 50;

/**
 * The power of the machine that has the log directory, which is a file system of its own. A cut ends every process that uses
 * it, and takes away what had not reached the disk.
 */
export class Power {
  readonly #image: DiskImage;
  #isOn: Promise<void> = Promise.resolve();

  private constructor(image: DiskImage) {
    this.#image = image;
  }

  /** Undefined where this user may not mount. */
  static open(): Power | undefined {
    if (noImageReason() !== undefined) return undefined;
    const image = new DiskImage(IMAGE_MB);
    image.mount();
    return new Power(image);
  }

  get directory(): string {
    return this.#image.directory;
  }

  /** Resolves when processes can be started. */
  get isOn(): Promise<void> {
    return this.#isOn;
  }

  /**
   * All processes of the machine stop at about the same moment. What the disk has then is what is left. `pids` are asked for
   * again after the stop, for a process that was being started.
   */
  async cut(pids: () => readonly number[]): Promise<void> {
    let turnOn = (): void => {};
    this.#isOn = new Promise((resolve) => {
      turnOn = resolve;
    });
    try {
      const stopped = (): readonly number[] => [...pids(), ...usersOf(this.directory)];
      signalAll(stopped(), 'SIGSTOP');
      signalAll(stopped(), 'SIGSTOP');
      const content = this.#image.cut(() => {});
      signalAll(stopped(), 'SIGKILL');
      await this.#unmount();
      this.#image.restore(content);
      this.#image.mount();
    } finally {
      turnOn();
    }
  }

  close(): void {
    this.#image.dispose();
  }

  async #unmount(): Promise<void> {
    const end = Date.now() + RELEASE_MS_MAX;
    for (;;) {
      try {
        this.#image.unmount();
        return;
      } catch (error) {
        if (Date.now() > end) throw error;
      }
      signalAll(usersOf(this.directory), 'SIGKILL');
      await delay(RETRY_MS);
    }
  }
}

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // ESRCH: it has ended.
    }
  }
}

/** The processes with an open file or a working directory on the file system of `directory`, without this one. */
function usersOf(directory: string): readonly number[] {
  const { dev } = statSync(directory);
  const isOnDisk = (link: string): boolean => {
    try {
      return readlinkSync(link).startsWith(directory) || statSync(link).dev === dev;
    } catch {
      // ENOENT, EACCES: closed meanwhile, or no file.
      return false;
    }
  };
  const pids = listPids().filter((pid) => pid !== process.pid);
  return pids.filter((pid) => linksOf(join('/proc', String(pid))).some(isOnDisk));
}

function linksOf(folder: string): readonly string[] {
  try {
    return [join(folder, 'cwd'), ...readdirSync(join(folder, 'fd')).map((name) => join(folder, 'fd', name))];
  } catch {
    // It has ended.
    return [];
  }
}
