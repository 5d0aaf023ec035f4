import { ATTR } from '../../model/attributes.ts';
import { EVENT } from '../../model/events.ts';
import type { JsonValue } from '../../model/json.ts';
import { mintMoment } from '../mint.ts';
import { activeRecorder, type Recorder } from '../recorder.ts';
import { quietly, type Scope } from '../scope.ts';

/**
 * Seconds between two signs of life of an open attempt. Whoever listens gives a task up after several that did not
 * come, and that within a minute: so a few must fit into it, and thousands of open tasks must still cost next to nothing.
 */
export const HEARTBEAT_SECONDS = 10;

interface OpenAttempt {
  /** Weak: an attempt that its program has forgotten, without an end, is not alive. */
  readonly scope: WeakRef<Scope>;
  readonly recorder: Recorder;
  /** Those of every record of the task. */
  readonly attributes: Readonly<Record<string, JsonValue>>;
}

const open = new Set<OpenAttempt>();

/** One for all attempts, and none while nothing is open. */
let timer: NodeJS.Timeout | undefined;

/** From now on this attempt gives a sign of life every few seconds, until its scope has ended. */
export function keepAlive(scope: Scope, attributes: Readonly<Record<string, JsonValue>>): void {
  const recorder = activeRecorder();
  if (recorder === undefined || !scope.recording) return;
  open.add({ scope: new WeakRef(scope), recorder, attributes });
  // A script ends when its own work does, whatever it has left open.
  timer ??= setInterval(sendHeartbeats, HEARTBEAT_SECONDS * 1_000).unref();
}

/** Whether an attempt at this task is open in this process: whoever asks need not wait for a sign of it. */
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
    // An attempt belongs to the trail that it was begun in: another one never heard of it.
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
