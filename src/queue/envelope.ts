import { isPathSafeId } from '../model/ids.ts';
import { isJsonObject, type JsonObject, parseObject } from '../model/json.ts';
import { carrierOf, type TraceCarrier } from '../record/carrier.ts';

/** The part of a task that travels beside the job's own data. */
export interface TaskEnvelope {
  readonly taskId: string;
  readonly message: string;
  readonly sourceMetadata: JsonObject;
  readonly carrier: TraceCarrier;
}

/** The job option that carries a task. `omitContext`: BullMQ's own telemetry, if a user has it on, does not overwrite it. */
export function packEnvelope({ taskId, message, sourceMetadata, carrier }: TaskEnvelope): {
  metadata: string;
  omitContext: true;
} {
  const envelope = { ...carrier, task_id: taskId, message, source_metadata: sourceMetadata };
  return { metadata: JSON.stringify(envelope), omitContext: true };
}

/** An envelope as read from Redis, where its message may be missing. */
export type FoundEnvelope = Omit<TaskEnvelope, 'message'> & { readonly message: string | undefined };

/** Undefined when tasktrail did not make the job. Every field is checked: Redis may hold text that was edited by hand. */
export function readEnvelope(metadata: unknown): FoundEnvelope | undefined {
  const value = typeof metadata === 'string' ? parseObject(metadata) : undefined;
  if (value === undefined || !isPathSafeId(value.task_id)) return undefined;
  const { message, source_metadata: sourceMetadata } = value;
  return {
    taskId: value.task_id,
    message: typeof message === 'string' ? message : undefined,
    sourceMetadata: isJsonObject(sourceMetadata) ? sourceMetadata : {},
    carrier: carrierOf(value),
  };
}
