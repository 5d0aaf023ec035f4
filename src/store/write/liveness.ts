import type { Metadata, TaskStatus } from '../../model/documents.ts';
import type { SenderMark } from '../../model/sender.ts';

/** Assumed interval of a sender that does not announce one: tasktrail's own. */
const HEARTBEAT_SECONDS = 10;

/** State of a task as stored. */
export interface TaskState {
  readonly taskId: string;
  readonly status: TaskStatus;
  readonly attempt: number;
  /** Heartbeat interval that the attempt announced; undefined when it announced none. */
  readonly heartbeatSeconds: number | undefined;
  readonly about: TaskOrigin;
  /** Present: no other sender has opened the task. Absent: the trail. */
  readonly openedBy?: SenderMark | undefined;
}

/** Origin of a task for lists and metrics; null is unknown. */
export interface TaskOrigin {
  readonly source: string | null;
  readonly agent: string | null;
  /** ISO 8601: start of the work, otherwise creation of the task. */
  readonly startedAt: string | null;
}

/** By the metadata of a fold. `openedBy`: as in the state. */
export function taskStateOf(metadata: Metadata, openedBy: SenderMark | undefined): TaskState {
  const { task_id: taskId, status, attempt, heartbeat_seconds: seconds } = metadata;
  const heartbeatSeconds = typeof seconds === 'number' && seconds > 0 ? seconds : undefined;
  const { source, assigned_agent: agent, started_at: startedAt, created_at: createdAt } = metadata;
  const about = { source, agent, startedAt: startedAt ?? createdAt };
  return { taskId, status, attempt, heartbeatSeconds, about, openedBy };
}

/** A running task. Times are milliseconds since the epoch. */
export interface TaskLiveness extends TaskState {
  /** Announced interval, or the assumed one of a task that sent a heartbeat without announcing. */
  readonly heartbeatSeconds: number | undefined;
  /**
   * Time of the last log record or heartbeat. Spans do not count: they may come from child processes that outlive the
   * worker, or from the holder.
   */
  readonly workerSeenAtMs: number;
  /** Time of the last record of any kind. */
  readonly seenAtMs: number;
}

/**
 * Last activity of each task that is running or waits for input. Kept in memory only: heartbeats are not stored, so
 * after a restart the silence of every task starts at zero.
 */
export class Liveness {
  readonly #tasks = new Map<string, TaskLiveness>();

  /** Adds a task that was read from its files. Reading is no activity of a task that is tracked already. */
  found(state: TaskState, nowMs: number): void {
    if (!this.#tasks.has(state.taskId)) this.#set(state, { workerSeenAtMs: nowMs, seenAtMs: nowMs });
  }

  /** Records of the task were stored. `isSign`: they prove that its worker is alive, which spans alone do not. */
  heard(state: TaskState, nowMs: number, isSign: boolean): void {
    const before = this.#tasks.get(state.taskId);
    // Another sender has taken the task over: what the former one said of its heartbeats no longer counts.
    const isSameWorker = before?.attempt === state.attempt && before.openedBy === state.openedBy;
    this.#set(state, {
      workerSeenAtMs: isSign ? nowMs : (before?.workerSeenAtMs ?? nowMs),
      seenAtMs: nowMs,
      ...(isSameWorker && { heartbeatSeconds: before.heartbeatSeconds }),
    });
  }

  /** Ignored for a task that is unknown or not running. */
  heartbeat(taskId: string, nowMs: number): void {
    const task = this.#tasks.get(taskId);
    if (task === undefined) return;
    const { heartbeatSeconds = HEARTBEAT_SECONDS } = task;
    this.#tasks.set(taskId, { ...task, heartbeatSeconds, workerSeenAtMs: nowMs, seenAtMs: nowMs });
  }

  /** Restarts the silence of one task, or of all tasks: then no sender could reach the store. */
  renew(nowMs: number, only?: string): void {
    for (const taskId of only === undefined ? [...this.#tasks.keys()] : [only]) {
      const task = this.#tasks.get(taskId);
      if (task !== undefined) this.#tasks.set(taskId, { ...task, workerSeenAtMs: nowMs, seenAtMs: nowMs });
    }
  }

  /** The next record adds the task again. */
  forget(taskId: string): void {
    this.#tasks.delete(taskId);
  }

  /** Returns the same object until the task's next activity. */
  get(taskId: string): TaskLiveness | undefined {
    return this.#tasks.get(taskId);
  }

  all(): Iterable<TaskLiveness> {
    return this.#tasks.values();
  }

  #set(
    { taskId, status, attempt, heartbeatSeconds, about, openedBy }: TaskState,
    more: { workerSeenAtMs: number; seenAtMs: number; heartbeatSeconds?: number | undefined },
  ): void {
    if (status !== 'running' && status !== 'waiting_input') this.#tasks.delete(taskId);
    else {
      const interval = heartbeatSeconds ?? more.heartbeatSeconds;
      this.#tasks.set(taskId, {
        taskId,
        status,
        attempt,
        about,
        openedBy,
        ...more,
        heartbeatSeconds: interval,
      });
    }
  }
}
