import { UNKNOWN } from './amounts.ts';
import { escapeLine } from './terminal-text.ts';

/** A recorded text for a cell of a table; a dash for an absent one. */
export function textOf(value: unknown): string {
  return isText(value) ? escapeLine(value) : UNKNOWN;
}

export function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

/** Milliseconds since the epoch; undefined for a value that is no time. */
export function timeOf(value: unknown): number | undefined {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
