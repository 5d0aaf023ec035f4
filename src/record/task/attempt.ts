import { type Context, context, ROOT_CONTEXT } from '@opentelemetry/api';
import { ATTR } from '../../model/attributes.ts';
import { EVENT } from '../../model/events.ts';
import { checkId } from '../../model/ids.ts';
import type { JsonObject } from '../../model/json.ts';
import { isoFromMs } from '../../model/time.ts';
import { carrierOf, contextFromCarrier, type TraceCarrier } from '../carrier.ts';
import { mintMoment, mintTaskId } from '../mint.ts';
import type { SpanAttributes } from '../recorder.ts';
import { Scope } from '../scope.ts';
import { taskIdsOf, withTaskIds } from '../task-context.ts';
import { describeTask, type TaskInput } from './describe-task.ts';
import { HEARTBEAT_SECONDS, keepAlive } from './heartbeat.ts';
import { Task } from './task.ts';

/** A job that a worker took from a queue. */
export interface AttemptInput {
  readonly taskId: string;
  readonly message: string;
  readonly sourceMetadata?: JsonObject;
  /** 1 for the first. */
  readonly attempt: number;
  /** Whether another attempt follows the failure. If so, the task is `queued` again and gets no result. */
  willRetry(error: unknown): boolean;
  /** Whether the exception means that the job was put back into its queue on purpose. Default: never. */
  isPutBack?(error: unknown): boolean;
  /** Fields of `metadata.json` to set after a failure that is retried. */
  readonly retryMetadata?: JsonObject;
  /** Whether a retry goes on after the agent runs that succeeded, instead of repeating them. Default false. */
  readonly retryGoesOn?: boolean;
  readonly queue: string;
  /** `messaging.system`: `bullmq`, `in_process`. */
  readonly system: string;
  readonly messageId?: string;
  /** Context of the producer span; all attempts are its children. */
  readonly carrier: TraceCarrier;
}

/**
 * Records a task: starts it, runs `fn` and ends the task with a result in any case. Returns the value of `fn` and rethrows
 * its exception unchanged.
 */
export async function recordTask<T>(input: TaskInput, fn: (task: Task) => Promise<T> | T): Promise<T> {
  const task = startTask(input);
  return runTask(task, fn, (error) => task.fail(error));
}

/** As `recordTask`, without a callback: end it with `.end()`, `.fail(error)` or `.cancel(reason)`. */
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

/** Records one attempt of a queued task: a CONSUMER span below the producer span. */
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
    else if (input.willRetry(error)) task.retryLater(error, input.retryMetadata, input.retryGoesOn);
    else task.fail(error);
  });
}

/** Attributes of a task that travel through the queue to the spans of its attempts. */
export function carriedBy({ source, provider, agent, model }: TaskInput): TraceCarrier {
  return carrierOf({ source, provider, assigned_agent: agent, model });
}

/** Attributes that span metrics group by. Agent and model are set again when they become known later. */
function kindOf({ source, provider, assigned_agent, model }: TraceCarrier): SpanAttributes {
  return {
    [ATTR.taskSource]: source,
    [ATTR.webhookProvider]: provider,
    [ATTR.genAiAgentName]: assigned_agent,
    [ATTR.genAiRequestModel]: model,
  };
}

/** Runs `fn` with the task and its ids in the context. */
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

/** Task attributes of a span; the span of a delivery may have several tasks. */
export function taskIdAttributes(ctx: Context = ROOT_CONTEXT): Record<string, string | readonly string[]> {
  const ids = taskIdsOf(ctx);
  if (ids.length === 0) return {};
  return ids.length === 1 && ids[0] !== undefined ? { [ATTR.taskId]: ids[0] } : { [ATTR.taskIds]: ids };
}
