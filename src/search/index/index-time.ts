import { isoFromMs } from '../../model/time.ts';

/** Before all times: `at` of a task without one. */
export const NO_TIME = -8_640_000_000_000_001;

/** ISO 8601 as the index has it; an empty text for none. */
export function msOf(at: string): number {
  const ms = at === '' ? Number.NaN : Date.parse(at);
  return Number.isNaN(ms) ? NO_TIME : ms;
}

export function isoOf(ms: number): string {
  return ms === NO_TIME ? '' : isoFromMs(ms);
}
