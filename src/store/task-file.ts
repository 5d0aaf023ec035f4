import { lstat } from 'node:fs/promises';
import { TasktrailError } from '../errors.ts';
import { isJsonObject, type JsonObject, parseObject } from '../model/json.ts';
import { type Line, readLines, splitLines } from '../system/lines.ts';
import { gzipPath, inflate } from './compress.ts';
import { TASK_FILES, type TaskFile, taskDir, taskFile } from './layout.ts';
import { isMissing, type OpenedFile, openStored, readStoredValue, unreadable } from './stored-file.ts';

/** A line file as it was when it was opened, gzipped or not. */
export interface OpenedLines {
  /** One pass over its lines, in batches; one after the other. */
  lines(): AsyncGenerator<Line[]>;
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

/**
 * A line file, which is gzipped some days after the task's end. Undefined when the task or the file is missing;
 * `ERR_STORE_UNAVAILABLE` when it cannot be opened.
 */
export async function openTaskLines(
  logDir: string,
  taskId: string,
  file: TaskFile,
): Promise<OpenedLines | undefined> {
  if (!(await hasTaskDir(logDir, taskId))) return undefined;
  const path = taskFile(logDir, taskId, file);
  const what = nameOf(taskId, file);
  const plain = await openStored({ path, what });
  if (plain !== undefined) return plainLines(plain);
  const gzipped = await openStored({ path: gzipPath(path), what });
  if (gzipped !== undefined) return gzippedLines(gzipped);
  // The plain form may have come back before the other one went.
  const restored = await openStored({ path, what });
  return restored && plainLines(restored);
}

function plainLines({ handle, size }: OpenedFile): OpenedLines {
  return { lines: () => readLines(handle, { to: size }), close: () => handle.close() };
}

function gzippedLines({ handle }: OpenedFile): OpenedLines {
  return { lines: () => splitLines(inflate(handle)), close: () => handle.close() };
}

/** The text of a stored line that readers are given: one JSON object. Undefined when it is torn, damaged or too long. */
export function storedText({ bytes }: Line): string | undefined {
  const text = bytes?.toString('utf8');
  return parseObject(text) === undefined ? undefined : text;
}

/** A blank line holds no record, so none is missing when it is skipped. */
export function isBlankLine({ bytes }: Line): boolean {
  return bytes !== undefined && bytes.toString('utf8').trim() === '';
}

/** Undefined when missing; `ERR_STORE_UNAVAILABLE` when it is unreadable or holds anything but one JSON object. */
export async function readTaskDocument(
  logDir: string,
  taskId: string,
  file: TaskFile,
): Promise<JsonObject | undefined> {
  if (!(await hasTaskDir(logDir, taskId))) return undefined;
  const value = await readStoredValue({ path: taskFile(logDir, taskId, file), what: nameOf(taskId, file) });
  if (value === undefined || isJsonObject(value)) return value;
  throw damaged(taskId, file);
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
