import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errnoOf } from '../../errors.ts';
import { folderMode, PRIVATE_FOLDER } from './modes.ts';

/** Mode of folders that are not ours alone, less the umask. */
const SHARED_FOLDER = 0o777;

/**
 * Makes a directory and its missing parents. Returns the created ones, topmost first. Works level by level: the
 * recursive mkdir of Node never returns where a directory exists and accepts no entries (`/proc`).
 */
export function makeDirectorySync(path: string, mode: number = folderMode()): readonly string[] {
  return makeLevels(resolve(path), mode, mode);
}

/** `makeDirectorySync` for a directory that a user names: its missing parents get the usual mode. */
export function makeNamedDirectorySync(path: string): readonly string[] {
  return makeLevels(resolve(path), folderMode(), SHARED_FOLDER);
}

/** The mode of a directory that was just made, of which the umask may have taken a part. */
function setModeOfNew(path: string, mode: number): void {
  if (mode === PRIVATE_FOLDER || mode === SHARED_FOLDER) return;
  const stats = statSync(path);
  // The group of the parent may be inherited, with a bit of its own.
  if ((stats.mode & 0o777) !== mode) chmodSync(path, mode | (stats.mode & 0o7000));
}

function makeLevels(target: string, mode: number, above: number): readonly string[] {
  try {
    mkdirSync(target, { mode });
  } catch (error) {
    if (errnoOf(error) === 'EEXIST' && statSync(target).isDirectory()) return [];
    const parent = dirname(target);
    if (errnoOf(error) !== 'ENOENT' || parent === target) throw error;
    const made = makeLevels(parent, above, above);
    // The parent exists and accepts no entries.
    if (made.length === 0) throw error;
    mkdirSync(target, { mode });
    setModeOfNew(target, mode);
    return [...made, target];
  }
  setModeOfNew(target, mode);
  return [target];
}
