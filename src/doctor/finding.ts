import type { Config } from '../config/config.ts';

/** What is looked at, in the order in which it is shown. */
export type Area =
  | 'versions'
  | 'settings'
  | 'directory'
  | 'ports'
  | 'endpoint'
  | 'redis'
  | 's3'
  | 'traces'
  | 'webhooks'
  | 'agents'
  | 'clock';

/** `warning`: it works, and perhaps not as meant. `problem`: something does not work until somebody mends it. */
export type Level = 'ok' | 'warning' | 'problem';

/** What one look has found. */
export interface Finding {
  readonly level: Level;
  /** A setting, a path, an address: what to look at. */
  readonly where: string;
  readonly what: string;
  /** What to do; null when there is nothing to do. */
  readonly advice: string | null;
}

/** What the checks look at. */
export interface Subject {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Of tasktrail. */
  readonly version: string;
  /** By how many milliseconds clocks elsewhere are behind ours, by the address that told its time; filled by the checks. */
  readonly clocks: Map<string, number>;
}

export function ok(where: string, what: string): Finding {
  return { level: 'ok', where, what, advice: null };
}

export function warning(where: string, what: string, advice: string): Finding {
  return { level: 'warning', where, what, advice };
}

export function problem(where: string, what: string, advice: string): Finding {
  return { level: 'problem', where, what, advice };
}
