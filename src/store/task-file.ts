import { constants } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { errnoOf, TasktrailError } from '../errors.ts';
import { isJsonObject, type JsonObject } from '../model/json.ts';
import { gzipPath, inflate } from './compress.ts';
import { TASK_FILES, type TaskFile, taskDir, taskFile } from './layout.ts';
import { linesIn, type RawLine, readLines } from './read-lines.ts';

/**
 * A link out of the log directory is not followed, and a pipe in place of a file does not block. Windows knows
 * neither flag (nor such pipes).
 */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** No file, no directory, a link, or something that is no file. */
const MISSING = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'EISDIR']);

/** The process is out of files or memory for them: the same read works later. */
const PASSING = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN']);

/** The store writes documents far smaller than this; reading a stray giant must not take the process down. */
const DOCUMENT_BYTES_MAX = 64 * 1_048_576;

export interface OpenedFile {
  readonly handle: FileHandle;
  readonly size: number;
}

/** A line file as it was when it was opened, gzipped or not. */
export interface OpenedLines {
  /** One pass over its lines, in batches; one after the other. */
  lines(): AsyncGenerator<RawLine[]>;
  close(): Promise<void>;
}

/** Whether the task has a directory of its own; a link to one elsewhere does not count. */
export async function hasTaskDir(logDir: string, taskId: string): Promise<boolean> {
  const dir = taskDir(logDir, taskId);
  try {
    return (await lstat(dir)).isDirectory();
  } catch (error) {
    if (isMissing(error)) return false;
    throw unreadable(`the directory of task ${taskId}`, error);
  }
}

/** Undefined when the task or the file is missing; `ERR_STORE_UNAVAILABLE` when it cannot be opened. */
export async function openTaskFile(
  logDir: string,
  taskId: string,
  file: TaskFile,
): Promise<OpenedFile | undefined> {
  if (!(await hasTaskDir(logDir, taskId))) return undefined;
  return openPath(taskFile(logDir, taskId, file), nameOf(taskId, file));
}

/** As `openTaskFile`, for a line file, which is gzipped some days after the task's end. */
export async function openTaskLines(
  logDir: string,
  taskId: string,
  file: TaskFile,
): Promise<OpenedLines | undefined> {
  if (!(await hasTaskDir(logDir, taskId))) return undefined;
  const path = taskFile(logDir, taskId, file);
  const what = nameOf(taskId, file);
  const plain = await openPath(path, what);
  if (plain !== undefined) return plainLines(plain);
  const gzipped = await openPath(gzipPath(path), what);
  if (gzipped !== undefined) return gzippedLines(gzipped);
  // The plain form may have come back before the other one went.
  const restored = await openPath(path, what);
  return restored && plainLines(restored);
}

function plainLines({ handle, size }: OpenedFile): OpenedLines {
  return { lines: () => readLines(handle, size), close: () => handle.close() };
}

function gzippedLines({ handle }: OpenedFile): OpenedLines {
  return { lines: () => linesIn(inflate(handle)), close: () => handle.close() };
}

async function openPath(path: string, what: string): Promise<OpenedFile | undefined> {
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

/** Undefined when missing; `ERR_STORE_UNAVAILABLE` when it is unreadable or holds anything but one JSON object. */
export async function readTaskDocument(
  logDir: string,
  taskId: string,
  file: TaskFile,
): Promise<JsonObject | undefined> {
  const opened = await openTaskFile(logDir, taskId, file);
  if (opened === undefined) return undefined;
  let text: string;
  try {
    if (opened.size > DOCUMENT_BYTES_MAX) throw damaged(taskId, file);
    text = await opened.handle.readFile('utf8');
  } catch (error) {
    if (error instanceof TasktrailError) throw error;
    throw unreadable(nameOf(taskId, file), error);
  } finally {
    await opened.handle.close();
  }
  const document = parseDocument(text);
  if (document === undefined) throw damaged(taskId, file);
  return document;
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

function parseDocument(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    // A SyntaxError: damaged, which the caller says with the file's name.
    return undefined;
  }
}

function damaged(taskId: string, file: TaskFile): TasktrailError {
  return new TasktrailError(
    'ERR_STORE_UNAVAILABLE',
    `${nameOf(taskId, file)} is damaged: not one JSON object`,
  );
}

function nameOf(taskId: string, file: TaskFile): string {
  return `${TASK_FILES[file]} of task ${taskId}`;
}
