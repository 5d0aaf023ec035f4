/** Digits of a nanosecond below the millisecond. */
const NS_DIGITS = 6;

/** Cache of the last second as text up to the point: records come in bursts, and most share the second. */
let lastSecond: number | undefined;
let lastText = '';

/** Milliseconds since the epoch as `2026-01-02T03:04:05.678Z`. */
export function isoFromMs(ms: number): string {
  const whole = Math.trunc(ms);
  const second = Math.floor(whole / 1000);
  if (second !== lastSecond) {
    lastText = new Date(second * 1000).toISOString().slice(0, -4);
    lastSecond = second;
  }
  return `${lastText}${String(whole - second * 1000).padStart(3, '0')}Z`;
}

/** The greatest time that both an ISO string and a ULID can hold: the end of the year 9999. */
const MS_MAX = 253_402_300_799_999;

/** Nanoseconds since the epoch (a decimal string) as whole milliseconds; 0 when out of range or unreadable. */
export function msFromNanos(nanos: string): number {
  // Cut as text: a BigInt per record costs more than all other work on its time.
  const ms = Number(nanos.slice(0, -NS_DIGITS));
  return ms >= 0 && ms <= MS_MAX ? ms : 0;
}

/** Milliseconds since the epoch as nanoseconds (a decimal string). A time before 1970 becomes 1970: OTLP times are unsigned. */
export function nanosFromMs(ms: number): string {
  if (!(ms >= 1 && ms <= MS_MAX)) return '0';
  if (Number.isInteger(ms)) return `${ms}000000`;
  const whole = Math.trunc(ms);
  return `${whole}${String(Math.trunc((ms - whole) * 1_000_000)).padStart(NS_DIGITS, '0')}`;
}

/** Nanoseconds since the epoch as ISO 8601 with milliseconds and `Z`. */
export function isoFromNanos(nanos: string): string {
  return isoFromMs(msFromNanos(nanos));
}

/** A foreign time (`2024-01-01T00:00:00Z`, `...+02:00`, epoch milliseconds) as `isoFromMs` writes it; else undefined. */
export function readIso(value: unknown): string | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const date = new Date(value);
  const ms = date.getTime();
  return Number.isNaN(ms) || ms < 0 || ms > MS_MAX ? undefined : date.toISOString();
}
