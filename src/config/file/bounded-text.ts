import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { errnoOf, messageOf } from '../../errors.ts';

/** Files of people are some KB long. The limit keeps a file of another program from filling the memory. */
const BYTES_MAX = 1_048_576;

/** A file may be a FIFO or a terminal: opening it must not wait for a writer, nor make it this process's terminal. */
const WITHOUT_WAIT: number = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);

export interface ReadOptions {
  /** Default 1 MiB. */
  readonly bytesMax?: number;
  /** For a file that the user named: it may be a pipe, as of `<(...)`, and is then waited for. */
  readonly mayBePipe?: boolean;
}

export type ReadText =
  | { readonly text: string; readonly sha256: string }
  /** `isMissing`: there is no such file. `isDirectory`: a directory has its name. */
  | { readonly problem: string; readonly isMissing: boolean; readonly isDirectory: boolean };

/** Reads a small regular file, links followed. Never waits and never throws: all else is a problem in words. */
export function readBoundedText(path: string, options: ReadOptions = {}): ReadText {
  const { bytesMax = BYTES_MAX, mayBePipe = false } = options;
  const problem = (text: string): ReadText => ({ problem: text, isMissing: false, isDirectory: false });
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, mayBePipe ? constants.O_RDONLY : WITHOUT_WAIT);
    const file = fstatSync(descriptor);
    if (file.isDirectory())
      return { problem: 'cannot be read: it is a directory', isMissing: false, isDirectory: true };
    if (!file.isFile() && !mayBePipe) return problem('cannot be read: it is not a regular file');
    const bytes = readUpTo(descriptor, bytesMax + 1);
    if (bytes.length > bytesMax) return problem(`cannot be read: it is longer than ${bytesMax} bytes`);
    return { text: bytes.toString('utf8'), sha256: createHash('sha256').update(bytes).digest('hex') };
  } catch (error) {
    const isMissing = ['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '');
    return { problem: `cannot be read: ${messageOf(error)}`, isMissing, isDirectory: false };
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** The size that the system tells is not asked: it is 0 for a pipe and for files of `/proc`. */
function readUpTo(descriptor: number, bytesMax: number): Buffer {
  const pieces: Buffer[] = [];
  let left = bytesMax;
  while (left > 0) {
    const piece = Buffer.alloc(Math.min(left, 65_536));
    const count = readSync(descriptor, piece);
    if (count === 0) break;
    pieces.push(piece.subarray(0, count));
    left -= count;
  }
  return Buffer.concat(pieces);
}
