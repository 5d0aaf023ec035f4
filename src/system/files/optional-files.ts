import { type Stats, statSync } from 'node:fs';
import { type FileHandle, lstat, readdir, stat } from 'node:fs/promises';
import { errnoOf } from '../../errors.ts';
import { isNoFile, openSafeHandle } from './safe-open.ts';

/** The path, or a directory on the way to it, does not exist; ELOOP is a cycle of symbolic links. */
const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

/** Names in a directory; empty when it does not exist. */
export async function namesIn(dir: string): Promise<string[]> {
  return (await unlessAbsent(readdir(dir))) ?? [];
}

/** Permissions, or a damaged part of the disk. */
const UNREADABLE = new Set(['EACCES', 'EPERM', 'EIO', 'EBADMSG', 'EUCLEAN', 'ESTALE', 'ENAMETOOLONG']);

/** `namesIn` that leaves out an unreadable directory: what lies beside it goes on. `findUnreadable` names it. */
export async function readableNamesIn(dir: string): Promise<string[]> {
  try {
    return await namesIn(dir);
  } catch (error) {
    if (isUnreadable(error)) return [];
    throw error;
  }
}

/** Whether an error concerns one file or directory, and reading the others goes on. */
export function isUnreadable(error: unknown): boolean {
  return UNREADABLE.has(errnoOf(error) ?? '');
}

/** Undefined when the path does not exist. Follows symbolic links. */
export function statIfPresent(path: string): Promise<Stats | undefined> {
  return unlessAbsent(stat(path));
}

/** Whether something is there, without waiting for other work of this thread. Follows symbolic links. */
export function isPresent(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if (ABSENT.has(errnoOf(error) ?? '')) return false;
    throw error;
  }
}

/** `statIfPresent` for the path itself: a symbolic link is not followed. */
export function lstatIfPresent(path: string): Promise<Stats | undefined> {
  return unlessAbsent(lstat(path));
}

/** `openSafeHandle`, or undefined when the file does not exist. The caller closes the handle. */
export async function openIfPresent(path: string, flags: 'r' | 'r+'): Promise<FileHandle | undefined> {
  try {
    return await unlessAbsent(openSafeHandle(path, flags));
  } catch (error) {
    // A cycle of links above the file is no link in its place.
    if (isNoFile(error) && (await lstatIfPresent(path)) === undefined) return undefined;
    throw error;
  }
}

async function unlessAbsent<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    if (ABSENT.has(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}
