import { chmod, readdir, stat } from 'node:fs/promises';
import { isPathSafeId } from '../model/ids.ts';
import { folderMode } from '../system/files/modes.ts';

/** Sticky, setgid and setuid: a directory that is shared on purpose, such as `/tmp`. */
const SHARED = 0o7000;

/** Our entries beside the folders of tasks. */
const OWN_ENTRY = /^_|^\.pruned-|^\..*\.tmp$/;

/**
 * Takes from others what `TASK_LOGS_FILE_MODE` does not give them: the log directory of an earlier version is readable to
 * all users of the machine, with all files in it. Only for a directory of this user that holds nothing but our entries.
 * Returns the mode before, if it was changed.
 */
export async function closeToOthers(logDir: string): Promise<number | undefined> {
  const { uid, mode } = await stat(logDir);
  const excess = mode & 0o077 & ~folderMode();
  if (excess === 0 || (mode & SHARED) !== 0 || uid !== process.geteuid?.()) return undefined;
  const entries = await readdir(logDir, { withFileTypes: true });
  const isOurs = entries.every(
    (entry) => OWN_ENTRY.test(entry.name) || (entry.isDirectory() && isPathSafeId(entry.name)),
  );
  if (!isOurs) return undefined;
  await chmod(logDir, mode & 0o777 & ~excess);
  return mode & 0o777;
}
