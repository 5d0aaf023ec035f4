import { type JsonObject, parseObject } from '../../../model/json.ts';
import type { SortKey } from '../listing.ts';

/**
 * Parses a delivery; undefined for a line that is not one, is damaged, or belongs to another day. One whose time is far from
 * the clock of the holder stands where it was received.
 */
export function readDelivery(
  text: string,
  day: string,
): (SortKey & { readonly line: JsonObject }) | undefined {
  const line = parseObject(text);
  const at = line?.received_at ?? line?.timestamp;
  const id = line?.event_id;
  if (line === undefined || typeof at !== 'string' || typeof id !== 'string') return undefined;
  return at.startsWith(day) ? { at, id, line } : undefined;
}
