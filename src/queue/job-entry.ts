import { z } from 'zod';
import { budgetSchema } from '../model/budget-schema.ts';
import { isPathSafeId, isWorkflowId } from '../model/ids.ts';
import { isJsonObject, type JsonObject } from '../model/json.ts';
import { carrierOf } from '../record/carrier.ts';
import type { ProcessIdentity } from '../system/process-identity.ts';
import type { Job } from './queue.ts';

/** A renamed field needs the next number. An entry of a later version is set aside. */
const SCHEMA_VERSION = 1;

/** The process that works on a job. */
export interface JobWorker extends ProcessIdentity {
  /** Its lease, see `ownLease`. Undefined: it owned no log directory. */
  readonly lease?: number | undefined;
}

/** A job that the service has accepted and not ended. */
export interface JobEntry {
  readonly job: Job;
  /** Whether the attempt of `job` has begun. */
  readonly isStarted: boolean;
  /** The process that works on it, or was killed while it did. */
  readonly worker?: JobWorker | undefined;
  /** `Queue.name`, `Queue.system` and `Queue.home` of the queue that has it. */
  readonly queue: { readonly name: string; readonly system: string; readonly home: string | undefined };
  /** ISO 8601. */
  readonly createdAt: string;
  readonly updatedAt: string;
  /** The lease of the service that wrote the entry last. Undefined: an older version did. */
  readonly lease?: number | undefined;
}

const time = z.iso.datetime();
const amount = z.number().min(0);

const schema = z.object({
  schema_version: z.literal(SCHEMA_VERSION),
  task_id: z.string(),
  message: z.string(),
  source_metadata: z.custom<JsonObject>(isJsonObject, 'must be an object'),
  command: z.string().nullable(),
  agent: z.string().nullable(),
  attempt: z.int().min(1),
  started: z.boolean(),
  stops: z.int().min(0),
  /** Absent in entries of earlier versions, and where there is no budget. */
  budget: budgetSchema.optional(),
  spent: z.object({ usd: amount, tokens: amount, seconds: amount }).optional(),
  workflow_id: z.string().refine(isWorkflowId, 'must be a workflow id').nullable(),
  carrier: z.custom<JsonObject>(isJsonObject, 'must be an object'),
  queue: z.string(),
  queue_system: z.string(),
  queue_home: z.string().nullable(),
  /** Absent in entries of earlier versions. */
  worker: z
    .object({
      host: z.string(),
      pid: z.int().min(1),
      start: z.string(),
      lease: z.int().min(1).optional(),
    })
    .nullable()
    .default(null),
  created_at: time,
  updated_at: time,
  lease: z.int().min(1).optional(),
});

/** The content of `_queue/<task_id>.json`. */
export function entryText({ job, isStarted, worker, queue, createdAt, updatedAt, lease }: JobEntry): string {
  const fields: z.infer<typeof schema> = {
    schema_version: SCHEMA_VERSION,
    task_id: job.taskId,
    created_at: createdAt,
    updated_at: updatedAt,
    command: job.command,
    agent: job.agent,
    attempt: job.attempt,
    started: isStarted,
    stops: job.stops ?? 0,
    ...(job.budget !== undefined && { budget: job.budget }),
    ...(job.spent !== undefined && { spent: job.spent }),
    workflow_id: job.workflowId ?? null,
    queue: queue.name,
    queue_system: queue.system,
    queue_home: queue.home ?? null,
    worker: worker ?? null,
    ...(lease !== undefined && { lease }),
    carrier: { ...job.carrier },
    source_metadata: job.sourceMetadata,
    message: job.message,
  };
  return `${JSON.stringify(fields)}\n`;
}

/** The entry, or the reason why it is none. `taskId` is the name of its file. */
export function readEntry(taskId: string, value: unknown): JobEntry | string {
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return `damaged: ${[issue?.path.join('.'), issue?.message].filter(Boolean).join(': ')}`;
  }
  const { data } = parsed;
  if (data.task_id !== taskId || !isPathSafeId(taskId)) return 'damaged: its task_id is not its name';
  return {
    job: {
      taskId,
      message: data.message,
      sourceMetadata: data.source_metadata,
      command: data.command,
      agent: data.agent,
      attempt: data.attempt,
      stops: data.stops,
      ...(data.budget !== undefined && { budget: data.budget }),
      ...(data.spent !== undefined && { spent: data.spent }),
      ...(data.workflow_id !== null && { workflowId: data.workflow_id }),
      carrier: carrierOf(data.carrier),
    },
    isStarted: data.started,
    worker: data.worker ?? undefined,
    queue: { name: data.queue, system: data.queue_system, home: data.queue_home ?? undefined },
    createdAt: data.created_at,
    updatedAt: data.updated_at,
    lease: data.lease,
  };
}
