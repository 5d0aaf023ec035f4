import type { ValueKind } from './values/value-kinds.ts';

export type SettingGroup =
  | 'Recording'
  | 'Retention'
  | 'HTTP'
  | 'Webhooks'
  | 'Queue and agents'
  | 'OpenTelemetry'
  | 'S3';

/** A row of the table: everything that the program, `tasktrail config` and docs/settings.md know about a setting. */
export interface Setting<T> {
  readonly kind: ValueKind<NonNullable<T>>;
  /** Undefined: there is none, or `defaultText` says where it comes from. */
  readonly default: T;
  readonly defaultText?: string;
  readonly group: SettingGroup;
  /** For the documentation, in Markdown. */
  readonly sentence: string;
  /** Never printed, except whether it is set. */
  readonly isSecret?: true;
  /** Secrets, and this: `<NAME>_FILE` names a file with the value. */
  readonly mayBeInFile?: true;
  /** `.env` does not set it. */
  readonly isNeverFromFile?: true;
  /** The flag of `tasktrail start` that sets it, too. */
  readonly flag?: string;
  /** The key of a configuration file that sets it, too. */
  readonly fileKey?: string;
  /** Path of its value in `Config`. Absent: its value is a part of others, or another package reads it. */
  readonly field?: string;
  /** Settings that give the value when this one is not set, in this order. */
  readonly otherwise?: readonly string[];
}

/** One row for each setting of a list of settings and their types. */
export type SettingTable<S> = { readonly [Name in keyof S]: Setting<S[Name]> };
