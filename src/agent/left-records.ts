import { constants } from 'node:fs';
import { type FileHandle, open, opendir, realpath, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { journalDir } from '../journal/lone-record.ts';
import { formatSegmentName, parseSegmentName } from '../journal/segment-name.ts';
import { makeDirectorySync } from '../system/files/make-directory.ts';

/** Folder beside those of tasks, by task id. No task id begins with `_`. */
const LEFT_FOLDER = '_left';

/** Of one run: a thousand times what a workflow of a hundred steps records. More is a mistake or an attack. */
const BYTES_MAX = 64 * 1024 * 1024;

/** An `emit` is one file. The bound keeps an agent that makes a million of them from holding up the end of its run. */
const FILES_MAX = 10_000;

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
 * Copies the segments that commands in an agent could not send. Resolves with their number; rejects when the copy cannot be
 * written. The folder belongs to the agent, so nothing in it is trusted: only regular files count, no link is followed, and
 * number and size are limited.
 */
export async function keepLeftRecords(logDir: string, target: string): Promise<number> {
  const source = journalDir(logDir);
  let room = BYTES_MAX;
  let kept = 0;
  for (const name of await segmentsIn(source)) {
    const parsed = parseSegmentName(name);
    if (parsed === undefined) continue;
    makeDirectorySync(target, 0o700);
    // Closed: its writer has ended with the agent.
    const to = join(target, formatSegmentName({ ...parsed, state: 'closed' }));
    const bytes = await copyRegular(join(source, name), to, room);
    room -= bytes;
    kept += bytes > 0 ? 1 : 0;
  }
  return kept;
}

async function segmentsIn(directory: string): Promise<readonly string[]> {
  const names: string[] = [];
  try {
    // A link in the place of the journal could show the service's own.
    const place = await realpath(dirname(dirname(directory)));
    if ((await realpath(directory)) !== join(place, basename(dirname(directory)), basename(directory)))
      return [];
    for await (const { name } of await opendir(directory)) if (names.push(name) >= FILES_MAX) break;
  } catch {
    // ENOENT: the agent recorded nothing.
  }
  return names.sort();
}

/** Resolves with the bytes copied; 0 for what is no regular file, is gone, or is larger than `bytesMax`. */
async function copyRegular(from: string, to: string, bytesMax: number): Promise<number> {
  let source: FileHandle;
  try {
    source = await open(from, READ_FLAGS);
  } catch {
    // ENOENT: it was sent meanwhile. ELOOP: a link. ENXIO: a socket.
    return 0;
  }
  try {
    const stat = await source.stat();
    return stat.isFile() && stat.nlink === 1 && stat.size <= bytesMax ? await copy(source, to, stat.size) : 0;
  } finally {
    await source.close();
  }
}

async function copy(source: FileHandle, to: string, size: number): Promise<number> {
  const temp = `${to}.new`;
  const target = await open(temp, 'w', 0o600);
  let copied = 0;
  try {
    const piece = Buffer.alloc(Math.min(PIECE_BYTES, Math.max(1, size)));
    while (copied < size) {
      const { bytesRead } = await source.read(piece, 0, Math.min(piece.length, size - copied), copied);
      if (bytesRead === 0) break;
      await target.writeFile(piece.subarray(0, bytesRead));
      copied += bytesRead;
    }
  } finally {
    await target.close();
  }
  await rename(temp, to);
  return copied;
}
