import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errnoOf } from '../errors.ts';

/**
 * Makes a directory and those above it that are missing. Returns what was made, topmost first. Level by level, because
 * the system's own recursive form never returns where a directory exists and takes nothing new (`/proc`).
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
    // The parent was there already and still takes nothing.
    if (above.length === 0) throw error;
    mkdirSync(target, { mode });
    return [...above, target];
  }
}
