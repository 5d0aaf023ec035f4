import type { Amounts, Usage } from '../../model/documents.ts';
import type { JsonValue } from '../../model/json.ts';

/** A count or a price; null when it is missing or impossible. */
export type Amount = number | null;

export function amount(value: JsonValue | undefined): Amount {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
}

/** Null when a part is unknown: a partial sum would be wrong. */
export function sum(parts: readonly Amount[]): Amount {
  let total = 0;
  for (const part of parts) {
    if (part === null) return null;
    total += part;
  }
  // Prices are small fractions of a dollar: twelve digits drop the rounding error of binary floating point.
  return Number.isInteger(total) ? total : Number(total.toFixed(12));
}

export function difference(whole: Amount, part: Amount): Amount {
  return whole === null || part === null || part > whole ? null : whole - part;
}

/** Whether every count is unknown or zero. Agents print zeros when a request failed before they counted. */
export function isUnknown(amounts: Amounts): boolean {
  return Object.values(amounts).every((value) => value === null || value === 0);
}

/** Adds the amounts of each model for which they are known. */
export function withModels(total: Amounts, models: readonly (readonly [string, Amounts])[]): Usage {
  const known = models.filter(([, amounts]) => !isUnknown(amounts));
  // Object.fromEntries makes a field of a model named `__proto__`; an assignment would not.
  return known.length === 0 ? total : { ...total, models: Object.fromEntries(known) };
}
