import { createReadStream, type Stats } from 'node:fs';
import { type FileHandle, lstat, open, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { errnoOf } from '../errors.ts';
import { replaceFile } from '../system/durable.ts';
import { TASK_FILES, type TaskFile } from './layout.ts';

/** The files of a task that grow large, and that hardly anybody reads some days after its end. */
const LARGE_FILES = ['agentOutput', 'trace'] as const satisfies readonly TaskFile[];

const READ_BYTES = 65_536;

/** Where the gzipped form of a file is; of both the plain one counts, which is whole whenever it is there. */
export function gzipPath(path: string): string {
  return `${path}.gz`;
}

/** Gzips the large files of a task that nobody writes to. True when there was one. */
export async function compressTask(dir: string): Promise<boolean> {
  let isNews = false;
  for (const file of LARGE_FILES) isNews = (await compressFile(join(dir, TASK_FILES[file]))) || isNews;
  return isNews;
}

/** Whether there is a large file that is not gzipped. */
export async function isCompressible(dir: string): Promise<boolean> {
  for (const file of LARGE_FILES) {
    const stats = await statOf(join(dir, TASK_FILES[file]));
    if (isLarge(stats)) return true;
  }
  return false;
}

/** The opposite, for a task that is written to again; `names` are those in its directory. */
export async function restoreTask(dir: string, names: readonly string[]): Promise<void> {
  for (const file of LARGE_FILES) {
    const name = TASK_FILES[file];
    if (!names.includes(gzipPath(name))) continue;
    if (!names.includes(name)) await restoreFile(join(dir, name));
    await rm(gzipPath(join(dir, name)), { force: true });
  }
}

/** The content of a gzipped file, in pieces. Memory for a few of them. The file stays open. */
export async function* inflate(file: FileHandle): AsyncGenerator<Buffer> {
  let reading: Promise<unknown> = Promise.resolve();
  let isOver = false;
  async function* pieces(): AsyncGenerator<Buffer> {
    for (let position = 0; !isOver; ) {
      const buffer = Buffer.allocUnsafe(READ_BYTES);
      const read = file.read(buffer, 0, READ_BYTES, position);
      reading = read;
      const { bytesRead } = await read;
      if (bytesRead === 0) return;
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }
  const gunzip = createGunzip();
  // What goes wrong is told to whoever reads the other end.
  pipeline(pieces, gunzip).catch(() => undefined);
  try {
    yield* gunzip;
  } finally {
    isOver = true;
    // Who closes the file next must not do so beneath a read that is under way.
    await reading.catch(() => undefined);
  }
}

/** The plain file goes when the other is on the disk. Its time stays: it tells whether a line was written since. */
async function compressFile(path: string): Promise<boolean> {
  const stats = await statOf(path);
  if (!isLarge(stats)) return false;
  const gzip = createGzip();
  try {
    await Promise.all([pipeline(createReadStream(path), gzip), replaceFile(gzipPath(path), gzip)]);
  } finally {
    // Where the one end could not be opened, the other would wait for ever.
    gzip.destroy();
  }
  await utimes(gzipPath(path), stats.atime, stats.mtime);
  await rm(path);
  return true;
}

async function restoreFile(path: string): Promise<void> {
  const file = await open(gzipPath(path), 'r');
  try {
    const { atime, mtime } = await file.stat();
    await replaceFile(path, inflate(file));
    await utimes(path, atime, mtime);
  } finally {
    await file.close();
  }
}

/** Nothing is gained from an empty one, and a link is somebody else's file. */
function isLarge(stats: Stats | undefined): stats is Stats {
  return stats?.isFile() === true && stats.size > 0;
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
