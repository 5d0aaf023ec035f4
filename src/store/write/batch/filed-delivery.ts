import { isoFromMs } from '../../../model/time.ts';
import type { Change } from '../../../project/change.ts';

/** Deliveries wait in the journal of a machine that is away. Beyond this, retention would remove them at once. */
const PAST_MS = 30 * 86_400_000;

/** Clocks differ by minutes, and their days with them. */
const FUTURE_MS = 86_400_000;

export type DeliveryChange = Extract<Change, { kind: 'delivery' }>;

/** A delivery and the day under which it is filed. One whose time is far from the clock is filed under today: senders choose the time. */
export function filedDelivery(
  change: DeliveryChange,
  nowMs: number,
): { readonly day: string; readonly change: DeliveryChange } {
  const atMs = Date.parse(change.line.timestamp);
  const isNear = atMs >= nowMs - PAST_MS && atMs <= nowMs + FUTURE_MS;
  const at = isoFromMs(isNear ? atMs : nowMs);
  const day = at.slice(0, 10);
  return { day, change: isNear ? change : { ...change, line: { ...change.line, received_at: at } } };
}
