import { isWorkflowId } from '../model/ids.ts';
import { isJsonObject, type JsonObject } from '../model/json.ts';
import { readIso } from '../model/time.ts';
import { isOfQueue, type Job, type Queue } from '../queue/queue.ts';
import { carrierOf } from '../record/carrier.ts';
import { describeRequeue } from '../record/task/absent-task.ts';
import type { Reader } from '../serve/reader.ts';

/** A page of the list at a time. */
const PAGE = 200;

/** What became of a younger task may be on its way here: it is looked at the next time. */
const SETTLED_MS = 10_000;

type TaskReader = Pick<Reader, 'listTasks' | 'readDocument'>;

export interface RequeueOptions {
  readonly reader: TaskReader;
  readonly queue: Queue;
  /** Whether the tasks of a queue that lives in its process are gone with that: then also those that ran. */
  readonly isVolatile: boolean;
  /** Tasks that this process has queued itself. */
  isOwn(taskId: string): boolean;
}

/**
 * Finds the tasks that were taken and not ended, and of which the queue knows nothing any more, and queues them again:
 * one that waited as it was, one that ran as its next attempt. Returns how many were queued.
 */
export async function requeueUnfinished(options: RequeueOptions): Promise<number> {
  const { queue, isVolatile } = options;
  const found = isVolatile
    ? [
        ...(await listed(options, 'queued')),
        ...(await listed(options, 'running')),
        ...(await listed(options, 'waiting_input')),
      ]
    : await listed(options, 'queued');
  let queued = 0;
  // The list is newest first; the queue is not.
  for (const metadata of found.reverse()) {
    const job = await jobOf(metadata, options.reader);
    if (job === undefined || (await queue.knows(job.taskId))) continue;
    // It may have been taken and ended since it was listed.
    if (!(await isAsItWas(metadata, job, options.reader))) continue;
    // Until a worker takes it nothing is heard of it, which of a task that runs would mean that its worker is gone.
    if (metadata.status !== 'queued') describeRequeue(job);
    await queue.push(job);
    queued += 1;
  }
  return queued;
}

async function listed(
  { reader, queue, isVolatile, isOwn }: RequeueOptions,
  status: 'queued' | 'running' | 'waiting_input',
): Promise<JsonObject[]> {
  const found: JsonObject[] = [];
  const before = Date.now() - SETTLED_MS;
  let cursor: string | null = null;
  do {
    const page = await reader.listTasks({ status, limit: PAGE, ...(cursor !== null && { cursor }) });
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

async function isAsItWas(before: JsonObject, { taskId }: Job, reader: TaskReader): Promise<boolean> {
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
