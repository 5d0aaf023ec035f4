import { type FSWatcher, watch } from 'node:fs';
import { basename } from 'node:path';
import { lstatIfPresent } from '../../../system/files/optional-files.ts';
import { gzipPath } from '../../compress.ts';
import { ChangeSignal, type Watch } from './change-signal.ts';

/** Changes within this time are one: a store that writes four files wakes its readers once. */
const GATHER_MS = 5;

/** While changes are reported, and where they are not: by some network file systems, and without a watch. */
const POLL_MS = 1_000;
const POLL_UNREPORTED_MS = 150;

/** Counts the changes in a folder, and wakes those who wait for the next one. */
export class FolderWatch implements Watch {
  readonly #folder: string;
  readonly #paths: readonly string[] | undefined;
  readonly #names: readonly string[] | undefined;
  /** Reported when the folder itself is removed. */
  readonly #own: string;
  readonly #changes = new ChangeSignal();
  #watcher: FSWatcher | undefined;
  #gathering: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;
  #look = '';
  /** Since the last look. */
  #isReported = false;
  #isBlind = false;
  #isClosed = false;

  /** `paths`: the files whose growth is looked for where nothing is reported. Undefined: each look counts as a change. */
  constructor(folder: string, paths?: readonly string[]) {
    this.#folder = folder;
    this.#paths = paths;
    this.#names = paths?.map((path) => basename(path));
    this.#own = basename(folder);
    this.#open();
    this.#schedule();
  }

  get version(): number {
    return this.#changes.version;
  }

  /** Resolves when the version is another one than this, and when the signal is aborted. */
  changed(seen: number, signal: AbortSignal): Promise<void> {
    return this.#isClosed ? Promise.resolve() : this.#changes.changed(seen, signal);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#gathering);
    this.#watcher?.close();
    this.#changes.wake();
  }

  #open(): void {
    try {
      this.#watcher = watch(this.#folder, { persistent: false }, (_event, name) => {
        this.#isReported = true;
        if (name === null || !this.#isOther(name)) this.#gather();
      });
      this.#watcher.on('error', () => this.#unwatch());
    } catch {
      // No watches left, or no folder: it is polled.
      this.#watcher = undefined;
    }
  }

  /** A file that none of the readers gets: waking hundreds of them costs more than a look at a name. */
  #isOther(name: string): boolean {
    if (this.#names === undefined) return false;
    return !this.#names.some((known) => name === known || name === gzipPath(known)) && name !== this.#own;
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#gather();
  }

  #gather(): void {
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      this.#changes.wake();
    }, GATHER_MS).unref();
  }

  #schedule(): void {
    const ms = this.#watcher === undefined || this.#isBlind ? POLL_UNREPORTED_MS : POLL_MS;
    this.#timer = setTimeout(() => void this.#poll(), ms).unref();
  }

  async #poll(): Promise<void> {
    if (this.#watcher === undefined) this.#open();
    const parts: string[] = this.#paths === undefined ? [String(this.#changes.version)] : [];
    for (const path of [this.#folder, ...(this.#paths ?? [])]) {
      // What cannot be looked at now is looked at again.
      const stats = await lstatIfPresent(path).catch(() => undefined);
      parts.push(stats === undefined ? '-' : `${stats.ino} ${stats.size} ${stats.mtimeMs}`);
    }
    if (this.#isClosed) return;
    const look = parts.join('|');
    if (look !== this.#look) {
      // A change that the watch has not reported: it may report none.
      this.#isBlind = this.#paths !== undefined && !this.#isReported;
      this.#changes.wake();
    }
    this.#isReported = false;
    this.#look = look;
    this.#schedule();
  }
}
