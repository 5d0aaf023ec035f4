import { constants } from 'node:buffer';
import { fsync, renameSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { errnoOf } from '../errors.ts';
import { writeWhole } from './descriptor.ts';
import { makeDirectorySync, makeNamedDirectorySync } from './files/make-directory.ts';
import { writeNew } from './files/new-file.ts';
import { isNoFile, openSafeHandle } from './files/safe-open.ts';
import { syncDirectory } from './files/sync-directory.ts';
import { tempMark } from './files/temp-mark.ts';
import { checkLease } from './lease-guard.ts';

const syncFile = promisify(fsync);

/** Content of a file. An iterable is written piece by piece, so that it need not fit in memory. */
export type Content = string | Uint8Array | AsyncIterable<Uint8Array>;

/** Whether `name` is a temporary file that `replaceFiles` makes for `path`. Recovery removes those of killed processes. */
export function isTempNameOf(name: string, path: string): boolean {
  return name.startsWith(`.${basename(path)}.`) && name.endsWith('.tmp');
}

export interface Replacement {
  readonly name: string;
  readonly content: Content;
}

/** `replaceFiles` for a single file. */
export async function replaceFile(path: string, content: Content): Promise<void> {
  await replaceFiles(dirname(path), [{ name: basename(path), content }]);
}

/**
 * Replaces whole files of one directory, in the given order. A reader sees the old or the new content of each file,
 * also after a power cut, and never a new later file beside an old earlier one. Each file is written to a temporary
 * file and synced; then all are renamed and the directory is synced. On an error, files that were not renamed yet
 * keep their old content.
 */
export async function replaceFiles(dir: string, files: readonly Replacement[]): Promise<void> {
  // Two writers of one file, in this process or in two that both have the pid 1, have a temporary file each.
  const mark = `${process.pid}-${tempMark()}`;
  const temps = files.map(({ name, content }) => ({
    content,
    path: join(dir, name),
    temp: join(dir, `.${name}.${mark}.tmp`),
  }));
  try {
    for (const { temp, content } of temps) await writeSynced(temp, content);
    // The syncs may have taken long, and this process may have been stopped meanwhile.
    checkLease();
    for (const { temp, path } of temps) renameSync(temp, path);
  } catch (error) {
    // The first error is reported, not one of the clean-up: opening the task again removes what is left.
    for (const { temp } of temps) await rm(temp, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dir);
}

async function writeSynced(path: string, content: Content): Promise<void> {
  await writeNew(path, async (fd) => {
    if (typeof content === 'string') await writeWhole(fd, Buffer.from(content));
    else if (content instanceof Uint8Array) await writeWhole(fd, content);
    else for await (const piece of content) await writeWhole(fd, piece);
    await syncFile(fd);
  });
}

/**
 * The text of a document written by this program; undefined when the file does not exist. A link or a pipe in its place
 * counts as absent, and is replaced with the next document. A file longer than the longest string (512 MiB) is damaged,
 * since no document is that long: it is returned as an empty text, which a parser rejects.
 */
export async function readText(path: string): Promise<string | undefined> {
  const handle = await openSafeHandle(path, 'r').catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT' || isNoFile(error)) return undefined;
    throw error;
  });
  if (handle === undefined) return undefined;
  try {
    const { size } = await handle.stat();
    return size > constants.MAX_STRING_LENGTH ? '' : await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

/**
 * Makes a directory below the log directory with its missing parents, and syncs each parent. Returns true when the
 * directory did not exist and is therefore empty.
 */
export async function makeDirectory(path: string): Promise<boolean> {
  return syncLevels(makeDirectorySync(path));
}

/** `makeDirectory` for the log directory itself, whose missing parents get the usual mode. */
export async function makeNamedDirectory(path: string): Promise<boolean> {
  return syncLevels(makeNamedDirectorySync(path));
}

async function syncLevels(created: readonly string[]): Promise<boolean> {
  for (const level of created) await syncDirectory(dirname(level));
  return created.length > 0;
}
