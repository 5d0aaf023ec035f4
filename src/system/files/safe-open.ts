import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  open,
  openSync,
  readFileSync,
  type Stats,
} from 'node:fs';
import { type FileHandle, open as openHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { errnoOf, TasktrailError } from '../../errors.ts';
import { fileMode, PRIVATE_FILE } from './modes.ts';

const { O_RDONLY, O_WRONLY, O_RDWR, O_APPEND, O_CREAT, O_EXCL } = constants;

/** A symbolic link is not followed, and opening a pipe does not wait for its other end. Windows has neither flag. */
const NO_LINK = constants.O_NOFOLLOW ?? 0;
const SAFE = NO_LINK | (constants.O_NONBLOCK ?? 0);

/**
 * `wx` and `ax` create a file that must not exist, not even as a link; processes that share `ax` do not overwrite each
 * other. `inherited` is `r` for the standard input of a child, which must not find a flag on it.
 */
export type Access = 'r' | 'r+' | 'a' | 'wx' | 'ax' | 'inherited';

const FLAGS: Readonly<Record<Access, number>> = {
  r: O_RDONLY | SAFE,
  'r+': O_RDWR | SAFE,
  a: O_WRONLY | O_APPEND | O_CREAT | SAFE,
  wx: O_WRONLY | O_CREAT | O_EXCL | NO_LINK,
  ax: O_WRONLY | O_APPEND | O_CREAT | O_EXCL | NO_LINK,
  inherited: O_RDONLY | NO_LINK,
};

/** FreeBSD says EMLINK. */
const LINK = new Set(['ELOOP', 'EMLINK']);

const openFile = promisify(open);

/**
 * Opens a regular file below the log directory. Throws `ERR_DIRECTORY_UNUSABLE` for a symbolic link, a pipe, a device or a
 * folder in its place: what is read or written through those lies elsewhere. A new file gets `mode`, whatever the umask.
 */
export async function openSafe(path: string, access: Access, mode: number = fileMode()): Promise<number> {
  const fd = await openFile(path, FLAGS[access], mode).catch((error: unknown) => {
    throw explained(error, path);
  });
  return isNewPrivate(access, mode) ? fd : checked(fd, path, mode);
}

/** `openSafe` without waiting for other work of this thread. */
export function openSafeSync(path: string, access: Access, mode: number = PRIVATE_FILE): number {
  let fd: number;
  try {
    fd = openSync(path, FLAGS[access], mode);
  } catch (error) {
    throw explained(error, path);
  }
  return isNewPrivate(access, mode) ? fd : checked(fd, path, mode);
}

/** `openSafe` for a file that is read or rewritten in pieces. */
export async function openSafeHandle(
  path: string,
  access: Access,
  mode: number = fileMode(),
): Promise<FileHandle> {
  const handle = await openHandle(path, FLAGS[access], mode).catch((error: unknown) => {
    throw explained(error, path);
  });
  try {
    check(handle.fd, path, mode);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Text of a small file of this program; undefined when there is none, or something that is not a file. */
export function readTextSync(path: string): string | undefined {
  let fd: number;
  try {
    fd = openSafeSync(path, 'r');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || isNoFile(error)) return undefined;
    throw error;
  }
  try {
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

/** Whether `openSafe` has refused something that is not a regular file. */
export function isNoFile(error: unknown): boolean {
  return error instanceof TasktrailError && error.code === 'ERR_DIRECTORY_UNUSABLE';
}

/** For a link in place of `path`. */
export function linkRefused(path: string, cause?: unknown): TasktrailError {
  return refused(path, 'is a symbolic link, which is not followed', cause);
}

/** This call has made it, so it is a file; and no umask takes a permission that the setting gives. */
function isNewPrivate(access: Access, mode: number): boolean {
  return (access === 'wx' || access === 'ax') && mode === PRIVATE_FILE;
}

/** `openSafeSync` to append, with the size and the inode at that moment: each line that is written needs them. */
export function openToAppendSync(path: string, mode: number): { readonly fd: number; readonly stats: Stats } {
  let fd: number;
  try {
    fd = openSync(path, FLAGS.a, mode);
  } catch (error) {
    throw explained(error, path);
  }
  try {
    return { fd, stats: check(fd, path, mode) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function checked(fd: number, path: string, mode: number): number {
  try {
    check(fd, path, mode);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Synchronous: the attributes of a file that has just been opened are in memory. */
function check(fd: number, path: string, mode: number): Stats {
  const stats = fstatSync(fd);
  if (!stats.isFile()) throw refused(path, 'is not a regular file');
  // The umask took a permission that the setting gives. A file with content keeps its mode: a user may have set it.
  if (mode !== PRIVATE_FILE && stats.size === 0 && (stats.mode & 0o777) !== mode) fchmodSync(fd, mode);
  return stats;
}

function explained(error: unknown, path: string): unknown {
  const errno = errnoOf(error) ?? '';
  if (LINK.has(errno)) return linkRefused(path, error);
  // A pipe that is not read, or a socket.
  return errno === 'ENXIO' ? refused(path, 'is not a regular file', error) : error;
}

function refused(path: string, what: string, cause?: unknown): TasktrailError {
  return new TasktrailError('ERR_DIRECTORY_UNUSABLE', `${basename(path)} ${what}`, { cause });
}
