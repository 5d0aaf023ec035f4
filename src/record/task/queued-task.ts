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

/** The delivery that a task came with: its stages go on there. */
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
  /** Which of the queues of that name and system, where there may be several. */
  readonly home?: string | undefined;
}

/** A task that is known and not yet in anybody's hands. */
export class QueuedTask {
  readonly id: string;
  /** The person's own text. */
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

  /** Whether a queue has it. */
  get isQueued(): boolean {
    return this.#state === 'queued';
  }

  /**
   * Opens the PRODUCER span, lets `push` put the job into its queue and records what came of it. `push` gets the trace
   * context that must travel with the job. Its own exception comes back unchanged.
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

  /** Ends a task that no queue took: it must not look queued for ever. Does nothing once it is queued or refused. */
  refuse(reason: string, queue?: string): void {
    if (this.#state !== 'new') return;
    this.#state = 'refused';
    const fields = { task_id: this.id, queue, status: 'failed', reason };
    this.#origin?.stage('queue_push', fields, { taskId: this.id });
    closeTask({ taskId: this.id, attempt: 1 }, { status: 'failed', error: `not queued: ${reason}` });
  }
}

/** A task that no delivery started, ready to be enqueued. Throws `ERR_ID_INVALID` for an id that could not be a path. */
export function prepareTask(input: TaskInput): QueuedTask {
  const id = input.taskId === undefined ? mintTaskId() : checkId('task id', input.taskId);
  return new QueuedTask(id, input);
}
