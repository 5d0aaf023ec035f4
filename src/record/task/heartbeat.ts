import { ATTR } from '../../model/attributes.ts';
import { EVENT } from '../../model/events.ts';
import type { JsonValue } from '../../model/json.ts';
import { mintMoment } from '../mint.ts';
import { activeRecorder, type Recorder } from '../recorder.ts';
import { quietly, type Scope } from '../scope.ts';

/**
 * Seconds between two heartbeats of an open attempt. Watchers give a task up within a minute after several missing
 * heartbeats, so a few must fit into a minute. More frequent ones would cost too much with thousands of open tasks.
 */
export const HEARTBEAT_SECONDS = 10;

interface OpenAttempt {
  /** Weak: an attempt that the program dropped without an end must not look alive. */
  readonly scope: WeakRef<Scope>;
  readonly recorder: Recorder;
  /** The attributes of every record of the task. */
  readonly attributes: Readonly<Record<string, JsonValue>>;
}

const open = new Set<OpenAttempt>();

/** One timer for all attempts; undefined while none is open. */
let timer: NodeJS.Timeout | undefined;

/** Sends heartbeats for an attempt until its scope has ended. */
export function keepAlive(scope: Scope, attributes: Readonly<Record<string, JsonValue>>): void {
  const recorder = activeRecorder();
  if (recorder === undefined || !scope.recording) return;
  open.add({ scope: new WeakRef(scope), recorder, attributes });
  // Unref: an open attempt must not keep a script running.
  timer ??= setInterval(sendHeartbeats, HEARTBEAT_SECONDS * 1_000).unref();
}

/** Whether an attempt of this task is open in this process. */
export function isOpenHere(taskId: string): boolean {
  for (const { scope, attributes } of open) {
    if (attributes[ATTR.taskId] === taskId && scope.deref()?.ended === false) return true;
  }
  return false;
}

function sendHeartbeats(): void {
  const recorder = activeRecorder();
  for (const attempt of open) {
    const scope = attempt.scope.deref();
    // An attempt belongs to the trail in which it was started; a later trail does not know it.
    if (scope === undefined || scope.ended || attempt.recorder !== recorder) {
      open.delete(attempt);
      continue;
    }
    const { attributes } = attempt;
    quietly(() => recorder.emit({ eventName: EVENT.heartbeat, ...mintMoment(), attributes }));
  }
  if (open.size > 0) return;
  clearInterval(timer);
  timer = undefined;
}
