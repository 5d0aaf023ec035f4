import type { JsonValue } from '../../model/json.ts';

/**
 * More tokens than one call can have: the largest context windows hold ten million. A larger count is a defect of the sender,
 * and would hide all real ones in a sum.
 */
const CALL_TOKENS_MAX = 100_000_000;

/** Above the price of any call, in US dollars. */
const CALL_COST_MAX = 10_000;

/** A count of tokens: a whole number, also as text: 64-bit integers are text in JSON, and some agents send text. */
export function tokenCount(value: JsonValue): number | null {
  const number = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isSafeInteger(number)) return null;
  return number >= 0 && number <= CALL_TOKENS_MAX ? number : null;
}

/** A price of a call in US dollars; null for what cannot be one. */
export function callCost(value: JsonValue): number | null {
  const isCost = typeof value === 'number' && Number.isFinite(value) && value >= 0 && value <= CALL_COST_MAX;
  return isCost ? value : null;
}
