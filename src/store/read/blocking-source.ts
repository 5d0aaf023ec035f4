import { lstatSync, type Stats } from 'node:fs';
import { errnoOf } from '../../errors.ts';
import { type JsonObject, parseObject } from '../../model/json.ts';
import { isoFromMs } from '../../model/time.ts';
import { readTextSync } from '../../system/files/safe-open.ts';
import { type TaskFile, taskDir, taskFile } from '../layout.ts';
import { placeInTime } from './listing.ts';
import type { ListedTask } from './task-list.ts';
import { createTaskSource, type TaskSource, versionText } from './task-source.ts';

/** Larger files are read without blocking, in pieces. */
const SMALL_BYTES = 1_048_576;

/**
 * As `createTaskSource`, for a thread that does nothing else: small files are read in the thread itself, which takes a
 * fraction of the time of a request to the thread pool for each step.
 */
export function createBlockingSource(logDir: string, workflowDir: string): TaskSource {
  const source = createTaskSource(logDir, workflowDir);
  const read = (taskId: string, file: TaskFile): string | undefined => {
    const path = taskFile(logDir, taskId, file);
    const stats = statOf(path);
    return stats?.isFile() === true && stats.size <= SMALL_BYTES ? textOf(path) : undefined;
  };
  const isFolder = (taskId: string): boolean => statOf(taskDir(logDir, taskId))?.isDirectory() === true;
  return {
    ...source,
    versions: async (taskId) => {
      const folder = statOf(taskDir(logDir, taskId));
      const output = statOf(taskFile(logDir, taskId, 'agentOutput'));
      // Without it the file may be gzipped.
      if (folder === undefined || output === undefined) return source.versions(taskId);
      return { folder: versionText(folder), output: versionText(output) };
    },
    read: async (taskId) =>
      isFolder(taskId) ? (listed(logDir, taskId, read) ?? source.read(taskId)) : undefined,
    readDocument: async (taskId, document) => {
      const file = document === 'input' ? 'input' : 'finalResult';
      const found: JsonObject | undefined = parseObject(read(taskId, file));
      return found ?? source.readDocument(taskId, document);
    },
    outputLines: async function* (taskId) {
      const text = isFolder(taskId) ? read(taskId, 'agentOutput') : undefined;
      if (text === undefined) yield* source.outputLines(taskId);
      else yield text.split('\n').filter((line) => line !== '');
    },
  };
}

function listed(
  logDir: string,
  id: string,
  read: (taskId: string, file: TaskFile) => string | undefined,
): ListedTask | undefined {
  const stats = statOf(taskFile(logDir, id, 'metadata'));
  const metadata = parseObject(read(id, 'metadata'));
  if (stats === undefined || metadata === undefined) return undefined;
  const version = { text: versionText(stats), modifiedAt: isoFromMs(Math.max(stats.mtimeMs, 0)) };
  return { id, at: placeInTime(metadata.created_at, version), metadata: { ...metadata, task_id: id } };
}

function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    // The other source says what is wrong, or leaves it out.
    return undefined;
  }
}

function textOf(path: string): string | undefined {
  try {
    return readTextSync(path);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}
