import { z } from 'zod';

/** How the text of an environment variable or a flag becomes a value. */
export interface ValueKind<T> {
  /** For people: `port from 0 to 65535`. */
  readonly type: string;
  readonly schema: z.ZodType<T>;
}

export const BOOLEAN: ValueKind<boolean> = {
  type: '`true` or `false`',
  schema: z
    .string()
    .trim()
    .toLowerCase()
    .pipe(z.enum(['true', 'false', '1', '0', 'yes', 'no', 'on', 'off'], 'use true or false'))
    .transform((value) => ['true', '1', 'yes', 'on'].includes(value)),
};

export const PORT: ValueKind<number> = {
  type: 'port, `0` for a free one',
  schema: z
    .string()
    .trim()
    .regex(/^\d+$/, 'use a port number from 0 to 65535')
    .transform(Number)
    .refine((value) => value <= 65_535, 'use a port number from 0 to 65535'),
};

/** A whole number of at least 1. */
export function count(unit: string): ValueKind<number> {
  return {
    type: `whole number of ${unit}`,
    schema: z
      .string()
      .trim()
      .regex(/^[1-9]\d{0,8}$/, `use a whole number of ${unit}, at least 1`)
      .transform(Number),
  };
}

/** Also 0, as the OTLP exporter specification allows for a timeout. */
export const TIMEOUT: ValueKind<number> = {
  type: 'milliseconds',
  schema: z
    .string()
    .trim()
    .regex(/^\d{1,9}$/, 'use a number of milliseconds')
    .transform(Number),
};

const line = z.string().trim().min(1, 'must not be empty');

/** Text of one kind: a directory, a name. */
export function text(type: string): ValueKind<string> {
  return { type, schema: line };
}

/** Text that another package reads and checks. */
export function unchecked(type: string): ValueKind<string> {
  return { type, schema: z.string() };
}

export const NAMES: ValueKind<readonly string[]> = {
  type: 'names with commas',
  schema: z.string().transform((value) => value.split(',').map((name) => name.trim().toLowerCase())),
};
