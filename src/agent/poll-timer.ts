/** Whoever waits for the next look, by how long they wait at the most. */
const timers = new Map<number, Set<() => void>>();

/**
 * All runs of a process look at their files at the same moments: what they print is then recorded in one tick, which is one
 * write to the journal. Resolves at the next of these moments, or as soon as the signal aborts.
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
