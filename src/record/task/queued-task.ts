import { ROOT_CONTEXT } from '@opentelemetry/api';
import { ATTR } from '../../model/attributes.ts';
import { EVENT } from '../../model/events.ts';
import { checkId } from '../../model/ids.ts';
import type { TraceCarrier } from '../carrier.ts';
import { type Moment, mintMoment, mintTaskId } from '../mint.ts';
import { activeRecorder } from '../recorder.ts';
import { failureOf, Scope } from '../scope.ts';
import { withTaskIds } from '../task-context.ts';
import { closeTask } from './absent-task.ts';
import { carriedBy } from './attempt.ts';
import type { TaskInput } from './describe-task.ts';
import { describeTask } from './describe-task.ts';

/** The delivery that created a task; it records the further stages. */
export interface TaskOrigin {
  readonly scope: Scope;
  stage(
    stage: 'queue_push',
    fields: Readonly<Record<string, string | undefined>>,
    options: { readonly taskId: string },
  ): void;
  /** Records the stages so far, what `describe` records, and that the task was made. */
  record(task: MadeTask, describe: () => void): void;
  /** The task is one of this delivery from now on. */
  join(task: MadeTask): void;
  /** No record names the task. */
  withdrawn(taskId: string): void;
}

export interface MadeTask {
  readonly taskId: string;
  readonly made: Moment;
  /** Stages that an earlier process has recorded of it. */
  readonly recorded: ReadonlySet<string>;
}

export interface QueuedTaskOptions {
  /**
   * Nothing is recorded about the task before it is in its queue, or before `announce`: a task that is refused leaves
   * nothing but the stage of its delivery. Default: it is recorded at once, and a refused one as failed.
   */
  readonly isHeld?: boolean | undefined;
  /** Stages of the task that a process has recorded which could not queue it. They are not recorded again. */
  readonly recorded?: ReadonlySet<string> | undefined;
}

export interface EnqueueTarget {
  readonly queue: string;
  /** `messaging.system`. */
  readonly system: string;
  /** Identifies the queue where several have the same name and system. */
  readonly home?: string | undefined;
}

const NO_STAGES: ReadonlySet<string> = new Set();

/** A task that is recorded and not yet started. */
export class QueuedTask {
  readonly id: string;
  /** The text that the person wrote. */
  readonly message: string;
  readonly input: TaskInput;
  readonly #origin: TaskOrigin | undefined;
  readonly #isHeld: boolean;
  readonly #task: MadeTask;
  #state: 'new' | 'queued' | 'refused' = 'new';
  #isAnnounced = false;
  /** Whether the first facts are stored, before the task is announced. */
  #isKept = false;
  /** The span of `enqueue`, for a task without a delivery. */
  #scope: Scope | undefined;
  /** Facts that were made before the announcement. */
  #held: (() => void)[] = [];

  constructor(
    id: string,
    input: TaskInput,
    origin?: TaskOrigin,
    { isHeld = false, recorded = NO_STAGES }: QueuedTaskOptions = {},
  ) {
    this.id = id;
    this.#task = { taskId: id, made: mintMoment(), recorded };
    this.message = input.message;
    this.input = input;
    this.#origin = origin;
    this.#isHeld = isHeld;
    if (origin !== undefined && !isHeld) this.announce();
  }

  /** Records the task, with the times at which it was made. Once; not a task that was refused. */
  announce(): void {
    const scope = this.#origin?.scope ?? this.#scope;
    if (this.#isAnnounced || this.#state === 'refused' || scope === undefined) return;
    this.#isAnnounced = true;
    if (!this.#isKept) this.#recordAll(scope);
    this.#origin?.join(this.#task);
    this.#held = [];
  }

  /**
   * Where records go to a store on another machine: stores what `announce` records, before the task is in its queue. Rejects with a
   * retryable error when the store does not take it. Does nothing elsewhere.
   */
  async keep(): Promise<void> {
    const keep = activeRecorder()?.keep;
    const scope = this.#origin?.scope ?? this.#scope;
    if (keep === undefined || scope === undefined || this.#isAnnounced || this.#isKept) return;
    await keep(() => this.#recordAll(scope));
    this.#isKept = true;
  }

  #recordAll(scope: Scope): void {
    const describe = (): void => describeTask(scope, this.id, this.input, this.#task.made);
    if (this.#origin === undefined) describe();
    else this.#origin.record(this.#task, describe);
    for (const record of this.#held) record();
  }

  /** Whether the task is in a queue. */
  get isQueued(): boolean {
    return this.#state === 'queued';
  }

  /**
   * Runs `push`, which puts the job into its queue, in a PRODUCER span and records the result. `push` gets the trace
   * context, which must travel with the job. Rethrows its exception unchanged.
   */
  async enqueue<T>(target: EnqueueTarget, push: (carrier: TraceCarrier) => Promise<T>): Promise<T> {
    const scope = new Scope({
      name: `send ${target.queue}`,
      kind: 'producer',
      parent: withTaskIds(this.#origin?.scope.context ?? ROOT_CONTEXT, [this.id]),
      attributes: {
        [ATTR.taskId]: this.id,
        [ATTR.messagingSystem]: target.system,
        [ATTR.messagingDestination]: target.queue,
        [ATTR.messagingMessageId]: this.id,
      },
    });
    this.#scope = scope;
    if (!this.#isHeld) this.announce();
    const traceparent = scope.traceparent;
    const moment = mintMoment();
    this.#record(() => {
      scope.emit(EVENT.metadata, {
        body: {
          queue_system: target.system,
          queue: target.queue,
          ...(target.home !== undefined && { queue_home: target.home }),
          traceparent: traceparent ?? null,
        },
        attributes: { [ATTR.taskId]: this.id, [ATTR.attempt]: 1 },
        moment,
      });
    });
    try {
      const value = await scope.run(() => push(this.#carrier(traceparent)));
      this.announce();
      this.#state = 'queued';
      this.#origin?.stage(
        'queue_push',
        { task_id: this.id, queue: target.queue, status: 'queued' },
        { taskId: this.id },
      );
      scope.end();
      return value;
    } catch (error) {
      const failure = failureOf(error);
      this.refuse(failure.message, target.queue);
      // The span names the task: without a task it is dropped.
      if (this.#isRecorded) scope.end(failure);
      throw error;
    }
  }

  /** A kept task of a delivery counts when it is announced: when the delivery is sent again, it is that task. */
  get #isRecorded(): boolean {
    return this.#isAnnounced || (this.#isKept && this.#origin === undefined);
  }

  #record(fact: () => void): void {
    if (this.#isAnnounced) fact();
    else this.#held.push(fact);
  }

  #carrier(traceparent: string | undefined): TraceCarrier {
    if (traceparent === undefined) return {};
    return { ...carriedBy(this.input), traceparent };
  }

  /**
   * Ends a task that could not be queued: as failed, if it was recorded. Does nothing when it is queued or was refused.
   */
  refuse(reason: string, queue?: string): void {
    if (this.#state !== 'new') return;
    this.#state = 'refused';
    const failed = { queue, status: 'failed', reason };
    if (!this.#isRecorded) {
      this.#held = [];
      this.#origin?.withdrawn(this.id);
      this.#origin?.stage('queue_push', failed, { taskId: this.id });
      return;
    }
    this.#origin?.stage('queue_push', { task_id: this.id, ...failed }, { taskId: this.id });
    closeTask({ taskId: this.id, attempt: 1 }, { status: 'failed', error: `not queued: ${reason}` });
  }
}

/** A task without a delivery, ready to be enqueued. Throws `ERR_ID_INVALID` for an id that cannot be part of a path. */
export function prepareTask(input: TaskInput, options: QueuedTaskOptions = {}): QueuedTask {
  const id = input.taskId === undefined ? mintTaskId() : checkId('task id', input.taskId);
  return new QueuedTask(id, input, undefined, options);
}
