import type { Amounts, Usage } from '../../model/documents.ts';
import type { JsonValue } from '../../model/json.ts';

/** A count or a price as a dialect read it; null when the line does not say, or says something impossible. */
export type Amount = number | null;

export function amount(value: JsonValue | undefined): Amount {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
}

/** Null as soon as one part is unknown: a sum with a hole in it is a wrong number. */
export function sum(parts: readonly Amount[]): Amount {
  let total = 0;
  for (const part of parts) {
    if (part === null) return null;
    total += part;
  }
  // Prices are small fractions: twelve digits keep every cent of a cent and drop the binary dust.
  return Number.isInteger(total) ? total : Number(total.toFixed(12));
}

export function difference(whole: Amount, part: Amount): Amount {
  return whole === null || part === null || part > whole ? null : whole - part;
}

/** Zeros in every place are what agents print when a request failed before anything was counted. */
export function saysNothing(amounts: Amounts): boolean {
  return Object.values(amounts).every((value) => value === null || value === 0);
}

/** The usage, with what each model used when any says something. */
export function withModels(total: Amounts, models: readonly (readonly [string, Amounts])[]): Usage {
  const known = models.filter(([, amounts]) => !saysNothing(amounts));
  // From entries: a model may be named `__proto__`, which an assignment would not make a field.
  return known.length === 0 ? total : { ...total, models: Object.fromEntries(known) };
}
