import { join } from 'node:path';
import type { DeliveryPage, DeliveryQuery } from '../../model/delivery.ts';
import type { JsonObject } from '../../model/json.ts';
import type { Flow, TaskDocument, TaskFlow, TaskPage, TaskQuery } from '../../model/task-reading.ts';
import type {
  FeedPage,
  FeedQuery,
  StoredWorkflow,
  WorkflowPage,
  WorkflowQuery,
} from '../../model/workflow.ts';
import { unreadable } from '../file-errors.ts';
import { OWN_NAMES, type TaskFile } from '../layout.ts';
import {
  hasTaskDir,
  isBlankLine,
  type OpenedLines,
  openTaskLines,
  readTaskDocument,
  storedText,
} from '../task-file.ts';
import { WorkflowPlaces } from '../workflow-place.ts';
import { createDeliveryList } from './delivery-list.ts';
import { createFeedReader } from './feed-reader.ts';
import { SentCopies } from './sent-copies.ts';
import { createTaskList } from './task-list.ts';
import { createWorkflowList } from './workflow-list.ts';
import { readWorkflow } from './workflow-reader.ts';

/** Reads a log directory. Holds no lock, and no open file between calls, so any process may use one. */
export interface LogReader {
  hasTask(taskId: string): Promise<boolean>;
  readDocument(taskId: string, document: TaskDocument): Promise<JsonObject | undefined>;
  openFlow(taskId: string, flow: TaskFlow): Promise<Flow | undefined>;
  listTasks(query: TaskQuery): Promise<TaskPage>;
  listDeliveries(query: DeliveryQuery): Promise<DeliveryPage>;
  readWorkflow(workflowId: string): Promise<StoredWorkflow | undefined>;
  listWorkflows(query: WorkflowQuery): Promise<WorkflowPage>;
  readFeed(query: FeedQuery): Promise<FeedPage>;
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

export interface ReaderOptions {
  /** Default `_workflow` in the log directory. */
  readonly workflowDir?: string;
  /** True when documents are uploaded to S3: one that is not uploaded yet is then reported as pending. */
  readonly expectsUploads?: boolean;
}

/**
 * Creates a reader of the tasks in `logDir` and the workflows in `workflowDir`. Documents are replaced atomically, so
 * a read returns a complete one. Line files are read up to their size at the time of opening.
 */
export function createReader(logDir: string, options: ReaderOptions = {}): LogReader {
  const { workflowDir = join(logDir, OWN_NAMES.workflows), expectsUploads = false } = options;
  const places = new WorkflowPlaces(workflowDir);
  return {
    hasTask: (taskId) => hasTaskDir(logDir, taskId),
    readDocument: (taskId, document) => readTaskDocument(logDir, taskId, DOCUMENTS[document]),
    openFlow: (taskId, flow) => openFlow(logDir, taskId, FLOWS[flow]),
    listTasks: createTaskList(logDir),
    listDeliveries: createDeliveryList(logDir),
    readWorkflow: (workflowId) => readWorkflow(places, workflowId, expectsUploads),
    listWorkflows: createWorkflowList(places, expectsUploads),
    readFeed: createFeedReader(workflowDir),
  };
}

async function openFlow(logDir: string, taskId: string, file: TaskFile): Promise<Flow | undefined> {
  const opened = await openTaskLines(logDir, taskId, file);
  if (opened === undefined) return undefined;
  let skippedLines: number;
  const copies = new SentCopies();
  try {
    skippedLines = await countSkipped(opened, copies);
  } catch (error) {
    await opened.close();
    throw unreadable(`a line file of task ${taskId}`, error);
  }
  let pass: AsyncGenerator<string> | undefined;
  return {
    skippedLines,
    lines: () => {
      pass = goodLines(opened, copies);
      return pass;
    },
    close: async () => {
      // Waits for a pending read: the number of a closed descriptor may already belong to another file.
      await pass?.return(undefined);
      await opened.close();
    },
  };
}

/** Also finds the copies of records, which are not counted. */
async function countSkipped(opened: OpenedLines, copies: SentCopies): Promise<number> {
  let skipped = 0;
  for await (const batch of opened.lines()) {
    for (const line of batch) {
      const text = storedText(line);
      if (text !== undefined) copies.add(text);
      else if (!isBlankLine(line)) skipped += 1;
    }
  }
  return skipped;
}

async function* goodLines(opened: OpenedLines, copies: SentCopies): AsyncGenerator<string> {
  for await (const batch of opened.lines()) {
    for (const line of batch) {
      const text = storedText(line);
      if (text !== undefined && !copies.has(text)) yield text;
    }
  }
}
