import { messageOf } from '../errors.ts';
import type { JsonObject } from '../model/json.ts';
import { activeRecorder } from '../record/recorder.ts';
import { closeTask } from '../record/task/absent-task.ts';
import { HEARTBEAT_SECONDS } from '../record/task/heartbeat.ts';
import type { Liveness, TaskLiveness } from '../store/write/liveness.ts';
import { cancelWorkflows, findOpenWorkflows, type WorkflowReader } from './lost-workflow.ts';

/** How often silence is measured: small beside what is waited for. */
const TICK_MS = 5_000;

/** Four heartbeats that did not come, and a little for their way: a worker that is only slow gives one of them. */
const SILENCE_MS = 45_000;

/** What never promised to beat may think for long; after an hour nobody waits for it any more. */
const QUIET_MS = 3_600_000;

/** A tick may be late on a busy machine; one that is later was not run at all: the machine slept, or this process. */
const TICKS_MISSED_MAX = 3;

/** Tasks that the log names; a machine that is gone takes many with it. */
const NAMES_SHOWN = 5;

export interface ReaperOptions {
  readonly store: { readonly liveness: Liveness };
  /** Asked before a task is closed: what is on the disk has the last word. */
  readonly reader: WorkflowReader & {
    readDocument(taskId: string, document: 'metadata'): Promise<JsonObject | undefined>;
  };
  /** Whether somebody in this process knows better what becomes of a task; it is left alone. Default: nobody does. */
  readonly isWatched?: (taskId: string) => boolean;
  /** Milliseconds since the epoch: the clock of the store. */
  readonly now?: () => number;
  readonly tickMs?: number;
  /** Silence after which a task whose heartbeat is expected every ten seconds is given up. */
  readonly silenceMs?: number;
  /** Silence after which one that never promised any is. */
  readonly quietMs?: number;
  log(line: string): void;
}

export interface Reaper {
  /** Ends a tick under way after what it is at; nothing is closed afterwards. */
  close(): Promise<void>;
}

/**
 * Closes, as abandoned, the tasks of which nothing is heard any more, and their workflows with them: in the end nothing is
 * left running. A result that comes later all the same replaces it. To be run by the holder, beside its store.
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
    // While this process stood still it heard nobody, and a clock that was set back measures nothing.
    if (gapMs > TICKS_MISSED_MAX * tickMs || gapMs < 0) store.liveness.renew(nowMs);
    else
      running ??= reap(options, nowMs, () => isStopped).finally(() => {
        running = undefined;
      });
  };
  // What a process before this one left running has all of its time again.
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
  const { store, isWatched, log } = options;
  const closed: string[] = [];
  for (const vital of [...store.liveness.all()]) {
    // Without a recorder the end could not be told: this process is about to end itself.
    if (isStopped() || activeRecorder() === undefined) break;
    const silence = silenceOf(vital, options, nowMs);
    if (silence === undefined) continue;
    try {
      if (isWatched?.(vital.taskId) === true) store.liveness.renew(nowMs, vital.taskId);
      else if (await close(vital, options, silence)) closed.push(vital.taskId);
    } catch (error) {
      store.liveness.renew(nowMs, vital.taskId);
      log(`task ${vital.taskId} is silent and cannot be closed: ${messageOf(error)}`);
    }
  }
  if (closed.length === 0) return;
  const more = closed.length > NAMES_SHOWN ? ` and ${closed.length - NAMES_SHOWN} more` : '';
  log(`closed as abandoned, for their silence: ${closed.slice(0, NAMES_SHOWN).join(', ')}${more}`);
}

/** What to say of a task that is given up; undefined for one that is not. */
function silenceOf(vital: TaskLiveness, options: ReaperOptions, nowMs: number): string | undefined {
  const { silenceMs = SILENCE_MS, quietMs = QUIET_MS } = options;
  if (vital.heartbeatSeconds !== undefined) {
    // Who promised to beat at a slower pace is waited for in proportion.
    const pace = Math.max(1, vital.heartbeatSeconds / HEARTBEAT_SECONDS);
    const limitMs = Math.min(silenceMs * pace, Math.max(silenceMs, quietMs));
    if (nowMs - vital.workerSeenAtMs <= limitMs) return undefined;
    return `its worker is gone: nothing was heard of it for ${secondsOf(limitMs)} s`;
  }
  // A person may answer tomorrow.
  if (vital.status === 'waiting_input' || nowMs - vital.seenAtMs <= quietMs) return undefined;
  return `nothing was heard of it for ${secondsOf(quietMs)} s`;
}

/** False for a task that is not what it was taken for: it has spoken, went on to another attempt, or was removed. */
async function close(vital: TaskLiveness, { store, reader }: ReaperOptions, error: string): Promise<boolean> {
  const { taskId, attempt, status } = vital;
  const metadata = await reader.readDocument(taskId, 'metadata');
  const workflows = await findOpenWorkflows(metadata, reader);
  if (store.liveness.get(taskId) !== vital) return false;
  // Should it speak again before its end is stored, it is known again.
  store.liveness.forget(taskId);
  if (metadata?.attempt !== attempt || metadata.status !== status) return false;
  closeTask({ taskId, attempt }, { status: 'abandoned', error });
  cancelWorkflows(workflows, { taskId, attempt, reason: error });
  return true;
}

function secondsOf(ms: number): number {
  return ms / 1_000;
}
