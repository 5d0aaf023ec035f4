/** Waiting callers by poll interval in milliseconds. */
const timers = new Map<number, Set<() => void>>();

/**
 * Resolves at the next poll, or when the signal aborts. All runs of a process poll at the same time: their output is then
 * recorded in one tick, with one write to the journal.
 */
export function nextPoll(everyMs: number, until: AbortSignal): Promise<void> {
  const waiting = timers.get(everyMs) ?? startTimer(everyMs);
  return new Promise((resolve) => {
    const wake = (): void => {
      waiting.delete(wake);
      until.removeEventListener('abort', wake);
      resolve();
    };
    if (until.aborted) {
      resolve();
      return;
    }
    waiting.add(wake);
    until.addEventListener('abort', wake);
  });
}

function startTimer(everyMs: number): Set<() => void> {
  const waiting = new Set<() => void>();
  timers.set(everyMs, waiting);
  setTimeout(() => {
    timers.delete(everyMs);
    for (const wake of [...waiting]) wake();
  }, everyMs);
  return waiting;
}
