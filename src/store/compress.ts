import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { type FileHandle, lutimes, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { errnoOf } from '../errors.ts';
import { replaceFile } from '../system/durable.ts';
import { lstatIfPresent } from '../system/files/optional-files.ts';
import { openSafeHandle } from '../system/files/safe-open.ts';
import { checkLease } from '../system/lease-guard.ts';
import { NEWLINE, readLines, splitLines } from '../system/lines.ts';
import { TASK_FILES } from './layout.ts';
import { gzipMembers } from './places/gzip-members.ts';

/** Task files that grow large and are rarely read some days after the task's end. */
export const LARGE_FILES: readonly ('agentOutput' | 'trace')[] = ['agentOutput', 'trace'];

const READ_BYTES = 65_536;

const NEWLINE_BYTES = Buffer.from([NEWLINE]);

/**
 * Path of the gzipped form of a file. When both forms exist the plain one is used: it is complete, unless it came from
 * elsewhere (a backup).
 */
export function gzipPath(path: string): string {
  return `${path}.gz`;
}

/** Gzips the large files of a task that is not written to. True when at least one was gzipped. */
export async function compressTask(dir: string): Promise<boolean> {
  let isAnyCompressed = false;
  for (const file of LARGE_FILES)
    isAnyCompressed = (await compressFile(join(dir, TASK_FILES[file]))) || isAnyCompressed;
  return isAnyCompressed;
}

/** Whether the task has a large file that is not gzipped. */
export async function isCompressible(dir: string): Promise<boolean> {
  for (const file of LARGE_FILES) {
    if (isLarge(await lstatIfPresent(join(dir, TASK_FILES[file])))) return true;
  }
  return false;
}

/** Undoes `compressTask` before a task is written to again. `names` are the names in its directory. */
export async function restoreTask(dir: string, names: readonly string[]): Promise<void> {
  for (const file of LARGE_FILES) {
    const name = TASK_FILES[file];
    if (!names.includes(gzipPath(name))) continue;
    if (names.includes(name)) await joinForms(join(dir, name));
    else await restoreFile(join(dir, name));
    checkLease();
    await rm(gzipPath(join(dir, name)), { force: true });
  }
}

/** Content of a gzipped file, in pieces; buffers only a few of them. The caller closes the file. */
export async function* inflate(file: FileHandle): AsyncGenerator<Buffer> {
  let reading: Promise<unknown> = Promise.resolve();
  let isFinished = false;
  async function* pieces(): AsyncGenerator<Buffer> {
    for (let position = 0; !isFinished; ) {
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
  // Errors reach the consumer through `gunzip`.
  pipeline(pieces, gunzip).catch(() => undefined);
  try {
    yield* gunzip;
  } finally {
    isFinished = true;
    // The caller closes the file next, which must not happen during a read.
    await reading.catch(() => undefined);
  }
}

/**
 * Removes the plain file once the gzipped one is durable, and copies its mtime, which recovery compares with that of
 * the metadata.
 */
async function compressFile(path: string): Promise<boolean> {
  const stats = await lstatIfPresent(path);
  if (!isLarge(stats)) return false;
  if ((await lstatIfPresent(gzipPath(path))) !== undefined) await joinForms(path);
  const plain = await openSafeHandle(path, 'r');
  try {
    await replaceFile(gzipPath(path), gzipMembers(piecesOf(plain)));
  } finally {
    await plain.close();
  }
  await lutimes(gzipPath(path), stats.atime, stats.mtime);
  checkLease();
  await rm(path);
  return true;
}

async function* piecesOf(file: FileHandle): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  for (let position = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, READ_BYTES, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function restoreFile(path: string): Promise<void> {
  const file = await openSafeHandle(gzipPath(path), 'r');
  try {
    const { atime, mtime } = await file.stat();
    await replaceFile(path, inflate(file));
    await lutimes(path, atime, mtime);
  } finally {
    await file.close();
  }
}

/** Adds the lines of the gzipped form that the plain one lacks: an older backup may stand in its place. */
async function joinForms(path: string): Promise<void> {
  const gzipped = await openSafeHandle(gzipPath(path), 'r');
  try {
    const plain = await openSafeHandle(path, 'r');
    try {
      const has = new Set<string>();
      for await (const lines of readLines(plain))
        for (const line of lines) if (line.bytes) has.add(keyOf(line.bytes));
      let isMissing = false;
      for await (const lines of splitLines(inflate(gzipped)))
        for (const { bytes } of lines) isMissing ||= bytes !== undefined && !has.has(keyOf(bytes));
      if (isMissing) await replaceFile(path, joined(gzipped, plain));
    } catch (error) {
      // Not a gzipped file: the plain one stands.
      if (errnoOf(error)?.startsWith('Z_') !== true) throw error;
    } finally {
      await plain.close();
    }
  } finally {
    await gzipped.close();
  }
}

/** The lines of the gzipped form, then those that only the plain one has. */
async function* joined(gzipped: FileHandle, plain: FileHandle): AsyncGenerator<Buffer> {
  const had = new Set<string>();
  for (const batches of [splitLines(inflate(gzipped)), readLines(plain)]) {
    for await (const lines of batches) {
      for (const { bytes } of lines) {
        if (bytes === undefined || had.has(keyOf(bytes))) continue;
        had.add(keyOf(bytes));
        yield Buffer.concat([bytes, NEWLINE_BYTES]);
      }
    }
  }
}

function keyOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('base64');
}

/** An empty file gains nothing, and the target of a symbolic link belongs to another program. */
function isLarge(stats: Stats | undefined): stats is Stats {
  return stats?.isFile() === true && stats.size > 0;
}
