import { chmod, readdir, stat } from 'node:fs/promises';
import { isPathSafeId } from '../model/ids.ts';
import { folderMode } from '../system/files/modes.ts';
import { OWN_NAMES } from './layout.ts';

/** Sticky, setgid and setuid: a directory that is shared on purpose, such as `/tmp`. */
const SHARED = 0o7000;

/** Entries that only this program makes. */
const MARKS: readonly string[] = ['_journal', OWN_NAMES.directory, OWN_NAMES.lock];

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
  if (!entries.some(({ name }) => MARKS.includes(name))) return undefined;
  const isOurs = entries.every(
    (entry) => /^[_.]/.test(entry.name) || (entry.isDirectory() && isPathSafeId(entry.name)),
  );
  if (!isOurs) return undefined;
  await chmod(logDir, mode & 0o777 & ~excess);
  return mode & 0o777;
}
