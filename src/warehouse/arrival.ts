import { isoFromMs } from '../model/time.ts';
import type { Row } from './client.ts';

/** Gives each line a time of its own, so that the order in which lines came is kept. */
export class ArrivalClock {
  readonly #now: () => number;
  #last = 0n;

  /** `now`: milliseconds since the epoch. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Nanoseconds since the epoch. */
  next(): string {
    const now = BigInt(Math.trunc(this.#now())) * 1_000_000n;
    this.#last = now > this.#last ? now : this.#last + 1n;
    return String(this.#last);
  }
}

const WHOLE_LENGTH = '2026-01-02T03:04:05.123456789Z'.length;

/** When a row came: RFC 3339 with nine digits, which VictoriaLogs leaves out where they are zero, so that texts are in the order of time. */
export function arrivalOf({ _time: time = '' }: Row): string {
  if (time.length === WHOLE_LENGTH) return time;
  const [seconds = '', digits = ''] = time.replace('Z', '').split('.');
  return seconds === '' ? '' : `${seconds}.${digits.padEnd(9, '0')}Z`;
}

/** Rows that came from one millisecond to the end of another one. VictoriaLogs reads no others. */
export function timeRange(fromMs: number, toMs: number): string {
  return `_time:[${isoFromMs(fromMs)}, ${isoFromMs(toMs + 1)})`;
}
