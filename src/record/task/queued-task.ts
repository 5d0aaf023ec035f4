import { ROOT_CONTEXT } from '@opentelemetry/api';
import { ATTR } from '../../model/attributes.ts';
import { EVENT } from '../../model/events.ts';
import { checkId } from '../../model/ids.ts';
import type { TraceCarrier } from '../carrier.ts';
import { mintTaskId } from '../mint.ts';
import { failureOf, Scope } from '../scope.ts';
import { withTaskIds } from '../task-context.ts';
import { closeTask } from './absent-task.ts';
import { carriedBy, describeTask, type TaskInput } from './attempt.ts';

/** The delivery that created a task; it records the further stages. */
export interface TaskOrigin {
  readonly scope: Scope;
  stage(
    stage: 'queue_push',
    fields: Readonly<Record<string, string | undefined>>,
    options: { readonly taskId: string },
  ): void;
}

export interface EnqueueTarget {
  readonly queue: string;
  /** `messaging.system`. */
  readonly system: string;
  /** Identifies the queue where several have the same name and system. */
  readonly home?: string | undefined;
}

/** A task that is recorded and not yet started. */
export class QueuedTask {
  readonly id: string;
  /** The text that the person wrote. */
  readonly message: string;
  readonly input: TaskInput;
  readonly #origin: TaskOrigin | undefined;
  #state: 'new' | 'queued' | 'refused' = 'new';

  constructor(id: string, input: TaskInput, origin?: TaskOrigin) {
    this.id = id;
    this.message = input.message;
    this.input = input;
    this.#origin = origin;
    if (origin !== undefined) describeTask(origin.scope, id, input);
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
    if (this.#origin === undefined) describeTask(scope, this.id, this.input);
    const traceparent = scope.traceparent;
    scope.emit(EVENT.metadata, {
      body: {
        queue_system: target.system,
        queue: target.queue,
        ...(target.home !== undefined && { queue_home: target.home }),
        traceparent: traceparent ?? null,
      },
      attributes: { [ATTR.taskId]: this.id, [ATTR.attempt]: 1 },
    });
    try {
      const value = await scope.run(() => push(this.#carrier(traceparent)));
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
      scope.end(failure);
      throw error;
    }
  }

  #carrier(traceparent: string | undefined): TraceCarrier {
    if (traceparent === undefined) return {};
    return { ...carriedBy(this.input), traceparent };
  }

  /** Ends a task that could not be queued, as failed. Does nothing when it is queued or was refused. */
  refuse(reason: string, queue?: string): void {
    if (this.#state !== 'new') return;
    this.#state = 'refused';
    const fields = { task_id: this.id, queue, status: 'failed', reason };
    this.#origin?.stage('queue_push', fields, { taskId: this.id });
    closeTask({ taskId: this.id, attempt: 1 }, { status: 'failed', error: `not queued: ${reason}` });
  }
}

/** A task without a delivery, ready to be enqueued. Throws `ERR_ID_INVALID` for an id that cannot be part of a path. */
export function prepareTask(input: TaskInput): QueuedTask {
  const id = input.taskId === undefined ? mintTaskId() : checkId('task id', input.taskId);
  return new QueuedTask(id, input);
}
