import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { namesIn } from '../system/files/optional-files.ts';

/** Holds the cursor of each destination. Its name does not change with the segment's state. */
export function cursorFileName(id: string): string {
  return `${id}.cursors`;
}

const NAME = /^([0-9A-Z]{26})\.cursors(?:\.tmp)?$/;

/** The id of the segment to which a file of cursors belongs; undefined for another file. */
export function idOfCursorFile(name: string): string | undefined {
  return NAME.exec(name)?.[1];
}

/** The segments of this process. */
interface KnownSegments {
  find(id: string): unknown;
}

/**
 * Removes cursors whose segment is gone: a failing disk, or a kill, came between the removal of the two. They hold no record. Two
 * looks in a row must find no segment: one that is renamed meanwhile may be missing in a list of names.
 */
export class LeftCursors {
  readonly #directory: string;
  readonly #segments: KnownSegments;
  #seen: ReadonlySet<string> = new Set();

  constructor(directory: string, segments: KnownSegments) {
    this.#directory = directory;
    this.#segments = segments;
  }

  /** Looks at the names in the directory. Never rejects. */
  async look(names: readonly string[]): Promise<void> {
    const segments = new Set(names.filter((name) => name.includes('~')).map((name) => name.split('~', 1)[0]));
    const left = names.filter((name) => {
      const id = idOfCursorFile(name);
      return id !== undefined && !segments.has(id) && this.#segments.find(id) === undefined;
    });
    const again = left.filter((name) => this.#seen.has(name));
    this.#seen = new Set(left);
    // EIO, EROFS, a folder in its place: the next look tries again.
    for (const name of again) await rm(join(this.#directory, name), { force: true }).catch(() => {});
  }

  /** Both looks at once, for the end of a process. Never rejects. */
  async clean(): Promise<void> {
    for (let look = 0; look < 2; look += 1) await this.look(await namesIn(this.#directory).catch(() => []));
  }
}
