import { join } from 'node:path';
import type { DeliveryPage, DeliveryQuery } from '../../model/delivery.ts';
import type { EventStream, TasksToFollow } from '../../model/event-stream.ts';
import type { JsonObject } from '../../model/json.ts';
import type {
  Flow,
  FlowWindow,
  TaskDocument,
  TaskFlow,
  TaskPage,
  TaskQuery,
  WindowQuery,
} from '../../model/task-reading.ts';
import type {
  FeedPage,
  FeedQuery,
  StoredWorkflow,
  WorkflowPage,
  WorkflowQuery,
} from '../../model/workflow.ts';
import { unreadable } from '../file-errors.ts';
import { OWN_NAMES, type TaskFile, taskFile } from '../layout.ts';
import { openStored } from '../stored-file.ts';
import {
  hasTaskDir,
  isBlankLine,
  type OpenedLines,
  openTaskLines,
  readTaskDocument,
  storedLine,
  storedText,
} from '../task-file.ts';
import { WorkflowPlaces } from '../workflow-place.ts';
import { createDeliveryList } from './deliveries/delivery-list.ts';
import { createFeedReader } from './feed-reader.ts';
import { FollowedList } from './follow/followed-list.ts';
import { type ListSearch, searchOf } from './follow/list-search.ts';
import { Streams } from './follow/streams.ts';
import { createTaskStreams } from './follow/task-streams.ts';
import { SentCopies } from './sent-copies.ts';
import { spanItems } from './span-item.ts';
import { createTaskListing, type TaskListing } from './task-list.ts';
import { openWindow } from './window/flow-window.ts';
import { Indexes } from './window/indexes.ts';
import { createWorkflowList } from './workflow-list.ts';
import { readWorkflow } from './workflow-reader.ts';

/**
 * Reads a log directory. Holds no lock, and no open file between calls, so any process may use one. Only a large file whose index is
 * missing stays open until it has one.
 */
export interface LogReader {
  hasTask(taskId: string): Promise<boolean>;
  readDocument(taskId: string, document: TaskDocument): Promise<JsonObject | undefined>;
  openFlow(taskId: string, flow: TaskFlow): Promise<Flow | undefined>;
  openWindow(taskId: string, flow: TaskFlow, query: WindowQuery): Promise<FlowWindow | undefined>;
  readManifest(taskId: string): Promise<string | undefined>;
  /** The spans as JSON texts, in the order of the file. Undefined without the task. */
  openTrace(taskId: string): Promise<Flow | undefined>;
  listTasks(query: TaskQuery, signal?: AbortSignal): Promise<TaskPage>;
  listDeliveries(query: DeliveryQuery): Promise<DeliveryPage>;
  readWorkflow(workflowId: string): Promise<StoredWorkflow | undefined>;
  listWorkflows(query: WorkflowQuery): Promise<WorkflowPage>;
  readFeed(query: FeedQuery): Promise<FeedPage>;
  followTask(taskId: string, after: string | undefined): Promise<EventStream | undefined>;
  followTasks(tasks: TasksToFollow, after: string | undefined): Promise<EventStream | undefined>;
  followWorkflow(workflowId: string, after: string | undefined): Promise<EventStream | undefined>;
  followFeed(after: string | undefined, type: string | undefined): Promise<EventStream>;
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
  /** Default: one of its own. */
  readonly listing?: TaskListing;
  /** Default: by metadata alone. */
  readonly search?: ListSearch;
}

/**
 * Creates a reader of the tasks in `logDir` and the workflows in `workflowDir`. Documents are replaced atomically, so
 * a read returns a complete one. Line files are read up to their size at the time of opening.
 */
export function createReader(logDir: string, options: ReaderOptions = {}): LogReader {
  const { workflowDir = join(logDir, OWN_NAMES.workflows), expectsUploads = false } = options;
  const places = new WorkflowPlaces(workflowDir);
  const indexes = new Indexes();
  const { listing = createTaskListing(logDir), search = searchOf(listing) } = options;
  const feed = createFeedReader(workflowDir);
  const find = (workflowId: string): Promise<StoredWorkflow | undefined> =>
    readWorkflow(places, workflowId, expectsUploads);
  const streams = new Streams({
    ...{ search, feed, readWorkflow: find },
    tasks: createTaskStreams(logDir, indexes),
    list: new FollowedList(logDir, listing, search),
  });
  return {
    hasTask: (taskId) => hasTaskDir(logDir, taskId),
    readDocument: (taskId, document) => readTaskDocument(logDir, taskId, DOCUMENTS[document]),
    openFlow: (taskId, flow) => openFlow(logDir, taskId, { file: FLOWS[flow] }),
    openWindow: async (taskId, flow, query) => {
      if (!(await hasTaskDir(logDir, taskId))) return undefined;
      const file = FLOWS[flow];
      return openWindow(
        { path: taskFile(logDir, taskId, file), what: `a line file of task ${taskId}` },
        query,
        indexes,
      );
    },
    readManifest: (taskId) => readManifest(taskFile(logDir, taskId, 'manifest')),
    openTrace: (taskId) => openTrace(logDir, taskId),
    listTasks: search.list,
    listDeliveries: createDeliveryList(logDir),
    readWorkflow: find,
    listWorkflows: createWorkflowList(places, expectsUploads),
    readFeed: async (query) => {
      const { items, nextCursor } = await feed.read(query);
      return { items, nextCursor };
    },
    followTask: (taskId, after) => streams.followTask(taskId, after),
    followTasks: (tasks, after) => streams.followTasks(tasks, after),
    followWorkflow: (workflowId, after) => streams.followWorkflow(workflowId, after),
    followFeed: (after, type) => streams.followFeed(after, type),
  };
}

/** It has a row for each file of the task. */
const MANIFEST_BYTES_MAX = 1_048_576;

async function readManifest(path: string): Promise<string | undefined> {
  const opened = await openStored({ path, what: 'the manifest of a task' });
  try {
    if (opened === undefined || opened.size > MANIFEST_BYTES_MAX) return undefined;
    return await opened.handle.readFile('utf8');
  } finally {
    await opened?.handle.close();
  }
}

/** What a line becomes; without it the line itself. */
type View = (value: JsonObject) => readonly string[];

async function openFlow(
  logDir: string,
  taskId: string,
  { file, view }: { readonly file: TaskFile; readonly view?: View },
): Promise<Flow | undefined> {
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
      pass = goodLines(opened, { copies, view });
      return pass;
    },
    close: async () => {
      // Waits for a pending read: the number of a closed descriptor may already belong to another file.
      await pass?.return(undefined);
      await opened.close();
    },
  };
}

async function openTrace(logDir: string, taskId: string): Promise<Flow | undefined> {
  const opened = await openFlow(logDir, taskId, { file: 'trace', view: spanItems });
  // The first span of a running task comes when it ends.
  return opened ?? ((await hasTaskDir(logDir, taskId)) ? NO_LINES : undefined);
}

const NO_LINES: Flow = { skippedLines: 0, lines: async function* () {}, close: async () => {} };

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

async function* goodLines(
  opened: OpenedLines,
  { copies, view }: { readonly copies: SentCopies; readonly view: View | undefined },
): AsyncGenerator<string> {
  for await (const batch of opened.lines()) {
    for (const line of batch) {
      const stored = storedLine(line);
      if (stored === undefined || copies.has(stored.text)) continue;
      if (view === undefined) yield stored.text;
      else yield* view(stored.value);
    }
  }
}
