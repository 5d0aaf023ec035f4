import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { journalDir } from '../journal/lone-record.ts';
import { formatSegmentName, parseSegmentName } from '../journal/segment-name.ts';
import { makeDirectorySync } from '../system/make-directory.ts';

/** Folder beside those of tasks, by task id. No task id begins with `_`. */
const LEFT_FOLDER = '_left';

/** Of one run: a thousand times what a workflow of a hundred steps records. More is a mistake or an attack. */
const BYTES_MAX = 64 * 1024 * 1024;

const PIECE_BYTES = 256 * 1024;

/** A pipe does not make the open wait, and a link is not followed. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;

/** Where the records of a run's task wait: `<parent>/_left/<task id>` for the run `<parent>/<task id>/<run>`. */
export function leftRecordsFolder(runDirectory: string): string {
  const task = dirname(runDirectory);
  return join(dirname(task), LEFT_FOLDER, basename(task));
}

/** Holds the folders of tasks whose agents left records, below the folder of runs. */
export function leftRecordsParent(runs: string): string {
  return join(runs, LEFT_FOLDER);
}

/**
 * Copies the segments that commands in an agent could not send. Returns their number; throws when the copy cannot be
 * written. The folder belongs to the agent, so nothing in it is trusted: only regular files count, no link is followed, and
 * the size is limited.
 */
export function keepLeftRecords(logDir: string, target: string): number {
  const source = journalDir(logDir);
  let room = BYTES_MAX;
  let kept = 0;
  for (const name of segmentsIn(source)) {
    const parsed = parseSegmentName(name);
    if (parsed === undefined) continue;
    makeDirectorySync(target, 0o700);
    // Closed: its writer has ended with the agent.
    const to = join(target, formatSegmentName({ ...parsed, state: 'closed' }));
    const bytes = copyRegular(join(source, name), to, room);
    room -= bytes;
    kept += bytes > 0 ? 1 : 0;
  }
  return kept;
}

function segmentsIn(directory: string): readonly string[] {
  try {
    // A link in the place of the journal could show the service's own.
    if (realpathSync(directory) !== join(realpathSync(dirname(dirname(directory))), ...lastTwo(directory)))
      return [];
    return readdirSync(directory);
  } catch {
    // ENOENT: the agent recorded nothing.
    return [];
  }
}

function lastTwo(path: string): readonly string[] {
  return [basename(dirname(path)), basename(path)];
}

/** Returns the bytes copied; 0 for what is no regular file, is gone, or is larger than `bytesMax`. */
function copyRegular(from: string, to: string, bytesMax: number): number {
  let source: number;
  try {
    source = openSync(from, READ_FLAGS);
  } catch {
    // ENOENT: it was sent meanwhile. ELOOP: a link. ENXIO: a socket.
    return 0;
  }
  try {
    const stat = fstatSync(source);
    return stat.isFile() && stat.nlink === 1 && stat.size <= bytesMax ? copy(source, to, stat.size) : 0;
  } finally {
    closeSync(source);
  }
}

function copy(source: number, to: string, size: number): number {
  const temp = `${to}.new`;
  const target = openSync(temp, 'w', 0o600);
  let copied = 0;
  try {
    const piece = Buffer.alloc(Math.min(PIECE_BYTES, Math.max(1, size)));
    while (copied < size) {
      const read = readSync(source, piece, 0, piece.length, copied);
      if (read === 0) break;
      writeSync(target, piece, 0, read);
      copied += read;
    }
    fsyncSync(target);
  } finally {
    closeSync(target);
  }
  renameSync(temp, to);
  return copied;
}
