import { lstatSync } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '../../errors.ts';
import { linkRefused } from './safe-open.ts';

/**
 * Throws `ERR_DIRECTORY_UNUSABLE` when a folder of this program, or one of the folders above it, has been replaced by a
 * symbolic link: files below it would lie elsewhere. `levels`: the number of folders below the log directory, which may
 * itself be a link. A missing folder is fine.
 */
export function checkFolders(path: string, levels: number): void {
  for (const folder of foldersOf(path, levels)) {
    try {
      // Synchronous: the write that follows resolves the same path, and a turn through a thread costs ten times as much.
      if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink() === true) throw linkRefused(folder);
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
  }
}

/** Whether none of these folders is a link, as far as this user can see. */
export async function areRealFolders(path: string, levels: number): Promise<boolean> {
  for (const folder of foldersOf(path, levels)) {
    if ((await lstat(folder).catch(() => undefined))?.isSymbolicLink() === true) return false;
  }
  return true;
}

/** The highest first. */
function foldersOf(path: string, levels: number): readonly string[] {
  const folders = [path];
  while (folders.length < levels) folders.unshift(dirname(folders[0] ?? path));
  return folders;
}

function isAbsent(error: unknown): boolean {
  return errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR';
}
