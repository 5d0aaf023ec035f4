import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { isMissing, unreadable } from '../file-errors.ts';
import { DAY_FILE } from '../layout.ts';
import { lstatStored, type NamedFile } from '../stored-file.ts';

/** Entries of a directory; empty when it is missing. `ERR_STORE_UNAVAILABLE` when it cannot be read. */
export async function readEntries({ path, what }: NamedFile): Promise<readonly Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    if (isMissing(error)) return [];
    throw unreadable(what, error);
  }
}

/** Names of the day files in a directory, oldest first. A symbolic link is neither followed nor listed. */
export async function readDayFiles(folder: NamedFile): Promise<readonly string[]> {
  if ((await lstatStored(folder))?.isDirectory() !== true) return [];
  const entries = await readEntries(folder);
  return entries
    .filter((entry) => entry.isFile() && DAY_FILE.test(entry.name))
    .map(({ name }) => name)
    .sort();
}
