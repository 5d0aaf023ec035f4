import { open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf } from '../errors.ts';
import { makeDirectorySync } from '../journal/make-directory.ts';

/** What a file can be made of: pieces that need not be in memory together. */
export type Content = string | Uint8Array | AsyncIterable<Uint8Array>;

/** Whether a name is one of our unfinished copies of that file; recovery removes those. */
export function isTempNameOf(name: string, path: string): boolean {
  return name.startsWith(`.${basename(path)}.`) && name.endsWith('.tmp');
}

/**
 * Replaces a file whole: readers see the old content or the new, also after a power cut. Written beside its target,
 * synced, renamed, and the directory synced. When writing or renaming fails, the old content is in place.
 */
export async function replaceFile(path: string, content: Content): Promise<void> {
  const temp = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    const handle = await open(temp, 'w');
    try {
      await writeFile(handle, content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temp, path);
  } catch (error) {
    // What went wrong first is what the caller must know; a leftover is removed when the task is opened next.
    await rm(temp, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** The text of a file that only its writer asks for; undefined when there is none. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Makes a directory, and every name on the way to it as durable as what will be in it. */
export async function makeDirectory(path: string): Promise<void> {
  for (const made of makeDirectorySync(path)) await syncDirectory(dirname(made));
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
