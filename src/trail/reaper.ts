import { messageOf } from '../errors.ts';
import type { JsonObject } from '../model/json.ts';
import { HEARTBEAT_SECONDS } from '../record/task/heartbeat.ts';
import type { Liveness, TaskLiveness } from '../store/write/liveness.ts';
import type { TaskEnder } from './thread/task-ender.ts';

/** Interval of the checks, short compared with the limits below. */
const TICK_MS = 5_000;

/** Four missed heartbeats and five seconds for delivery. A slow worker misses at most three. */
const SILENCE_MS = 45_000;

/** Limit for tasks without a heartbeat. An agent can think for minutes, but not for an hour. */
const QUIET_MS = 3_600_000;

/** A check that is later than this many intervals is not due to load: the machine or this process was suspended. */
const TICKS_MISSED_MAX = 3;

/** Limit for the task ids in one log line: a lost machine can run many tasks. */
const NAMES_SHOWN = 5;

export interface ReaperOptions {
  readonly store: { readonly liveness: Liveness };
  /** Reads the task's state from disk before the task is closed. */
  readonly reader: {
    readDocument(taskId: string, document: 'metadata'): Promise<JsonObject | undefined>;
  };
  /** Records the ends. */
  readonly ender: TaskEnder;
  /** Whether records wait that may be about any task: then no silence is counted. Default: none do. */
  isBehind?(): Promise<boolean>;
  /** The store's clock, in milliseconds since the epoch. */
  readonly now?: () => number;
  readonly tickMs?: number;
  /** Limit for a task with a heartbeat every ten seconds. Default 45 s. */
  readonly silenceMs?: number;
  /** Limit for a task without a heartbeat. Default one hour. */
  readonly quietMs?: number;
  log(line: string): void;
}

export interface Reaper {
  /** Waits for the task that is being closed; closes no other one. */
  close(): Promise<void>;
}

/**
 * Closes silent tasks as abandoned, and their workflows with them, so that no task stays open for ever. A result that
 * arrives later replaces the abandonment. Runs in the process that holds the store.
 */
export function startReaper(options: ReaperOptions): Reaper {
  const { tickMs = TICK_MS, now = Date.now, store } = options;
  let lastTickMs = now();
  let isStopped = false;
  let running: Promise<void> | undefined;
  const tick = (): void => {
    const nowMs = now();
    const gapMs = nowMs - lastTickMs;
    lastTickMs = nowMs;
    // A suspended process received no heartbeats, and a clock that was set back gives no durations.
    if (gapMs > TICKS_MISSED_MAX * tickMs || gapMs < 0) store.liveness.renew(nowMs);
    else
      running ??= reap(options, nowMs, () => isStopped).finally(() => {
        running = undefined;
      });
  };
  // The first tick comes after an interval: tasks of an earlier process start with their full limit.
  const timer = setInterval(tick, tickMs).unref();
  return {
    close: async () => {
      isStopped = true;
      clearInterval(timer);
      await running;
    },
  };
}

async function reap(options: ReaperOptions, nowMs: number, isStopped: () => boolean): Promise<void> {
  const { store, ender, log } = options;
  const closed: string[] = [];
  // Silence counts from when the backlog is through.
  if ((await options.isBehind?.()) === true) return store.liveness.renew(nowMs);
  for (const task of [...store.liveness.all()]) {
    // Without a recorder the end cannot be recorded: this process is shutting down.
    if (isStopped() || !ender.isRecording()) break;
    const silence = silenceOf(task, options, nowMs);
    if (silence === undefined) continue;
    try {
      if (await ender.isWatched(task.taskId)) store.liveness.renew(nowMs, task.taskId);
      else if (await close(task, options, silence)) closed.push(task.taskId);
    } catch (error) {
      store.liveness.renew(nowMs, task.taskId);
      log(`task ${task.taskId} is silent and cannot be closed: ${messageOf(error)}`);
    }
  }
  if (closed.length === 0) return;
  const more = closed.length > NAMES_SHOWN ? ` and ${closed.length - NAMES_SHOWN} more` : '';
  log(`closed silent tasks as abandoned: ${closed.slice(0, NAMES_SHOWN).join(', ')}${more}`);
}

/** The error of a task that has exceeded its limit; undefined for all others. */
function silenceOf(task: TaskLiveness, options: ReaperOptions, nowMs: number): string | undefined {
  const { silenceMs = SILENCE_MS, quietMs = QUIET_MS } = options;
  if (task.heartbeatSeconds !== undefined) {
    // The limit grows with the heartbeat interval, up to `quietMs`.
    const pace = Math.max(1, task.heartbeatSeconds / HEARTBEAT_SECONDS);
    const limitMs = Math.min(silenceMs * pace, Math.max(silenceMs, quietMs));
    if (nowMs - task.workerSeenAtMs <= limitMs) return undefined;
    return `its worker is gone: no record or heartbeat for ${limitMs / 1_000} s`;
  }
  // A person may take days to answer.
  if (task.status === 'waiting_input' || nowMs - task.seenAtMs <= quietMs) return undefined;
  return `no record for ${quietMs / 1_000} s`;
}

/** False when the task changed in between: a new record, another attempt, another status, or its removal. */
async function close(
  task: TaskLiveness,
  { store, reader, ender }: ReaperOptions,
  error: string,
): Promise<boolean> {
  const { taskId, attempt, status, openedBy } = task;
  const metadata = await reader.readDocument(taskId, 'metadata');
  if (store.liveness.get(taskId) !== task) return false;
  // A record that arrives before the end is stored registers the task again.
  store.liveness.forget(taskId);
  if (metadata?.attempt !== attempt || metadata.status !== status) return false;
  const workflowIds = Array.isArray(metadata.workflow_ids) ? metadata.workflow_ids.map(String) : [];
  await ender.abandon({ taskId, attempt, openedBy, workflowIds, error });
  return true;
}
