import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import { TasktrailError } from '../errors.ts';
import { isTerminal } from '../model/documents.ts';
import type { JsonObject } from '../model/json.ts';
import { isOfQueue, type Queue } from '../queue/queue.ts';
import { closeTask } from '../record/task/absent-task.ts';
import { prepareTask, type QueuedTask } from '../record/task/queued-task.ts';
import type { CancelAnswer, Intake, TaskOrder } from '../serve/intake.ts';
import type { Reader } from '../serve/reader.ts';
import { cancelWorkflows, findOpenWorkflows } from '../trail/lost-workflow.ts';
import { planFor } from './commands.ts';

/** A result is stored within some 50 ms after the queue has let go of its job; a worker elsewhere has a longer way. */
const SETTLE_MS = 1_000;
const SETTLE_POLL_MS = 50;

/** Twice what can wait in this process; what came before those is over, or known from its files. */
const OWN_MAX = 20_000;

export interface TaskIntakeOptions {
  readonly config: Config;
  readonly queue: Queue;
  readonly reader: Reader;
}

/** Who shall do it; null: whoever is configured. */
export interface Wanted {
  readonly command: string | null;
  readonly agent: string | null;
}

/** Where tasks come in, from webhooks and from REST, and where somebody can take one back. */
export class TaskIntake implements Intake {
  readonly #options: TaskIntakeOptions;
  /** Tasks that came in since the start: they are queued, and not left behind by an earlier process. */
  readonly #own = new Set<string>();

  constructor(options: TaskIntakeOptions) {
    this.#options = options;
  }

  has(taskId: string): boolean {
    return this.#own.has(taskId);
  }

  /** An agent or a command that does not exist is refused before there is a task. */
  async submit(order: TaskOrder): Promise<{ taskId: string }> {
    const wanted = { command: order.command ?? null, agent: order.agent ?? null };
    planFor(this.#options.config, wanted);
    const task = prepareTask({
      source: 'api',
      message: order.message,
      sourceMetadata: { event_type: 'api', ...(order.command !== undefined && { command: order.command }) },
      metadata: { command: wanted.command, requested_agent: wanted.agent },
    });
    await this.enqueue(task, wanted);
    return { taskId: task.id };
  }

  async enqueue(task: QueuedTask, wanted: Wanted): Promise<void> {
    const { queue } = this.#options;
    const { name, system, home } = queue;
    this.#remember(task.id);
    const sourceMetadata = task.input.sourceMetadata ?? {};
    const job = { taskId: task.id, message: task.message, sourceMetadata, attempt: 1, ...wanted };
    await task.enqueue({ queue: name, system, home }, (carrier) => queue.push({ ...job, carrier }));
  }

  /**
   * Takes back a task that waits, or ends the agent of one that runs. `ERR_NOT_FOUND` for one that nobody knows,
   * `ERR_CONFLICT` for one that is over or is not this service's to end.
   */
  async cancel(taskId: string): Promise<CancelAnswer> {
    const { queue } = this.#options;
    throwIfOver(taskId, await this.#read(taskId));
    const cancellation = await queue.cancel(taskId);
    if (cancellation === 'aborted') return 'cancelling';
    const metadata = cancellation === 'removed' ? await this.#read(taskId) : await this.#readSettled(taskId);
    // A twin of this wish has come true, or a worker has heard of this one that had no job of it any more.
    if (metadata?.status === 'cancelled') return 'cancelled';
    throwIfOver(taskId, metadata);
    if (cancellation === 'unknown') {
      if (metadata === undefined) throw new TasktrailError('ERR_NOT_FOUND', `there is no task ${taskId}`);
      if (!isOfQueue(metadata, queue)) {
        throw new TasktrailError(
          'ERR_CONFLICT',
          `task ${taskId} does not run in this service's queue: end it where it runs`,
        );
      }
    }
    const attempt = typeof metadata?.attempt === 'number' ? metadata.attempt : 1;
    const reason = cancellation === 'removed' ? 'cancelled while it waited' : 'cancelled; its worker is gone';
    const workflows = await findOpenWorkflows(metadata, this.#options.reader);
    closeTask({ taskId, attempt }, { status: 'cancelled', error: reason });
    // Of an attempt whose worker was lost: the next one would have gone on with it.
    cancelWorkflows(workflows, { taskId, attempt, reason });
    return 'cancelled';
  }

  #remember(taskId: string): void {
    this.#own.add(taskId);
    if (this.#own.size <= OWN_MAX) return;
    const [oldest = ''] = this.#own;
    this.#own.delete(oldest);
  }

  #read(taskId: string): Promise<JsonObject | undefined> {
    return this.#options.reader.readDocument(taskId, 'metadata');
  }

  /** Of a task that no queue has: its end may be on its way into the files. */
  async #readSettled(taskId: string): Promise<JsonObject | undefined> {
    for (let waited = 0; ; waited += SETTLE_POLL_MS) {
      const metadata = await this.#read(taskId);
      const isUnclear = metadata === undefined ? this.#own.has(taskId) : metadata.status === 'running';
      if (!isUnclear || waited >= SETTLE_MS) return metadata;
      await delay(SETTLE_POLL_MS);
    }
  }
}

function throwIfOver(taskId: string, metadata: JsonObject | undefined): void {
  const status = metadata?.status;
  if (isTerminal(status)) throw new TasktrailError('ERR_CONFLICT', `task ${taskId} is over: ${status}`);
}
