import { errnoOf } from '../errors.ts';

const ADVICE: Readonly<Record<string, string>> = {
  EDQUOT: 'The quota of this user is used up: remove files, or raise it',
  EIO: 'The disk has an error: see the log of the kernel',
  EMFILE: 'This process has too many files open: raise its limit (ulimit -n)',
  ENFILE: 'The system has too many files open',
  ENOENT: 'The directory is gone; it is made again',
  ENOSPC: 'Free space or inodes (df, df -i): remove files, or set TASK_LOGS_RETENTION_DAYS',
  ENOTDIR: 'A part of the path is a file: move it away',
  EROFS: 'The file system is read-only: mount it for writing again',
};

/** What to do about an error of the disk, after which records wait. */
export function adviceOn(error: unknown): string {
  const advice = ADVICE[errnoOf(error) ?? ''];
  return `${advice === undefined ? '' : `${advice}. `}Records wait until it is well again`;
}
