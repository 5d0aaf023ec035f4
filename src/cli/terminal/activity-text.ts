import { type JsonValue, objectOf } from '../../model/json.ts';
import { ageText, UNKNOWN } from './amounts.ts';
import { escapeLine } from './terminal-text.ts';

/** Seconds without a heartbeat after which it is shown: three are missing. */
const BEAT_LATE_SECONDS = 35;

/** `queue 3/10`, `Bash 2m`, `model 40s`, `approval 5m deploy to production`; with the age of the last heartbeat when it is late. */
export function activityText(activity: JsonValue | undefined, nowMs: number): string {
  const { waits_for: waits, last_line_age_seconds: line, heartbeat_age_seconds: beat } = objectOf(activity);
  const { kind, name, place, of, since: from } = objectOf(waits);
  if (typeof kind !== 'string') return UNKNOWN;
  if (kind === 'queue') return typeof place === 'number' ? `queue ${place}/${String(of)}` : 'queue';
  if (kind === 'approval' && typeof from === 'string') {
    const age = ageText(Math.max(0, nowMs - Date.parse(from)));
    return typeof name === 'string' ? `approval ${age} ${escapeLine(name)}` : `approval ${age}`;
  }
  const what = kind === 'tool' ? escapeLine(typeof name === 'string' ? name : 'a tool') : kind;
  const since = typeof line === 'number' ? ` ${ageText(line * 1_000)}` : '';
  const late = typeof beat === 'number' && beat > BEAT_LATE_SECONDS ? `, beat ${ageText(beat * 1_000)}` : '';
  return `${what}${since}${late}`;
}
