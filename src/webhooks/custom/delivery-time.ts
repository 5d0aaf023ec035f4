/** Eleven digits of seconds reach the year 5138. */
const SECONDS = /^\d{1,11}$/;
const MILLISECONDS = /^\d{12,14}$/;
const ISO_8601 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

/** The milliseconds since 1970 that a sender writes as seconds, as milliseconds or in ISO 8601. */
export function timeMsOf(text: string): number | undefined {
  if (SECONDS.test(text)) return Number(text) * 1_000;
  if (MILLISECONDS.test(text)) return Number(text);
  if (!ISO_8601.test(text)) return undefined;
  const timeMs = Date.parse(text);
  return Number.isNaN(timeMs) ? undefined : timeMs;
}
