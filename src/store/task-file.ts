import { TasktrailError } from '../errors.ts';
import { isJsonObject, type JsonObject, parseObject } from '../model/json.ts';
import { type Line, readLines, splitLines } from '../system/lines.ts';
import { gzipPath, inflate } from './compress.ts';
import { TASK_FILES, type TaskFile, taskDir, taskFile } from './layout.ts';
import { lstatStored, type OpenedFile, openStored, readStoredValue } from './stored-file.ts';

/** Snapshot of a line file at the time of opening, plain or gzipped. */
export interface OpenedLines {
  /** Reads all lines, in batches. Only one pass at a time. */
  lines(): AsyncGenerator<Line[]>;
  close(): Promise<void>;
}

/** Whether the task has a directory. A symbolic link does not count. */
export async function hasTaskDir(logDir: string, taskId: string): Promise<boolean> {
  const folder = { path: taskDir(logDir, taskId), what: `the directory of task ${taskId}` };
  return (await lstatStored(folder))?.isDirectory() === true;
}

/**
 * Opens a line file, plain or gzipped. Undefined when the task or the file is missing; `ERR_STORE_UNAVAILABLE` when
 * it cannot be opened.
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
  // The plain file may have been restored between the two attempts.
  const restored = await openStored({ path, what });
  return restored && plainLines(restored);
}

function plainLines({ handle, size }: OpenedFile): OpenedLines {
  return { lines: () => readLines(handle, { to: size }), close: () => handle.close() };
}

function gzippedLines({ handle }: OpenedFile): OpenedLines {
  return { lines: () => splitLines(inflate(handle)), close: () => handle.close() };
}

/** Text of a stored line: one JSON object. Undefined when it is torn, damaged or too long. */
export function storedText(line: Line): string | undefined {
  return storedLine(line)?.text;
}

/** `storedText`, with what it says. */
export function storedLine({
  bytes,
}: Line): { readonly text: string; readonly value: JsonObject } | undefined {
  const text = bytes?.toString('utf8');
  const value = parseObject(text);
  return text === undefined || value === undefined ? undefined : { text, value };
}

/** A blank line holds no record, so it does not count as skipped. */
export function isBlankLine({ bytes }: Line): boolean {
  return bytes !== undefined && bytes.toString('utf8').trim() === '';
}

/** Undefined when the file is missing; `ERR_STORE_UNAVAILABLE` when it is unreadable or not one JSON object. */
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
