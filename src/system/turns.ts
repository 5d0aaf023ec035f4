import { setImmediate } from 'node:timers';

/**
 * Longest computation between two turns of the event loop, in milliseconds. Short beside the time of any request, long
 * beside the cost of a turn (some microseconds).
 */
const SLICE_MS = 3;

const waiting: (() => void)[] = [];
let isScheduled = false;
let startedAt = 0;

/**
 * Whether a long computation has to let the event loop go on: then `await nextTurn()`. All computations of the process
 * share one slice for each turn, so that many at once delay others no longer than one alone.
 */
export function isTurnOver(): boolean {
  return performance.now() - startedAt >= SLICE_MS;
}

/** Resolves in a later turn of the event loop: one computation a turn, in the order of the calls. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    schedule();
  });
}

function schedule(): void {
  if (isScheduled || waiting.length === 0) return;
  isScheduled = true;
  setImmediate(() => {
    isScheduled = false;
    startedAt = performance.now();
    waiting.shift()?.();
    schedule();
  });
}

/** Runs a computation that stops regularly to its end; other work runs between its steps when the turn is over. */
export async function finished<T>(steps: Generator<unknown, T>): Promise<T> {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    if (isTurnOver()) await nextTurn();
  }
}
