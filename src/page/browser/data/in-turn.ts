let last: Promise<unknown> = Promise.resolve();

/**
 * Requests that read much and are not urgent, one at a time: all at once they would keep the server from what the reader does
 * meanwhile. What was aborted passes its turn on.
 */
export function inTurn<T>(load: () => Promise<T>, abort: AbortSignal): Promise<T> {
  const turn = last.then(() => {
    abort.throwIfAborted();
    return load();
  });
  last = turn.catch(() => undefined);
  return turn;
}
