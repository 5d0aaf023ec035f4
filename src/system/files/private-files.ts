import { constants, fsync, renameSync } from 'node:fs';
import { access, chmod, lstat, mkdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { errnoOf, TasktrailError } from '../../errors.ts';
import { withFile, writeWhole } from '../descriptor.ts';
import { checkLease } from '../lease-guard.ts';
import { PRIVATE_FILE, PRIVATE_FOLDER } from './modes.ts';
import { lstatIfPresent, namesIn } from './optional-files.ts';
import { syncDirectory } from './sync-directory.ts';
import { tempMark } from './temp-mark.ts';

const syncFile = promisify(fsync);

/** Milliseconds after which a temporary file belongs to a dead process. A write takes a few milliseconds. */
const TEMP_MS = 60_000;

/**
 * Makes a directory that only this user can use, and syncs its parent, which must exist. Throws
 * `ERR_DIRECTORY_UNUSABLE` for a symbolic link, a file, or the directory of another user.
 */
export async function makePrivateDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: PRIVATE_FOLDER });
    await syncDirectory(dirname(path));
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
  const stats = await lstat(path);
  if (!stats.isDirectory()) {
    const what = stats.isSymbolicLink() ? 'a symbolic link' : 'not a directory';
    throw new TasktrailError(
      'ERR_DIRECTORY_UNUSABLE',
      `${path} is ${what}: remove it, and a directory is made`,
    );
  }
  try {
    if ((stats.mode & 0o077) !== 0) await chmod(path, PRIVATE_FOLDER);
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const why = `${path} is another user's (${errnoOf(error)})`;
    throw new TasktrailError('ERR_DIRECTORY_UNUSABLE', `${why}: chown it to the user of this process`, {
      cause: error,
    });
  }
}

/** Writes a new file that only this user can read, and syncs it. Its name must not exist, not even as a link. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  await withFile(
    path,
    'wx',
    async (fd) => {
      await writeWhole(fd, Buffer.from(text));
      await syncFile(fd);
    },
    PRIVATE_FILE,
  );
}

/**
 * `replaceFile` for a file that only this user can read. Follows no symbolic link. Several processes may write to the
 * directory, also from containers in which their pids are equal.
 */
export async function replacePrivateFile(path: string, text: string): Promise<void> {
  const dir = dirname(path);
  const temp = join(dir, `.${basename(path)}.${tempMark()}.tmp`);
  try {
    await writePrivateFile(temp, text);
    // The sync may have taken long, and this process may have been stopped meanwhile.
    checkLease();
    renameSync(temp, path);
  } catch (error) {
    await rm(temp, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dir);
}

/** Removes what processes have left that were killed in `replacePrivateFile`. */
export async function removeLeftTemps(dir: string): Promise<void> {
  for (const name of await namesIn(dir)) {
    if (!name.startsWith('.') || !name.endsWith('.tmp')) continue;
    const path = join(dir, name);
    const stats = await lstatIfPresent(path);
    if (stats !== undefined && Date.now() - stats.mtimeMs > TEMP_MS) await rm(path, { force: true });
  }
}
