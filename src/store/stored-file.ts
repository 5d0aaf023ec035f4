import { constants } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isJsonObject, type JsonObject } from '../model/json.ts';
import { isMissing, type OpenedFile, unreadable } from './task-file.ts';

/** A link is not followed, and a pipe in place of a file does not block. Windows knows neither flag (nor such pipes). */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

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
  const opened = await openStored(file);
  if (opened === undefined) return undefined;
  let text: string;
  try {
    text = await opened.handle.readFile('utf8');
  } catch (error) {
    throw unreadable(file.what, error);
  } finally {
    await opened.handle.close();
  }
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    // A SyntaxError: damaged.
    return undefined;
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
