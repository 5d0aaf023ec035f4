import { constants } from 'node:buffer';
import { fsync } from 'node:fs';
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { errnoOf } from '../errors.ts';
import { withFile, writeWhole } from './descriptor.ts';
import { makeDirectorySync } from './make-directory.ts';

const syncFile = promisify(fsync);

/** What a file can be made of: pieces that need not be in memory together. */
export type Content = string | Uint8Array | AsyncIterable<Uint8Array>;

/** Whether a name is one of our unfinished copies of that file; recovery removes those. */
export function isTempNameOf(name: string, path: string): boolean {
  return name.startsWith(`.${basename(path)}.`) && name.endsWith('.tmp');
}

/** What a file of a directory is to hold. */
export interface Replacement {
  readonly name: string;
  readonly content: Content;
}

/** As `replaceFiles`, for one file. */
export async function replaceFile(path: string, content: Content): Promise<void> {
  await replaceFiles(dirname(path), [{ name: basename(path), content }]);
}

/**
 * Replaces files of a directory whole, in the order given: readers see the old content or the new, also after a power cut,
 * and nobody sees a later one new while an earlier one is old. Each is written beside its target and synced, then all are
 * renamed and the directory is synced. What could not be written or renamed has its old content in place.
 */
export async function replaceFiles(dir: string, files: readonly Replacement[]): Promise<void> {
  const temps = files.map(({ name, content }) => ({
    content,
    path: join(dir, name),
    temp: join(dir, `.${name}.${process.pid}.tmp`),
  }));
  try {
    for (const { temp, content } of temps) await writeSynced(temp, content);
    for (const { temp, path } of temps) await rename(temp, path);
  } catch (error) {
    // What went wrong first is what the caller must know; a leftover is removed when the task is opened next.
    for (const { temp } of temps) await rm(temp, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dir);
}

async function writeSynced(path: string, content: Content): Promise<void> {
  await withFile(path, 'w', async (fd) => {
    if (typeof content === 'string') await writeWhole(fd, Buffer.from(content));
    else if (content instanceof Uint8Array) await writeWhole(fd, content);
    else for await (const piece of content) await writeWhole(fd, piece);
    await syncFile(fd);
  });
}

/**
 * The text of a document that we write; undefined when there is none. Empty when it is longer than a string can be
 * (512 MiB): no document of ours is, so it is damaged, and a parser says the same of an empty text.
 */
export async function readText(path: string): Promise<string | undefined> {
  try {
    const { size } = await stat(path);
    return size > constants.MAX_STRING_LENGTH ? '' : await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Makes a directory, and every name on the way to it as durable as what will be in it. True when it was not there: then
 * it is empty.
 */
export async function makeDirectory(path: string): Promise<boolean> {
  const made = await makeLevels(path);
  for (const level of made) await syncDirectory(dirname(level));
  return made.length > 0;
}

/** Without blocking where only the last level is missing, as with each new task: the disk may take its time for it. */
async function makeLevels(path: string): Promise<readonly string[]> {
  try {
    await mkdir(path);
    return [path];
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return makeDirectorySync(path);
  }
}

async function syncDirectory(path: string): Promise<void> {
  await withFile(path, 'r', syncFile);
}
