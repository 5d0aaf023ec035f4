/** Shown for an unknown value, which is not the same as 0. */
export const UNKNOWN = '-';

/** `$0.0234`, `$12.34`. Below a dollar four digits: a run often costs less than a cent. */
export function costText(usd: unknown): string {
  if (typeof usd !== 'number') return UNKNOWN;
  return usd !== 0 && Math.abs(usd) < 1 ? `$${usd.toFixed(4)}` : `$${usd.toFixed(2)}`;
}

/** `950`, `12.3k`, `4.5M`. */
export function countText(count: unknown): string {
  if (typeof count !== 'number') return UNKNOWN;
  if (count < 1_000) return String(count);
  return count < 999_950 ? `${(count / 1_000).toFixed(1)}k` : `${(count / 1_000_000).toFixed(1)}M`;
}

/** `4.2s`, `2m05s`, `1h02m`. */
export function secondsText(seconds: unknown): string {
  if (typeof seconds !== 'number') return UNKNOWN;
  if (seconds < 59.95) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  if (whole < 3_600) return `${Math.floor(whole / 60)}m${twoDigits(whole % 60)}s`;
  return `${Math.floor(whole / 3_600)}h${twoDigits(Math.floor((whole % 3_600) / 60))}m`;
}

/** How long ago: `5s`, `12m`, `3h`, `8d`. */
export function ageText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 2 * 86_400) return `${Math.floor(seconds / 3_600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
