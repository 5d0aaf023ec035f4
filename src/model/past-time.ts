import { isoFromMs, readIso } from './time.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

/** A date, or a date and a time with a zone: a client does not know the zone of the server. */
const ISO = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2}))?$/;

/** What `pastTime` reads, for an error message. */
export const PAST_TIME_RULE = '30m, 2h, 3d, 1w, a date, or ISO 8601 with a zone ("2026-01-31T12:00:00Z")';

/** An amount of time before now (`2h`, `3d`), a date, or ISO 8601 with a zone. Returns ISO 8601; undefined for other texts. */
export function pastTime(value: string, nowMs: number): string | undefined {
  const [, amount, unit = ''] = /^(\d{1,6})([smhdw])$/.exec(value) ?? [];
  const unitMs = UNIT_MS[unit];
  // An amount that reaches back beyond 1970 means everything.
  if (unitMs !== undefined) return isoFromMs(Math.max(0, nowMs - Number(amount) * unitMs));
  return ISO.test(value) && isCalendarDay(value.slice(0, 10)) ? readIso(value) : undefined;
}

/** JavaScript reads 2026-02-30 as 2 March. */
function isCalendarDay(day: string): boolean {
  return readIso(day)?.startsWith(day) === true;
}
