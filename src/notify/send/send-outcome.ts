/** What became of one try to send. */
export interface SendOutcome {
  /** Of the answer; undefined when there was none. */
  readonly status: number | undefined;
  /** Why it is not delivered; undefined: it is. Fixed words and numbers, never a text of the receiver. */
  readonly failure: string | undefined;
  /** What the receiver asks to wait for. */
  readonly retryAfterMs: number | undefined;
}

/** How long a notification is retried. */
export const RETRY_MS_MAX: number = 72 * 3_600_000;

/** Longest wait that a receiver may ask for: a mistake of a year would otherwise end the sending. */
const RETRY_AFTER_MS_MAX: number = 24 * 3_600_000;

/** Pauses after the first, second, ... failure, in seconds; the last one repeats. The schedule of the specification's example, with more tries in the first hour: most failures are restarts. */
const PAUSES_S = [5, 30, 120, 300, 600, 1_800, 3_600, 7_200, 14_400, 28_800] as const;

/** So that the receivers of many services are not called at the same second. */
const JITTER = 0.1;

/** The receiver as a whole does not take anything now; other answers may be about the one notification. */
const OF_RECEIVER: ReadonlySet<number> = new Set([408, 425, 429, 502, 503, 504]);

export const GONE = 410;

/** https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
export function isDelivered(status: number): boolean {
  return status >= 200 && status < 300;
}

/** Whether the failure may be about the notification: the receiver has answered, and not that it is busy. */
export function isAboutNotification({ status }: Pick<SendOutcome, 'status'>): boolean {
  return status !== undefined && !OF_RECEIVER.has(status) && !isRedirect(status);
}

function isRedirect(status: number): boolean {
  return status >= 300 && status < 400;
}

/** Milliseconds until the next try, after so many failures. */
export function pauseMs(failures: number, random: () => number = Math.random): number {
  const seconds = PAUSES_S[Math.min(failures, PAUSES_S.length) - 1] ?? PAUSES_S[0];
  return Math.round(seconds * 1_000 * (1 + JITTER * (2 * random() - 1)));
}

/** `Retry-After` (RFC 9110, section 10.2.3): seconds or a date. Undefined for any other text. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  const text = header?.trim() ?? '';
  if (/^\d{1,10}$/.test(text)) return Math.min(Number(text) * 1_000, RETRY_AFTER_MS_MAX);
  // Only the form with a weekday: Date.parse takes many texts that are no dates.
  if (!/^[A-Z][a-z]{2,8},? /.test(text) || text.length > 40) return undefined;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : Math.min(Math.max(0, atMs - nowMs), RETRY_AFTER_MS_MAX);
}
