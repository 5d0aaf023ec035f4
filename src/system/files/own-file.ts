import type { Stats } from 'node:fs';
import { TasktrailError } from '../../errors.ts';
import { lstatIfPresent } from './optional-files.ts';

/** What is not a regular file, in words. */
export function kindOf(stats: Stats): string {
  if (stats.isSymbolicLink()) return 'a symbolic link, which is not followed';
  if (stats.isDirectory()) return 'a folder';
  return stats.isFIFO() ? 'a named pipe' : 'not a regular file';
}

/**
 * Throws `ERR_DIRECTORY_UNUSABLE` for a link, a folder, a pipe or a device in place of a file of the log directory: readers
 * take it for no file. `remedy` says what to do.
 */
export async function checkOwnFile(path: string, remedy: string): Promise<void> {
  const stats = await lstatIfPresent(path);
  if (stats === undefined || stats.isFile()) return;
  throw new TasktrailError('ERR_DIRECTORY_UNUSABLE', `${path} is ${kindOf(stats)}: ${remedy}`);
}
