import { constants as bufferConstants } from 'node:buffer';
import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isJsonObject, type JsonObject, parseJson } from '../model/json.ts';
import { isMissing, unreadable } from './file-errors.ts';

/** Does not follow a symbolic link and does not block on a pipe. Windows has neither flag nor such pipes. */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** Workflow documents may have hundreds of megabytes; a longer file does not fit into a string. */
const DOCUMENT_BYTES_MAX = bufferConstants.MAX_STRING_LENGTH;

export interface OpenedFile {
  readonly handle: FileHandle;
  readonly size: number;
}

/** A file and its name in messages, which leave out the path. */
export interface NamedFile {
  readonly path: string;
  readonly what: string;
}

/** Undefined when the file is missing or not a regular file; `ERR_STORE_UNAVAILABLE` when it cannot be opened. */
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

/** The JSON object in a file; undefined when the file is missing or holds anything else. */
export async function readStoredObject(file: NamedFile): Promise<JsonObject | undefined> {
  const value = await readStoredValue(file);
  return isJsonObject(value) ? value : undefined;
}

/** The JSON value in a file; null when it is damaged, undefined when the file is missing. */
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

/** Does not follow a symbolic link. Undefined when the path is missing; `ERR_STORE_UNAVAILABLE` on other errors. */
export async function lstatStored({ path, what }: NamedFile): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw unreadable(what, error);
  }
}

/** Whether the last `levels` folders of a path are directories and not symbolic links to others. */
export async function isOwnFolder(path: string, what: string, levels: number): Promise<boolean> {
  for (let folder = path, left = levels; left > 0; folder = dirname(folder), left -= 1)
    if ((await lstatStored({ path: folder, what }))?.isDirectory() !== true) return false;
  return true;
}
