import { TasktrailError } from '../errors.ts';
import { PAST_TIME_RULE, pastTime } from '../model/past-time.ts';
import { firstOfText } from '../model/text.ts';

/** The time of a flag as ISO 8601. Throws `ERR_INPUT_INVALID` naming the flag. */
export function readPastTime(flag: string, value: string, nowMs: number): string {
  const iso = pastTime(value, nowMs);
  if (iso !== undefined) return iso;
  const shown = JSON.stringify(firstOfText(value, 60));
  throw new TasktrailError('ERR_INPUT_INVALID', `${flag}: ${shown} is not a time: use ${PAST_TIME_RULE}`);
}
