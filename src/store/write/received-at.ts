import { isoFromMs, readIso } from '../../model/time.ts';
import type { FactLine } from '../../project/change.ts';

/** Records of a running system arrive within seconds. */
const NEAR_MS = 60_000;

/**
 * When a result was received, for retention: the time of the holder. Where the trail's own record says the same within a
 * minute, its time, so that the same records make the same bytes when they are stored again.
 */
export function receivedAt({ timestamp, sender }: FactLine, nowMs: number): string {
  const said = sender === undefined ? readIso(timestamp) : undefined;
  const isNear = said !== undefined && Math.abs(Date.parse(said) - nowMs) <= NEAR_MS;
  return isNear ? said : isoFromMs(nowMs);
}
