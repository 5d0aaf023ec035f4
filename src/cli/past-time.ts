import { TasktrailError } from '../errors.ts';
import { firstOfText } from '../model/text.ts';
import { isoFromMs, readIso } from '../model/time.ts';
import { time } from '../serve/query.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

/**
 * An amount of time before now (`2h`, `3d`), or ISO 8601 as the REST API takes it. Returns ISO 8601. Throws
 * `ERR_INPUT_INVALID` naming the flag.
 */
export function readPastTime(flag: string, value: string, nowMs: number): string {
  const [, amount, unit = ''] = /^(\d{1,6})([smhdw])$/.exec(value) ?? [];
  const unitMs = UNIT_MS[unit];
  // An amount that reaches back beyond 1970 means everything.
  if (unitMs !== undefined) return isoFromMs(Math.max(0, nowMs - Number(amount) * unitMs));
  const parsed = time.safeParse(value);
  const iso = parsed.success ? readIso(parsed.data) : undefined;
  if (iso !== undefined) return iso;
  throw new TasktrailError(
    'ERR_INPUT_INVALID',
    `${flag}: ${JSON.stringify(firstOfText(value, 60))} is not a time: use 30m, 2h, 3d, 1w, a date, or ISO 8601 with a zone ("2026-01-31T12:00:00Z")`,
  );
}
