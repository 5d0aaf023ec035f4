import { fstat, ftruncate } from 'node:fs';
import { promisify } from 'node:util';
import { withFile, writeWhole } from '../../../system/descriptor.ts';
import { checkLease, holdsLease } from '../../../system/lease-guard.ts';
import { NEWLINE } from '../../../system/lines.ts';

const statFile = promisify(fstat);
const truncateFile = promisify(ftruncate);

/** Appends the lines of one task, workflow or folder. */
export interface LineWriter {
  /** Appends complete lines. When it fails half-way, no torn line stays. */
  append(path: string, bytes: Buffer): Promise<void>;
  /** To be called for a file that a process before may have written a moment ago: its lines count as stored from now on. */
  adopt(path: string): Promise<void>;
  /** To be called before a file is read: one whose sync has failed is written again. */
  trust(path: string): Promise<void>;
}

/** A writer that syncs nothing. */
export const UNSYNCED: LineWriter = {
  append: (path, bytes) => withFile(path, 'a', (fd) => writeLines(fd, bytes)),
  adopt: async () => {},
  trust: async () => {},
};

/**
 * Writes complete lines at the end of a file. When the write fails half-way, the torn line is cut, because the next append
 * would continue it. Complete lines stay: a reader that follows the file may have read them.
 */
export async function writeLines(fd: number, bytes: Buffer): Promise<void> {
  let done = 0;
  checkLease();
  try {
    await writeWhole(fd, bytes, (count) => {
      done = count;
    });
  } catch (error) {
    const torn = done - 1 - bytes.subarray(0, done).lastIndexOf(NEWLINE);
    if (torn > 0 && holdsLease()) await truncateFile(fd, (await statFile(fd)).size - torn);
    throw error;
  }
}
