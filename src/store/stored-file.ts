import { constants as bufferConstants } from 'node:buffer';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, TasktrailError } from '../errors.ts';
import { isJsonObject, type JsonObject, parseJson } from '../model/json.ts';

/** A link is not followed, and a pipe in place of a file does not block. Windows knows neither flag (nor such pipes). */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** No file, no directory, a link, or something that is no file. */
const MISSING = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'EISDIR']);

/** The process is out of files or memory for them: the same read works later. */
const PASSING = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN']);

/** Documents of workflows may be some hundred megabytes; reading a stray giant must not take the process down. */
const DOCUMENT_BYTES_MAX = bufferConstants.MAX_STRING_LENGTH;

export interface OpenedFile {
  readonly handle: FileHandle;
  readonly size: number;
}

/** A file and its name for messages: a path is not the client's. */
export interface NamedFile {
  readonly path: string;
  readonly what: string;
}

/** Undefined when it is missing or no file; `ERR_STORE_UNAVAILABLE` when it cannot be opened. */
export async function openStored({ path, what }: NamedFile): Promise<OpenedFile | undefined> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, OPEN_FLAGS);
    const stats = await handle.stat();
    if (stats.isFile()) return { handle, size: stats.size };
    await handle.close();
    return undefined;
  } catch (error) {
    await handle?.close();
    if (isMissing(error)) return undefined;
    throw unreadable(what, error);
  }
}

/** The one object in a file; undefined also when it holds something else. */
export async function readStoredObject(file: NamedFile): Promise<JsonObject | undefined> {
  const value = await readStoredValue(file);
  return isJsonObject(value) ? value : undefined;
}

/** The JSON in a file; null when it is damaged, undefined when the file is missing. */
export async function readStoredValue(file: NamedFile): Promise<unknown> {
  const opened = await openStored(file);
  if (opened === undefined) return undefined;
  try {
    if (opened.size > DOCUMENT_BYTES_MAX) return null;
    return parseJson(await opened.handle.readFile('utf8')) ?? null;
  } catch (error) {
    throw unreadable(file.what, error);
  } finally {
    await opened.handle.close();
  }
}

/** Whether a path and the folder above it are folders themselves, not links to one elsewhere. */
export async function isOwnFolder(path: string, what: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory() && (await lstat(dirname(path))).isDirectory();
  } catch (error) {
    if (isMissing(error)) return false;
    throw unreadable(what, error);
  }
}

/** Reading failed, for a reason that the message gives as the system's error name only: a path is not the client's. */
export function unreadable(what: string, error: unknown): TasktrailError {
  const errno = errnoOf(error) ?? 'unknown error';
  return new TasktrailError('ERR_STORE_UNAVAILABLE', `${what} cannot be read: ${errno}`, {
    cause: error,
    retryable: PASSING.has(errno),
  });
}

export function isMissing(error: unknown): boolean {
  return MISSING.has(errnoOf(error) ?? '');
}
