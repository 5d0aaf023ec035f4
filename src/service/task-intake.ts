import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import { TasktrailError } from '../errors.ts';
import type { Budget } from '../model/budget.ts';
import { isTerminal } from '../model/documents.ts';
import type { JsonObject } from '../model/json.ts';
import type { JobEntry } from '../queue/job-entry.ts';
import type { JobStore } from '../queue/job-store.ts';
import { isOfQueue, type Job, type Queue } from '../queue/queue.ts';
import { queueUnavailable } from '../queue/unavailable.ts';
import { activeRecorder } from '../record/recorder.ts';
import { closeTask } from '../record/task/absent-task.ts';
import { prepareTask, type QueuedTask } from '../record/task/queued-task.ts';
import type { CancelAnswer, Intake, TaskOrder } from '../serve/intake.ts';
import type { Reader } from '../serve/reader.ts';
import { hasTaskDir } from '../store/task-file.ts';
import { cancelWorkflows, findOpenWorkflows } from '../trail/lost-workflow.ts';
import { planFor } from './commands.ts';

/**
 * Longest wait in milliseconds for a result that is in transit to the files. It usually takes 50 ms after the job has left
 * the queue; the records of a worker on another machine take longer.
 */
const SETTLE_MS = 1_000;
const SETTLE_POLL_MS = 50;
const STORED_POLL_MS = 10;

/** A store on another machine shows a line after a second, and each look is a query. */
const REMOTE_MS = 2_000;
const REMOTE_POLL_MS = 100;

/** Age in milliseconds of a recorded task that is not being queued any more. */
const UNQUEUED_MS = 10_000;

/** Remembered task ids, twice the capacity of the in-process queue: older tasks have ended or are in the files. */
const OWN_MAX = 20_000;

export interface TaskIntakeOptions {
  readonly config: Config;
  readonly queue: Queue;
  readonly reader: Reader;
  /** Keeps each job from its acceptance to its end. Undefined: nothing is kept beside the queue. */
  readonly jobs?: JobStore | undefined;
  /** Id of the log directory that keeps the jobs. */
  readonly home?: string | undefined;
  /** Notes the task before it is stored. Undefined: it is queued first, or its job is kept. */
  readonly starting?: { begin(taskId: string): Promise<StartNote> } | undefined;
  /** Whether a task can be read. Default: whether it has a folder in the log directory. */
  hasTask?(taskId: string): Promise<boolean>;
}

/** A task that is stored before it is queued: what a lost process leaves in between is ended by another one. */
export interface StartNote {
  /** Throws `ERR_QUEUE_UNAVAILABLE` when the task may have been ended meanwhile. */
  check(): void;
  /** The task is in its queue. Never rejects. */
  end(): Promise<void>;
}

/** The command and the agent that a task asks for; null selects the configured default. */
export interface Requested {
  readonly command: string | null;
  readonly agent: string | null;
  readonly budget?: Budget;
}

/** Accepts tasks from webhooks and REST, and cancels them. */
export class TaskIntake implements Intake {
  readonly #options: TaskIntakeOptions;
  /** Tasks that this process accepted, as opposed to those of an earlier process. */
  readonly #own = new Set<string>();
  /** Cancellations that have not been answered. */
  readonly #cancelling = new Map<string, Promise<CancelAnswer>>();
  /** Tasks that are being accepted or cancelled. */
  readonly #busy = new Set<string>();

  constructor(options: TaskIntakeOptions) {
    this.#options = options;
  }

  has(taskId: string): boolean {
    return this.#own.has(taskId);
  }

  /** Whether the task is being accepted or cancelled: its job is not to be queued by others meanwhile. */
  isBusy(taskId: string): boolean {
    return this.#busy.has(taskId);
  }

  /** Throws `ERR_INPUT_INVALID` for an unknown agent or command, before anything is recorded. */
  async submit(order: TaskOrder): Promise<{ taskId: string }> {
    const requested = {
      command: order.command ?? null,
      agent: order.agent ?? null,
      ...(order.budget !== undefined && { budget: order.budget }),
    };
    planFor(this.#options.config, requested);
    const input = {
      source: 'api',
      message: order.message,
      sourceMetadata: { event_type: 'api', ...(order.command !== undefined && { command: order.command }) },
      metadata: {
        command: requested.command,
        requested_agent: requested.agent,
        ...(order.budget !== undefined && { budget: { ...order.budget } }),
      },
    };
    const task = prepareTask(input, { isHeld: true });
    await this.enqueue(task, requested);
    // The task is stored and queued: asked again, the caller would start a second one.
    await activeRecorder()
      ?.synced()
      .catch(() => {});
    await this.#stored(task.id);
    return { taskId: task.id };
  }

  /** The answer names the address of the task: it is there when the answer is, unless the store is far behind. */
  async #stored(taskId: string): Promise<void> {
    const { config, hasTask } = this.#options;
    const { logDir, store } = config;
    if (hasTask === undefined && !store) return;
    const [waitMs, pollMs] =
      hasTask === undefined ? [SETTLE_MS, STORED_POLL_MS] : [REMOTE_MS, REMOTE_POLL_MS];
    const endMs = performance.now() + waitMs;
    while (performance.now() < endMs) {
      const found = hasTask === undefined ? hasTaskDir(logDir, taskId) : hasTask(taskId);
      if (await found.catch(() => true)) return;
      await delay(pollMs);
    }
  }

  async enqueue(task: QueuedTask, requested: Requested): Promise<void> {
    const { queue, home } = this.#options;
    const { name, system } = queue;
    this.#remember(task.id);
    const sourceMetadata = task.input.sourceMetadata ?? {};
    const keeper = queue.home === undefined && home !== undefined ? { home } : {};
    const job = {
      taskId: task.id,
      message: task.message,
      sourceMetadata,
      attempt: 1,
      ...requested,
      ...keeper,
    };
    await this.#alone(task.id, () =>
      task.enqueue({ queue: name, system, home: queue.home ?? home }, async (carrier) => {
        const note = await this.#record(task);
        note?.check();
        await this.#accept({ ...job, carrier });
        void note?.end();
      }),
    );
  }

  /**
   * Before the task is queued. Jobs of this process: after a kill, their records tell which delivery they are of. Redis has a claim
   * for that; but a store on another machine may refuse the records, and then the task must not run.
   */
  async #record(task: QueuedTask): Promise<StartNote | undefined> {
    const { queue, starting } = this.#options;
    const { problem, home } = queue;
    const isFirst = home !== undefined || activeRecorder()?.keep !== undefined;
    if (isFirst && problem !== undefined) throw queueUnavailable(problem);
    if (home !== undefined) {
      task.announce();
      return undefined;
    }
    const note = await starting?.begin(task.id);
    await task.keep();
    return note;
  }

  /** The job is kept before it is queued, so that a kill in between loses nothing. */
  async #accept(job: Job): Promise<void> {
    const { queue, jobs } = this.#options;
    await jobs?.add(job, queue);
    try {
      await queue.push(job);
    } catch (error) {
      await jobs?.remove(job.taskId);
      throw error;
    }
  }

  /**
   * Removes a waiting task, or ends the agent of a running one. Throws `ERR_NOT_FOUND` for an unknown task, and
   * `ERR_CONFLICT` for one that has ended or is in another queue.
   */
  cancel(taskId: string): Promise<CancelAnswer> {
    // A second request finds the job gone from the queue and kept: it would record that its worker is gone.
    const other = this.#cancelling.get(taskId);
    if (other !== undefined) return other;
    const answer = this.#alone(taskId, () => this.#cancel(taskId));
    this.#cancelling.set(taskId, answer);
    const forget = (): void => void this.#cancelling.delete(taskId);
    answer.then(forget, forget);
    return answer;
  }

  /** The queue and the kept job decide. Records only say that a task has ended of which neither of them knows. */
  async #cancel(taskId: string): Promise<CancelAnswer> {
    const { queue, jobs, reader } = this.#options;
    const hadEnded = jobs?.hasEnded(taskId) === true;
    // Files that cannot be read do not keep a job in the queue.
    const before = await this.#read(taskId).catch(() => undefined);
    const cancellation = await queue.cancel(taskId);
    if (cancellation === 'aborted') return 'cancelling';
    const kept = await this.#readKept(taskId);
    const metadata =
      cancellation === 'removed'
        ? await this.#read(taskId).catch(() => undefined)
        : await this.#readSettled(taskId);
    if (cancellation === 'unknown') {
      throwIfEnded(taskId, before);
      // By a worker that received this request after its job had ended.
      if (metadata?.status === 'cancelled' && !hadEnded) return 'cancelled';
      throwIfEnded(taskId, metadata);
      if (metadata === undefined && kept === undefined)
        throw new TasktrailError('ERR_NOT_FOUND', `there is no task ${taskId}`);
      const isOwn = kept === undefined ? this.#isUnqueued(metadata) : this.#isOwnQueue(kept);
      if (!isOwn) {
        throw new TasktrailError(
          'ERR_CONFLICT',
          `task ${taskId} is not in the queue of this service: cancel it where it runs`,
        );
      }
    }
    const attempt = Math.max(recordedAttempt(metadata), kept?.job.attempt ?? 1);
    const reason = cancellation === 'removed' ? 'cancelled while it waited' : 'cancelled; its worker is gone';
    // The holder closes a workflow that cannot be read for its silence.
    const workflows = await findOpenWorkflows(metadata, reader).catch(() => []);
    closeTask({ taskId, attempt }, { status: 'cancelled', error: reason });
    // The workflows of an attempt whose worker is gone: the next attempt would have resumed them.
    cancelWorkflows(workflows, { taskId, attempt, reason });
    await activeRecorder()?.synced();
    await jobs?.remove(taskId);
    return 'cancelled';
  }

  #isOwnQueue({ queue: { system, home } }: JobEntry): boolean {
    const { queue } = this.#options;
    return isOfQueue({ queue_system: system, ...(home !== undefined && { queue_home: home }) }, queue);
  }

  /** Recorded before it was queued, by a service that was lost in between, or lost by Redis. */
  #isUnqueued(metadata: JsonObject | undefined): boolean {
    if (metadata?.status !== 'queued' || metadata.opened_by !== undefined) return false;
    const { queue } = this.#options;
    const isOld = Date.now() - Date.parse(String(metadata.created_at)) > UNQUEUED_MS;
    const isHere = metadata.queue_system === queue.system && metadata.queue === queue.name;
    return activeRecorder()?.keep !== undefined && isHere && isOld;
  }

  /** Undefined also for an entry that cannot be read, which is reported elsewhere. */
  async #readKept(taskId: string): Promise<JobEntry | undefined> {
    return this.#options.jobs?.read(taskId).catch(() => undefined);
  }

  async #alone<T>(taskId: string, work: () => Promise<T>): Promise<T> {
    this.#busy.add(taskId);
    try {
      return await work();
    } finally {
      this.#busy.delete(taskId);
    }
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

  #isEndOnItsWay(taskId: string, status: unknown): boolean {
    return status === 'running' || (!isTerminal(status) && this.#options.jobs?.hasEnded(taskId) === true);
  }

  /** Metadata of a task that is not in the queue. Its end may be in transit to the files, so this waits for it. */
  async #readSettled(taskId: string): Promise<JsonObject | undefined> {
    for (let waited = 0; ; waited += SETTLE_POLL_MS) {
      const metadata = await this.#read(taskId);
      const isUnclear =
        metadata === undefined ? this.#own.has(taskId) : this.#isEndOnItsWay(taskId, metadata.status);
      if (!isUnclear || waited >= SETTLE_MS) return metadata;
      await delay(SETTLE_POLL_MS);
    }
  }
}

/** Larger numbers are not those of attempts. */
const ATTEMPT_MAX = 10_000;

function recordedAttempt(metadata: JsonObject | undefined): number {
  const { attempt } = metadata ?? {};
  return Number.isInteger(attempt) && Number(attempt) <= ATTEMPT_MAX ? Number(attempt) : 1;
}

function throwIfEnded(taskId: string, metadata: JsonObject | undefined): void {
  const status = metadata?.status;
  if (isTerminal(status)) throw new TasktrailError('ERR_CONFLICT', `task ${taskId} has ended: ${status}`);
}
