import { TasktrailError } from '../errors.ts';
import { isWorkflowId } from '../model/ids.ts';
import { isJsonObject, type JsonObject } from '../model/json.ts';
import { readIso } from '../model/time.ts';
import { isOfQueue, type Job, type Queue } from '../queue/queue.ts';
import { carrierOf } from '../record/carrier.ts';
import { describeRequeue } from '../record/task/absent-task.ts';
import type { Reader } from '../serve/reader.ts';

/** Tasks per page of the list. */
const PAGE_SIZE = 200;

/** Youngest age in milliseconds: records about a younger task may still be in transit. The next pass looks at it. */
const AGE_MIN_MS = 10_000;

/** Statuses of tasks to queue again, from a queue that keeps its jobs and from one that lost them. */
const QUEUED = ['queued'] as const;
const UNFINISHED = ['queued', 'running', 'waiting_input'] as const;

type TaskReader = Pick<Reader, 'listTasks' | 'readDocument'>;

export interface RequeueOptions {
  readonly reader: TaskReader;
  readonly queue: Queue;
  /** True for the in-process queue: its jobs are lost with the process, so running tasks are queued again too. */
  readonly isVolatile: boolean;
  /** Whether this process queued the task itself. */
  isOwn(taskId: string): boolean;
  /** A task that cannot be read; the others are queued all the same. */
  onUnreadable?(taskId: string, error: TasktrailError): void;
}

/**
 * Queues unfinished tasks again that the queue no longer knows: a waiting one unchanged, a running one as its next
 * attempt. Returns the number of queued tasks.
 */
export async function requeueUnfinished(options: RequeueOptions): Promise<number> {
  const { queue, isVolatile } = options;
  const tasks: JsonObject[] = [];
  for (const status of isVolatile ? UNFINISHED : QUEUED) tasks.push(...(await listTasks(options, status)));
  let queued = 0;
  // The list has the newest first; the oldest must be queued first.
  for (const metadata of tasks.reverse()) {
    const job = await readJob(metadata, options);
    if (job === undefined || (await queue.knows(job.taskId))) continue;
    // Records that it is queued: a running task without heartbeats would be closed as abandoned.
    if (metadata.status !== 'queued') describeRequeue(job);
    await queue.push(job);
    queued += 1;
  }
  return queued;
}

async function listTasks(
  { reader, queue, isVolatile, isOwn }: RequeueOptions,
  status: (typeof UNFINISHED)[number],
): Promise<JsonObject[]> {
  const found: JsonObject[] = [];
  const before = Date.now() - AGE_MIN_MS;
  let cursor: string | null = null;
  do {
    const page = await reader.listTasks({ status, limit: PAGE_SIZE, ...(cursor !== null && { cursor }) });
    for (const item of page.items) {
      if (!isOfQueue(item, queue)) continue;
      const isYoung = Date.parse(readIso(item.created_at) ?? '') > before;
      if (isVolatile ? isOwn(String(item.task_id)) : isYoung) continue;
      found.push(item);
    }
    cursor = page.nextCursor;
  } while (cursor !== null);
  return found;
}

/** Undefined for a task that is not to be queued: no task of ours, changed since it was listed, or unreadable. */
async function readJob(
  metadata: JsonObject,
  { reader, onUnreadable }: RequeueOptions,
): Promise<Job | undefined> {
  try {
    const job = await jobOf(metadata, reader);
    // A worker may have finished it since it was listed.
    return job !== undefined && (await isUnchanged(metadata, job, reader)) ? job : undefined;
  } catch (error) {
    if (!(error instanceof TasktrailError) || error.retryable) throw error;
    onUnreadable?.(String(metadata.task_id), error);
    return undefined;
  }
}

async function isUnchanged(before: JsonObject, { taskId }: Job, reader: TaskReader): Promise<boolean> {
  const now = await reader.readDocument(taskId, 'metadata');
  return now?.status === before.status && now?.attempt === before.attempt;
}

async function jobOf(metadata: JsonObject, reader: TaskReader): Promise<Job | undefined> {
  const { task_id: taskId, attempt, stops, status, command, requested_agent: agent } = metadata;
  const { workflow_ids: workflows } = metadata;
  if (typeof taskId !== 'string') return undefined;
  const input = await reader.readDocument(taskId, 'input');
  if (!isJsonObject(input) || typeof input.message !== 'string') return undefined;
  const current = typeof attempt === 'number' ? attempt : 1;
  const workflowId = Array.isArray(workflows) ? workflows.findLast(isWorkflowId) : undefined;
  return {
    taskId,
    message: input.message,
    sourceMetadata: isJsonObject(input.source_metadata) ? input.source_metadata : {},
    command: typeof command === 'string' ? command : null,
    agent: typeof agent === 'string' ? agent : null,
    attempt: status === 'queued' ? current : current + 1,
    stops: typeof stops === 'number' ? stops : 0,
    ...(workflowId !== undefined && { workflowId }),
    carrier: carrierOf(metadata),
  };
}
