import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errnoOf } from '../errors.ts';

/**
 * Makes a directory and its missing parents. Returns the created ones, topmost first. Works level by level: the
 * recursive mkdir of Node never returns where a directory exists and accepts no entries (`/proc`).
 */
export function makeDirectorySync(path: string, mode: number = 0o777): readonly string[] {
  const target = resolve(path);
  try {
    mkdirSync(target, { mode });
    return [target];
  } catch (error) {
    if (errnoOf(error) === 'EEXIST' && statSync(target).isDirectory()) return [];
    const parent = dirname(target);
    if (errnoOf(error) !== 'ENOENT' || parent === target) throw error;
    const above = makeDirectorySync(parent, mode);
    // The parent exists and accepts no entries.
    if (above.length === 0) throw error;
    mkdirSync(target, { mode });
    return [...above, target];
  }
}
