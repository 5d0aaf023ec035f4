import { messageOf, TasktrailError } from '../../errors.ts';
import type { TaskStatus } from '../../model/documents.ts';
import { isWorkflowId } from '../../model/ids.ts';
import { isJsonObject, type JsonObject, parseObject } from '../../model/json.ts';
import { readIso } from '../../model/time.ts';
import type { JobStore } from '../../queue/job-store.ts';
import { isOfQueue, type Job, type Queue } from '../../queue/queue.ts';
import { carrierOf } from '../../record/carrier.ts';
import { closeTask } from '../../record/task/absent-task.ts';
import type { Reader } from '../../serve/reader.ts';
import { openTaskLines } from '../../store/task-file.ts';

const PAGE_SIZE = 200;

/** With Redis, records of a worker about a younger task may still be in transit. */
const AGE_MIN_MS = 10_000;

const UNFINISHED: readonly TaskStatus[] = ['queued', 'running', 'waiting_input'];

export interface FormerTasksOptions {
  readonly jobs: JobStore;
  readonly queue: Queue;
  readonly reader: Pick<Reader, 'listTasks' | 'readDocument'>;
  readonly logDir: string;
  /** Id of the log directory. */
  readonly home: string;
  /** Whether this process accepted the task itself. */
  isOwn(taskId: string): boolean;
  onProblem(taskId: string, reason: string): void;
}

/**
 * Keeps the unfinished tasks of a version that had no kept jobs: makes their jobs from their records, once in the life of
 * a log directory. Records that another sender has made since the start of this version are left out.
 */
export async function adoptFormerTasks(options: FormerTasksOptions): Promise<void> {
  const { jobs, queue, reader, logDir, isOwn, onProblem } = options;
  for (const metadata of await listTasks(options, UNFINISHED)) {
    const taskId = String(metadata.task_id);
    if (isOwn(taskId) || !isOfQueue(metadata, queue)) continue;
    try {
      if ((await jobs.read(taskId)) !== undefined || (await hasForeignFacts(logDir, taskId))) continue;
      const job = await jobOf(metadata, reader);
      if (job !== undefined) await jobs.add(job, queue, metadata.status !== 'queued');
    } catch (error) {
      // A full disk: the next start tries again.
      if (error instanceof TasktrailError && error.retryable) throw error;
      onProblem(taskId, messageOf(error));
    }
  }
  await jobs.markOpened({ fromRecords: true });
}

/**
 * Ends the recorded tasks for which no job was kept: the service was killed before it had accepted them, and their
 * senders have received no answer. Returns whether all were looked at: some may be too young.
 */
export async function closeUnaccepted(options: FormerTasksOptions): Promise<boolean> {
  const { jobs, queue, reader, home, isOwn, onProblem } = options;
  const ageMin = queue.system === 'in_process' ? 0 : AGE_MIN_MS;
  let isDone = true;
  for (const metadata of await listTasks(options, ['queued'])) {
    const taskId = String(metadata.task_id);
    // What another sender has opened, it ends.
    if (metadata.opened_by !== undefined) continue;
    if (isOwn(taskId) || metadata.queue_home !== home || jobs.hasEnded(taskId)) continue;
    // A time in the future is not that of a young task.
    if (Math.abs(Date.now() - Date.parse(readIso(metadata.created_at) ?? '')) < ageMin) {
      isDone = false;
      continue;
    }
    try {
      if ((await jobs.read(taskId)) !== undefined || (await queue.knows(taskId))) continue;
      const now = await reader.readDocument(taskId, 'metadata');
      // A repeated delivery has the id of the first one: this process may have accepted it during the reads above.
      if (now?.status !== 'queued' || isOwn(taskId)) continue;
      const attempt = typeof now.attempt === 'number' ? now.attempt : 1;
      closeTask(
        { taskId, attempt },
        { status: 'failed', error: 'not queued: the service ended before it was' },
      );
    } catch (error) {
      if (error instanceof TasktrailError && error.retryable) throw error;
      onProblem(taskId, messageOf(error));
    }
  }
  return isDone;
}

/** Oldest first. */
async function listTasks(
  { reader }: FormerTasksOptions,
  statuses: readonly TaskStatus[],
): Promise<readonly JsonObject[]> {
  const found: JsonObject[] = [];
  for (const status of statuses) {
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<Reader['listTasks']>> = await reader.listTasks({
        status,
        limit: PAGE_SIZE,
        ...(cursor !== null && { cursor }),
      });
      found.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor !== null);
  }
  return found.reverse();
}

/** Whether the store has marked a fact of the task as another sender's. Former versions had no such marks. */
async function hasForeignFacts(logDir: string, taskId: string): Promise<boolean> {
  const opened = await openTaskLines(logDir, taskId, 'facts');
  if (opened === undefined) return false;
  try {
    for await (const batch of opened.lines()) {
      for (const { bytes } of batch) {
        if (parseObject(bytes?.toString('utf8'))?.sender !== undefined) return true;
      }
    }
    return false;
  } finally {
    await opened.close();
  }
}

async function jobOf(metadata: JsonObject, reader: FormerTasksOptions['reader']): Promise<Job | undefined> {
  const { task_id: taskId, attempt, stops, command, requested_agent: agent } = metadata;
  const { workflow_ids: workflows } = metadata;
  if (typeof taskId !== 'string') return undefined;
  const input = await reader.readDocument(taskId, 'input');
  if (!isJsonObject(input) || typeof input.message !== 'string') return undefined;
  const workflowId = Array.isArray(workflows) ? workflows.findLast(isWorkflowId) : undefined;
  return {
    taskId,
    message: input.message,
    sourceMetadata: isJsonObject(input.source_metadata) ? input.source_metadata : {},
    command: typeof command === 'string' ? command : null,
    agent: typeof agent === 'string' ? agent : null,
    attempt: typeof attempt === 'number' && Number.isSafeInteger(attempt) && attempt > 0 ? attempt : 1,
    stops: typeof stops === 'number' && Number.isSafeInteger(stops) && stops >= 0 ? stops : 0,
    ...(workflowId !== undefined && { workflowId }),
    carrier: carrierOf(metadata),
  };
}
