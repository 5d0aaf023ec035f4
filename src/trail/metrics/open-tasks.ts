import type { TaskLiveness } from '../../store/write/liveness.ts';

/** Rows of a table on a dashboard; the REST API lists all tasks. */
export const RUNNING_MAX = 50;

export interface RunningTask {
  readonly taskId: string;
  readonly agent: string | null;
  readonly source: string | null;
  /** Since 1970. */
  readonly startedSeconds: number;
}

/** The open tasks of a store, as far as metrics show them. Plain data. */
export interface OpenTasks {
  readonly running: number;
  readonly waitingInput: number;
  /** The newest running tasks, the newest first. */
  readonly newest: readonly RunningTask[];
}

export function openTasksOf(liveness: Iterable<TaskLiveness>): OpenTasks {
  const running: RunningTask[] = [];
  let waitingInput = 0;
  for (const { taskId, status, workerSeenAtMs, about } of liveness) {
    if (status === 'waiting_input') waitingInput += 1;
    if (status !== 'running') continue;
    const { agent, source } = about;
    // A start in the future would stand first for ever.
    const started = Math.min(secondsOf(about.startedAt) ?? Number.POSITIVE_INFINITY, workerSeenAtMs / 1_000);
    running.push({ taskId, agent, source, startedSeconds: started });
  }
  const newest = running.sort((a, b) => b.startedSeconds - a.startedSeconds).slice(0, RUNNING_MAX);
  return { running: running.length, waitingInput, newest };
}

/** Seconds since 1970 of an ISO 8601 time; undefined for any other value. */
export function secondsOf(iso: unknown): number | undefined {
  const ms = typeof iso === 'string' ? Date.parse(iso) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms / 1_000;
}
