/** Whoever waits for the next look, by how long they wait at the most. */
const beats = new Map<number, Set<() => void>>();

/**
 * All runs of a process look at their files at the same moments: what they print is then recorded in one tick, which is one
 * write to the journal. Resolves at the next of these moments, or as soon as the signal aborts.
 */
export function nextBeat(everyMs: number, until: AbortSignal): Promise<void> {
  const waiting = beats.get(everyMs) ?? startBeat(everyMs);
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

function startBeat(everyMs: number): Set<() => void> {
  const waiting = new Set<() => void>();
  beats.set(everyMs, waiting);
  setTimeout(() => {
    beats.delete(everyMs);
    for (const wake of [...waiting]) wake();
  }, everyMs);
  return waiting;
}
