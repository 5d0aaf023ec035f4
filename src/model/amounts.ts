import type { Amounts } from './documents.ts';

export const AMOUNT_KINDS = [
  'costUsd',
  'inputTokens',
  'outputTokens',
  'cacheReadInputTokens',
  'cacheCreationInputTokens',
] as const;

/** More than any program counts or costs. So many tasks as there are still add up to a number. */
const AMOUNT_MAX = 1e18;

/** Whether a count, a price or a time can be one: a sum of larger ones would be infinite, and JSON has no such number. */
export function isPossibleAmount(value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) <= AMOUNT_MAX;
}

/** Whether a count is below its earlier value: the counter has started again from zero. */
export function hasShrunk(before: Amounts, now: Amounts): boolean {
  return AMOUNT_KINDS.some((kind) => {
    const [earlier, later] = [before[kind], now[kind]];
    return typeof earlier === 'number' && typeof later === 'number' && later < earlier;
  });
}

/** What a counter has grown by since `before`. All of `now` when the counter has started again. */
export function growthOf(before: Amounts | undefined, now: Amounts): Amounts {
  if (before === undefined || hasShrunk(before, now)) return now;
  const entries = AMOUNT_KINDS.map((kind) => {
    const later = now[kind] ?? null;
    return [kind, later === null ? null : rounded(later - (before[kind] ?? 0))] as const;
  });
  return Object.fromEntries(entries);
}

/** Prices are small fractions of a dollar: twelve digits drop the rounding error of binary floating point. */
export function rounded(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toFixed(12));
}
