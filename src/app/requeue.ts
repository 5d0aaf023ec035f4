import { isWorkflowId } from '../model/ids.ts';
import { isJsonObject, type JsonObject } from '../model/json.ts';
import type { Job, Queue } from '../queue/queue.ts';
import { closeTask } from '../record/attempt.ts';
import type { Reader } from '../serve/reader.ts';
import { resumeWorkflow } from './resume-workflow.ts';

/** A page of the list at a time. */
const PAGE = 200;

export interface RequeueOptions {
  readonly reader: Reader;
  readonly queue: Queue;
  readonly attemptsMax: number;
  /** Tasks that this process has queued itself. */
  readonly own: ReadonlySet<string>;
}

/**
 * Finds the tasks that an earlier process of this service had taken and not ended, and queues them again: one that
 * waited as it was, one that ran as its next attempt. One that has used up its attempts is closed as abandoned.
 * Returns how many were queued.
 */
export async function requeueUnfinished({
  reader,
  queue,
  attemptsMax,
  own,
}: RequeueOptions): Promise<number> {
  const found: JsonObject[] = [];
  for (const status of ['queued', 'running', 'waiting_input'] as const) {
    let cursor: string | null = null;
    do {
      const page = await reader.listTasks({ status, limit: PAGE, ...(cursor !== null && { cursor }) });
      found.push(...page.items.filter((item) => item.queue_system === queue.system && !own.has(idOf(item))));
      cursor = page.nextCursor;
    } while (cursor !== null);
  }
  let queued = 0;
  // The list is newest first; the queue is not.
  for (const metadata of found.reverse()) {
    const job = await jobOf(metadata, reader);
    if (job === undefined) continue;
    // Whoever stops the service, however often, has not tried the task in vain.
    if (job.attempt - (job.stops ?? 0) > attemptsMax) {
      const error = `its process ended during each of ${attemptsMax} attempts`;
      closeTask({ taskId: job.taskId, attempt: job.attempt - 1 }, { status: 'abandoned', error });
      if (job.workflowId !== undefined) (await resumeWorkflow(job.workflowId)).cancel(error);
      continue;
    }
    await queue.push(job);
    queued += 1;
  }
  return queued;
}

function idOf(metadata: JsonObject): string {
  return typeof metadata.task_id === 'string' ? metadata.task_id : '';
}

async function jobOf(metadata: JsonObject, reader: Reader): Promise<Job | undefined> {
  const { task_id: taskId, attempt, stops, status, command, requested_agent: agent, traceparent } = metadata;
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
    carrier: typeof traceparent === 'string' ? { traceparent } : {},
  };
}
