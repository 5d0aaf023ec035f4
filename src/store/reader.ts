import type { FileHandle } from 'node:fs/promises';
import type { JsonObject } from '../model/json.ts';
import type { Flow, TaskDocument, TaskFlow, TaskPage, TaskQuery } from '../model/task-reading.ts';
import type { TaskFile } from './layout.ts';
import { isBlankLine, isGoodLine, readLines } from './read-lines.ts';
import { hasTaskDir, openTaskFile, readTaskDocument, unreadable } from './task-file.ts';
import { createTaskList } from './task-list.ts';

/** The reading side of a log directory. Holds no lock and no file open between calls, so any process may have one. */
export interface TaskReader {
  hasTask(taskId: string): Promise<boolean>;
  readDocument(taskId: string, document: TaskDocument): Promise<JsonObject | undefined>;
  openFlow(taskId: string, flow: TaskFlow): Promise<Flow | undefined>;
  listTasks(query: TaskQuery): Promise<TaskPage>;
}

const DOCUMENTS: Readonly<Record<TaskDocument, TaskFile>> = {
  metadata: 'metadata',
  input: 'input',
  'final-result': 'finalResult',
};

const FLOWS: Readonly<Record<TaskFlow, TaskFile>> = {
  'webhook-flow': 'webhookFlow',
  'agent-output': 'agentOutput',
};

/**
 * Reads the tasks under `logDir`. Documents are replaced atomically by their writer, so a plain read always sees a
 * whole one; line files are read as they are at the moment of opening.
 */
export function createReader(logDir: string): TaskReader {
  return {
    hasTask: (taskId) => hasTaskDir(logDir, taskId),
    readDocument: (taskId, document) => readTaskDocument(logDir, taskId, DOCUMENTS[document]),
    openFlow: (taskId, flow) => openFlow(logDir, taskId, FLOWS[flow]),
    listTasks: createTaskList(logDir),
  };
}

async function openFlow(logDir: string, taskId: string, file: TaskFile): Promise<Flow | undefined> {
  const opened = await openTaskFile(logDir, taskId, file);
  if (opened === undefined) return undefined;
  const { handle, size } = opened;
  let skippedLines: number;
  try {
    skippedLines = await countSkipped(handle, size);
  } catch (error) {
    await handle.close();
    throw unreadable(`a line file of task ${taskId}`, error);
  }
  let pass: AsyncGenerator<string> | undefined;
  return {
    skippedLines,
    lines: () => {
      pass = goodLines(handle, size);
      return pass;
    },
    close: async () => {
      // Waits for a read that is under way: a descriptor that is closed beneath it may be another file's by then.
      await pass?.return(undefined);
      await handle.close();
    },
  };
}

async function countSkipped(handle: FileHandle, size: number): Promise<number> {
  let skipped = 0;
  for await (const batch of readLines(handle, size)) {
    for (const line of batch) if (!isGoodLine(line) && !isBlankLine(line)) skipped += 1;
  }
  return skipped;
}

async function* goodLines(handle: FileHandle, size: number): AsyncGenerator<string> {
  for await (const batch of readLines(handle, size)) {
    for (const line of batch) if (isGoodLine(line)) yield line;
  }
}
