import type { Config } from '../config/config.ts';

/** Areas of the setup, in the order in which they are shown. */
export type Area =
  | 'versions'
  | 'settings'
  | 'directory'
  | 'store'
  | 'ports'
  | 'endpoint'
  | 'redis'
  | 's3'
  | 'traces'
  | 'webhooks'
  | 'notify'
  | 'agents'
  | 'clock';

/** `warning`: it works, but perhaps not as intended. `problem`: something does not work until it is fixed. */
export type Level = 'ok' | 'warning' | 'problem';

/** One result of a check. */
export interface Finding {
  readonly level: Level;
  /** The setting, path or address that it is about. */
  readonly where: string;
  readonly what: string;
  /** What to do; null for `ok`. */
  readonly advice: string | null;
}

/** The input of the checks. */
export interface Subject {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Of tasktrail. */
  readonly version: string;
  /** How many milliseconds our clock is ahead of a server's, by its address. Filled by the checks. */
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
