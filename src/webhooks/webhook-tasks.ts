import { messageOf, TasktrailError } from '../errors.ts';
import { firstOfText } from '../model/text.ts';
import type { Delivery, StageFields } from '../record/delivery.ts';
import type { Moment } from '../record/mint.ts';
import type { TaskInput } from '../record/task/describe-task.ts';
import type { QueuedTask } from '../record/task/queued-task.ts';
import { redactDerived } from '../redact/derived-text.ts';
import type { MatchedCommand } from './command.ts';
import type { WebhookPayload } from './payload.ts';
import type { Provider, Said, WebhookEvent } from './provider.ts';
import type { Proofs } from './repeats/proofs.ts';
import type { FoundTasks, LeftTask } from './repeats/redeliveries.ts';
import type { Subject } from './repeats/subject.ts';

/** A task that a verified webhook asks for. It is not queued yet. */
export type WebhookTask = QueuedTask & {
  /** The name in the path: `github`, `jira`, `slack`, or a custom one. */
  readonly provider: string;
  readonly command: string;
  /** The body as the vendor sends it. For a form: its fields. */
  readonly payload: WebhookPayload;
  readonly deliveryId: string | undefined;
};

export interface TaskTaker {
  onTask(task: WebhookTask): Promise<unknown>;
  /** The agent of a command, if it is known already. */
  agentOf?(command: string): string | undefined;
}

/** A verified delivery and the commands that it asks for. */
export interface TaskOrder {
  readonly delivery: Delivery;
  readonly provider: Provider;
  readonly event: WebhookEvent;
  readonly subject: Subject | undefined;
  /** Undefined: the tasks are not known to later processes. */
  readonly proofs: Proofs | undefined;
  readonly said: Said;
  readonly commands: readonly MatchedCommand[];
  /** When the commands were found. */
  readonly matchedAt: Moment;
}

/** Recorded characters of a command's arguments. */
const ARGS_CHARS_MAX = 200;

/** Task ids by command. */
export interface TaskPlan extends FoundTasks {
  /** Tasks to start. */
  readonly wanted: ReadonlyMap<string, string>;
  /** Receives each queued task. */
  readonly done: Map<string, string>;
}

/** Starts the wanted tasks. Tries all of them, then throws the first failure. One that cannot be queued is not recorded. */
export async function startTasks(
  order: TaskOrder,
  { wanted, done, refusal, recorded }: TaskPlan,
  taker: TaskTaker,
): Promise<void> {
  const { delivery, provider, event, matchedAt } = order;
  const missing = order.commands.flatMap((match) => {
    const taskId = wanted.get(match.command);
    return taskId === undefined ? [] : [{ ...match, taskId }];
  });
  for (const { taskId, ...match } of missing) {
    delivery.stage('command_matching', matchFields(order, match), { taskId, moment: matchedAt });
  }
  const isResponded = missing.every(
    ({ taskId }) => recorded?.get(taskId)?.has('immediate_response') === true,
  );
  // A delivery that is refused is not acknowledged, and a task once.
  const response = refusal === undefined && !isResponded ? await provider.respond?.(event) : undefined;
  delivery.stage('immediate_response', response ?? { action: 'none', success: refusal === undefined });
  const results = await Promise.allSettled(
    missing.map(async ({ command, taskId }) => {
      const wantedTask = { command, taskId, agent: taker.agentOf?.(command) };
      const task = createTask(order, wantedTask, recorded?.get(taskId));
      try {
        if (refusal !== undefined) throw refusal;
        await taker.onTask(task);
        // A taker may put it elsewhere than into a queue.
        task.announce();
        done.set(command, taskId);
      } catch (error) {
        // A queued task runs, even if onTask failed later. It must not start again.
        if (task.isQueued) done.set(command, taskId);
        else task.refuse(messageOf(error));
        throw error;
      }
    }),
  );
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw queueError(failed.reason);
}

/** Records what a lost process has not recorded of the tasks that it started, so that this delivery is their delivery. */
export async function takeOverTasks(
  order: TaskOrder,
  left: readonly LeftTask[],
  taker: TaskTaker,
): Promise<void> {
  const { delivery, provider, event, commands, matchedAt } = order;
  for (const { command, taskId } of left) {
    const match = commands.find((one) => one.command === command);
    delivery.stage('command_matching', matchFields(order, match), { taskId, moment: matchedAt });
  }
  const isNew = left.length === commands.length;
  const isResponded = left.every(({ stages }) => stages.has('immediate_response'));
  const response = isNew && !isResponded ? await provider.respond?.(event) : undefined;
  if (isNew) delivery.stage('immediate_response', response ?? { action: 'none', success: true });
  for (const { command, taskId, stages } of left) {
    const agent = taker.agentOf?.(command);
    delivery.takeOver(inputOf(order, { command, taskId, agent }), stages);
  }
}

/** The fields of the stage `command_matching` for one of the matched commands. */
export function matchFields(
  { commands, said }: Pick<TaskOrder, 'commands' | 'said'>,
  match: MatchedCommand | undefined = commands[0],
): StageFields {
  // Without the markup: what named a secret, `<password>`, may be missing.
  const args = match === undefined || match.args === '' ? undefined : redactDerived(match.args, said.text);
  return {
    matched: true,
    command: match?.command,
    ...(args !== undefined && { args: firstOfText(args, ARGS_CHARS_MAX) }),
    matched_count: commands.length,
    commands: commands.map(({ command }) => command),
  };
}

interface WantedTask {
  readonly command: string;
  readonly taskId: string;
  readonly agent: string | undefined;
}

function createTask(
  order: TaskOrder,
  wanted: WantedTask,
  recorded: ReadonlySet<string> | undefined,
): WebhookTask {
  const { delivery, provider, event } = order;
  // A sender tries again after a 503: each time would leave a failed task.
  const task = delivery.task(inputOf(order, wanted), { isHeld: true, recorded });
  const { payload, deliveryId } = event;
  return Object.assign(task, { provider: provider.name, command: wanted.command, payload, deliveryId });
}

function inputOf(
  { provider, event, subject, said, proofs }: TaskOrder,
  { command, taskId, agent }: WantedTask,
): TaskInput & { readonly taskId: string } {
  const { deliveryId, eventType, source } = event;
  const asked = { taskId, provider: provider.name, command, deliveryId: deliveryId ?? null };
  return {
    taskId,
    source: 'webhook',
    provider: provider.name,
    message: said.text,
    sourceMetadata: {
      event_type: eventType ?? null,
      webhook_id: deliveryId ?? null,
      ...source,
      command,
    },
    metadata: {
      command,
      webhook_id: deliveryId ?? null,
      ...(subject !== undefined && {
        webhook_subject: subject.name,
        webhook_subject_mac: subject.macsOf(command)[0] ?? null,
      }),
      ...(proofs !== undefined && {
        webhook_mac: proofs.ofTask({ ...asked, subject: subject?.name ?? null }),
      }),
    },
    ...(agent !== undefined && { agent }),
  };
}

function queueError(error: unknown): TasktrailError {
  if (error instanceof TasktrailError) return error;
  return new TasktrailError(
    'ERR_QUEUE_UNAVAILABLE',
    'the task could not be queued; send the delivery again',
    { retryable: true, cause: error },
  );
}
