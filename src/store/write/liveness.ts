import type { TaskStatus } from '../../model/documents.ts';

/** What is taken for the pace of heartbeats that nobody has announced: that of our own. */
const HEARTBEAT_SECONDS = 10;

/** What the store knows of a task's state. */
export interface TaskState {
  readonly taskId: string;
  readonly status: TaskStatus;
  readonly attempt: number;
  /** How often its attempt has promised to give a sign of life; undefined when it has promised nothing. */
  readonly heartbeatSeconds: number | undefined;
  readonly about: TaskOrigin;
}

/** For people who ask what is at work: where a task comes from, whose it is, and since when; null is unknown. */
export interface TaskOrigin {
  readonly source: string | null;
  readonly agent: string | null;
  /** ISO 8601: the start of its work, else of itself. */
  readonly startedAt: string | null;
}

/** A task that is at work, as far as anybody has heard. Times are milliseconds since the epoch. */
export interface TaskLiveness {
  readonly taskId: string;
  readonly status: TaskStatus;
  readonly attempt: number;
  /** As in its state; of one that has given a heartbeat unasked, what is usual. */
  readonly heartbeatSeconds: number | undefined;
  readonly about: TaskOrigin;
  /** The last record or heartbeat. Spans may be of helpers that outlive the worker, or made up by the holder. */
  readonly workerSeenAtMs: number;
  /** As `workerSeenAtMs`, spans included. */
  readonly seenAtMs: number;
}

/**
 * When something was last heard of each task that is running or waits for a person. In memory only: heartbeats are not
 * stored, so after a start every task has all of its time again.
 */
export class Liveness {
  readonly #tasks = new Map<string, TaskLiveness>();

  /** A task as its files have it. One that is known already has given no sign by being read. */
  found(state: TaskState, nowMs: number): void {
    if (!this.#tasks.has(state.taskId)) this.#set(state, { workerSeenAtMs: nowMs, seenAtMs: nowMs });
  }

  /** Something of the task has come: records are a sign of its worker, spans alone are not. */
  heard(state: TaskState, nowMs: number, isSign: boolean): void {
    const before = this.#tasks.get(state.taskId);
    this.#set(state, {
      workerSeenAtMs: isSign ? nowMs : (before?.workerSeenAtMs ?? nowMs),
      seenAtMs: nowMs,
      ...(before?.attempt === state.attempt && { heartbeatSeconds: before.heartbeatSeconds }),
    });
  }

  /** Of a task that is not at work, or not known, a heartbeat says nothing. */
  heartbeat(taskId: string, nowMs: number): void {
    const vital = this.#tasks.get(taskId);
    if (vital === undefined) return;
    const { heartbeatSeconds = HEARTBEAT_SECONDS } = vital;
    this.#tasks.set(taskId, { ...vital, heartbeatSeconds, workerSeenAtMs: nowMs, seenAtMs: nowMs });
  }

  /** The silence of a task begins anew. Default: that of every task, because nobody could be heard for a while. */
  renew(nowMs: number, only?: string): void {
    for (const taskId of only === undefined ? [...this.#tasks.keys()] : [only]) {
      const vital = this.#tasks.get(taskId);
      if (vital !== undefined) this.#tasks.set(taskId, { ...vital, workerSeenAtMs: nowMs, seenAtMs: nowMs });
    }
  }

  /** Until it is heard of again. */
  forget(taskId: string): void {
    this.#tasks.delete(taskId);
  }

  /** As long as nothing is heard of the task it is the same object. */
  get(taskId: string): TaskLiveness | undefined {
    return this.#tasks.get(taskId);
  }

  all(): Iterable<TaskLiveness> {
    return this.#tasks.values();
  }

  #set(
    { taskId, status, attempt, heartbeatSeconds, about }: TaskState,
    more: { workerSeenAtMs: number; seenAtMs: number; heartbeatSeconds?: number | undefined },
  ): void {
    if (status !== 'running' && status !== 'waiting_input') this.#tasks.delete(taskId);
    else {
      const promised = heartbeatSeconds ?? more.heartbeatSeconds;
      this.#tasks.set(taskId, { taskId, status, attempt, about, ...more, heartbeatSeconds: promised });
    }
  }
}
