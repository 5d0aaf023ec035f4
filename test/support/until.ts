import { setTimeout as delay } from 'node:timers/promises';

/** Milliseconds for one step of a test: enough on two cores that other programs keep busy, below the test timeout. */
export const DEADLINE_MS = 45_000;

/** For `vi.waitFor`. */
export const DEADLINE: { readonly timeout: number; readonly interval: number } = {
  timeout: DEADLINE_MS,
  interval: 10,
};

/** Polls `look` until it returns neither `undefined` nor `false`. Throws after the deadline. */
export async function until<T>(
  look: () => Promise<T | undefined | false> | T | undefined | false,
  what: string,
  deadlineMs: number = DEADLINE_MS,
): Promise<T> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`timed out after ${deadlineMs} ms waiting for ${what}`);
    await delay(5);
  }
}
