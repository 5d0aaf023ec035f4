import { ATTR } from '../../model/attributes.ts';
import { EVENT } from '../../model/events.ts';
import { isJsonObject, type JsonObject, type JsonValue, toJsonValue } from '../../model/json.ts';
import { isoFromMs } from '../../model/time.ts';
import { type Moment, mintMoment, timeOfTaskId } from '../mint.ts';
import type { Scope } from '../scope.ts';

/** A new task. */
export interface TaskInput {
  /** Origin of the task: `webhook`, `api`, `cron`, ... */
  readonly source: string;
  /** The text that the person wrote. */
  readonly message: string;
  readonly provider?: string;
  /** Default: a new id. Throws `ERR_ID_INVALID` for an id that cannot be part of a path. */
  readonly taskId?: string;
  /** Data about the trigger: repo, issue number, event type, ... */
  readonly sourceMetadata?: JsonObject;
  readonly agent?: string;
  readonly agentType?: string;
  readonly model?: string;
  /** Further fields of `metadata.json`. */
  readonly metadata?: JsonObject;
}

/**
 * Records the first facts of a task: its metadata with the status `queued`, and its input. `moment`: when it was made, if it
 * is recorded later.
 */
export function describeTask(
  scope: Scope,
  id: string,
  input: TaskInput,
  moment: Moment = mintMoment(),
): void {
  describe(scope, { id, input, moment }, { status: 'queued', trace_id: scope.ids?.traceId ?? null });
}

/** As `describeTask`, for a task that another process has put into its queue, at the time in its id. */
export function describeStarted(scope: Scope, id: string, input: TaskInput): void {
  const moment = mintMoment();
  describe(scope, { id, input, moment }, { created_at: isoFromMs(timeOfTaskId(id) ?? moment.timeMs) });
}

function describe(
  scope: Scope,
  { id, input, moment }: { readonly id: string; readonly input: TaskInput; readonly moment: Moment },
  more: JsonObject,
): void {
  const attributes = { [ATTR.taskId]: id, [ATTR.attempt]: 1 };
  scope.emit(EVENT.metadata, {
    body: {
      provider: input.provider ?? null,
      assigned_agent: input.agent ?? null,
      agent_type: input.agentType ?? null,
      model: input.model ?? null,
      ...plainObject(input.metadata),
      source: input.source,
      created_at: isoFromMs(moment.timeMs),
      ...more,
    },
    attributes,
    moment,
  });
  scope.emit(EVENT.input, {
    body: {
      message: input.message,
      source_metadata: { provider: input.provider ?? null, ...plainObject(input.sourceMetadata) },
    },
    attributes,
  });
}

function plainObject(value: JsonObject | undefined): JsonObject {
  const plain: JsonValue = toJsonValue(value ?? {});
  return isJsonObject(plain) ? plain : {};
}
