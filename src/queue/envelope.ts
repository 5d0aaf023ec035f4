import { isPathSafeId } from '../model/ids.ts';
import { isJsonObject, type JsonObject } from '../model/json.ts';
import { carrierOf, type TraceCarrier } from '../record/carrier.ts';

/** What a worker must know of the task beside the job's own data. */
export interface TaskEnvelope {
  readonly taskId: string;
  readonly message: string;
  readonly sourceMetadata: JsonObject;
  readonly carrier: TraceCarrier;
}

/** The job option that carries a task. BullMQ's own telemetry, where a user has it on, leaves it alone (`omitContext`). */
export function packEnvelope({ taskId, message, sourceMetadata, carrier }: TaskEnvelope): {
  metadata: string;
  omitContext: true;
} {
  const envelope = { ...carrier, task_id: taskId, message, source_metadata: sourceMetadata };
  return { metadata: JSON.stringify(envelope), omitContext: true };
}

/** What is left of an envelope: its message may be gone. */
export type FoundEnvelope = Omit<TaskEnvelope, 'message'> & { readonly message: string | undefined };

/** Undefined for a job that is not ours; anything in Redis may have been edited by hand. */
export function readEnvelope(metadata: unknown): FoundEnvelope | undefined {
  const value = parseEnvelope(metadata);
  if (value === undefined || !isPathSafeId(value.task_id)) return undefined;
  const { message, source_metadata: sourceMetadata } = value;
  return {
    taskId: value.task_id,
    message: typeof message === 'string' ? message : undefined,
    sourceMetadata: isJsonObject(sourceMetadata) ? sourceMetadata : {},
    carrier: carrierOf(value),
  };
}

function parseEnvelope(metadata: unknown): JsonObject | undefined {
  if (typeof metadata !== 'string') return undefined;
  try {
    const value: unknown = JSON.parse(metadata);
    return isJsonObject(value) ? value : undefined;
  } catch {
    // SyntaxError: somebody else's telemetry, not ours to read.
    return undefined;
  }
}
