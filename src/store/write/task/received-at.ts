import { isoFromMs, readIso } from '../../../model/time.ts';
import type { FactLine } from '../../../project/change.ts';

/** Records of a running system arrive within seconds. */
const NEAR_MS = 60_000;

/** The clocks of two threads or processes of one machine differ by some milliseconds. */
const AHEAD_MS = 1_000;

/**
 * When a result was received, for retention: the time of the holder. Where the trail's own record is at most a minute
 * older, or a moment ahead, its time, so that the same records make the same bytes when they are stored again.
 */
export function receivedAt({ timestamp, sender }: FactLine, nowMs: number): string {
  const said = sender === undefined ? readIso(timestamp) : undefined;
  const agoMs = said === undefined ? Number.NaN : nowMs - Date.parse(said);
  return said !== undefined && agoMs >= -AHEAD_MS && agoMs <= NEAR_MS ? said : isoFromMs(nowMs);
}
