import { type Context, context, ROOT_CONTEXT } from '@opentelemetry/api';
import { ATTR } from '../../model/attributes.ts';
import { EVENT } from '../../model/events.ts';
import { checkId } from '../../model/ids.ts';
import { isJsonObject, type JsonObject, type JsonValue, toJsonValue } from '../../model/json.ts';
import { isoFromMs } from '../../model/time.ts';
import { carrierOf, contextFromCarrier, type TraceCarrier } from '../carrier.ts';
import { mintMoment, mintTaskId } from '../mint.ts';
import type { SpanAttributes } from '../recorder.ts';
import { Scope } from '../scope.ts';
import { taskIdsOf, withTaskIds } from '../task-context.ts';
import { HEARTBEAT_SECONDS, keepAlive } from './heartbeat.ts';
import { Task } from './task.ts';

/** What a new task is, wherever it comes from. */
export interface TaskInput {
  /** Where it comes from: `webhook`, `api`, `cron`, ... */
  readonly source: string;
  /** The person's own text. */
  readonly message: string;
  readonly provider?: string;
  /** Default: minted. Throws `ERR_ID_INVALID` when it could not be part of a path. */
  readonly taskId?: string;
  /** What triggered it: repo, issue number, event type, ... */
  readonly sourceMetadata?: JsonObject;
  readonly agent?: string;
  readonly agentType?: string;
  readonly model?: string;
  /** More fields of `metadata.json`. */
  readonly metadata?: JsonObject;
}

/** A job that a worker took from a queue. */
export interface AttemptInput {
  readonly taskId: string;
  readonly message: string;
  readonly sourceMetadata?: JsonObject;
  /** 1 for the first. */
  readonly attempt: number;
  /** Whether another attempt follows this failure; then the task goes back to `queued` and gets no result yet. */
  willRetry(error: unknown): boolean;
  /** Whether this is no failure: the job was put back into its queue on purpose. Default: never. */
  isPutBack?(error: unknown): boolean;
  /** Fields of `metadata.json` that such a failure leaves for the next attempt. */
  readonly retryMetadata?: JsonObject;
  readonly queue: string;
  /** `messaging.system`: `bullmq`, `in_process`. */
  readonly system: string;
  readonly messageId?: string;
  /** The context of the enqueueing span: attempts are siblings below it. */
  readonly carrier: TraceCarrier;
}

/**
 * Records one task from its start to its end: opens it, runs `fn`, and closes it with a result whatever happens.
 * Gives back what `fn` gives; `fn`'s own exception comes back unchanged.
 */
export async function recordTask<T>(input: TaskInput, fn: (task: Task) => Promise<T> | T): Promise<T> {
  const task = startTask(input);
  return runTask(task, fn, (error) => task.fail(error));
}

/** The pair form of `recordTask`: close it with `.end()`, `.fail(error)` or `.cancel(reason)`. */
export function startTask(input: TaskInput): Task {
  const id = input.taskId === undefined ? mintTaskId() : checkId('task id', input.taskId);
  const scope = new Scope({
    name: `process ${input.source}`,
    kind: 'internal',
    parent: withTaskIds(context.active(), [id]),
    attributes: { [ATTR.taskId]: id, [ATTR.attempt]: 1, ...kindOf(carriedBy(input)) },
  });
  const task = new Task(scope, { ...input, id, attempt: 1 });
  describeTask(scope, id, input);
  announceAttempt(scope, task);
  return task;
}

/** Records one attempt of a queued task: a CONSUMER span below the one that enqueued it. */
export async function recordAttempt<T>(input: AttemptInput, fn: (task: Task) => Promise<T> | T): Promise<T> {
  const id = checkId('task id', input.taskId);
  const scope = new Scope({
    name: `process ${input.queue}`,
    kind: 'consumer',
    parent: withTaskIds(contextFromCarrier(input.carrier), [id]),
    attributes: {
      [ATTR.taskId]: id,
      [ATTR.attempt]: input.attempt,
      [ATTR.messagingSystem]: input.system,
      [ATTR.messagingDestination]: input.queue,
      [ATTR.messagingMessageId]: input.messageId,
      ...kindOf(input.carrier),
    },
  });
  const task = new Task(scope, { ...input, id });
  announceAttempt(scope, task);
  return runTask(task, fn, (error) => {
    if (input.isPutBack?.(error)) task.putBack();
    else if (input.willRetry(error)) task.retryLater(error, input.retryMetadata);
    else task.fail(error);
  });
}

/** What a queue carries of a task, beside the trace, to the spans of its attempts. */
export function carriedBy({ source, provider, agent, model }: TaskInput): TraceCarrier {
  return carrierOf({ source, provider, assigned_agent: agent, model });
}

/** By what attempts are told apart when they are counted; the agent and the model, where they become known later, later. */
function kindOf({ source, provider, assigned_agent, model }: TraceCarrier): SpanAttributes {
  return {
    [ATTR.taskSource]: source,
    [ATTR.webhookProvider]: provider,
    [ATTR.genAiAgentName]: assigned_agent,
    [ATTR.genAiRequestModel]: model,
  };
}

/** The facts that make a task known before anything works on it: `queued`, and its input. */
export function describeTask(scope: Scope, id: string, input: TaskInput): void {
  const moment = mintMoment();
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
      status: 'queued',
      trace_id: scope.ids?.traceId ?? null,
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

/** Runs `fn` inside the task, with the task and its ids found by context. */
async function runTask<T>(
  task: Task,
  fn: (task: Task) => Promise<T> | T,
  onError: (error: unknown) => void,
): Promise<T> {
  try {
    const value = await context.with(task.context, async () => fn(task));
    task.end();
    return value;
  } catch (error) {
    onError(error);
    throw error;
  }
}

function announceAttempt(scope: Scope, task: Task): void {
  const moment = mintMoment();
  scope.emit(EVENT.metadata, {
    body: {
      status: 'running',
      started_at: isoFromMs(moment.timeMs),
      attempt: task.attempt,
      heartbeat_seconds: HEARTBEAT_SECONDS,
    },
    attributes: { ...task.attributes, ...scope.announcement() },
    moment,
  });
  keepAlive(scope, task.attributes);
}

/** Spans of several tasks at once (a delivery) name them all. */
export function taskIdAttributes(ctx: Context = ROOT_CONTEXT): Record<string, string | readonly string[]> {
  const ids = taskIdsOf(ctx);
  if (ids.length === 0) return {};
  return ids.length === 1 && ids[0] !== undefined ? { [ATTR.taskId]: ids[0] } : { [ATTR.taskIds]: ids };
}

function plainObject(value: JsonObject | undefined): JsonObject {
  const plain: JsonValue = toJsonValue(value ?? {});
  return isJsonObject(plain) ? plain : {};
}
