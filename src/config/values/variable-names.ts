import { z } from 'zod';
import type { ValueKind } from './value-kinds.ts';

/** A name that a shell can set. */
export const VARIABLE_NAME: RegExp = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Names of environment variables. */
export const VARIABLE_NAMES: ValueKind<readonly string[]> = {
  type: 'names of variables with commas',
  schema: z
    .string()
    .transform((value) =>
      value
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== ''),
    )
    .refine(
      (names) => names.every((name) => VARIABLE_NAME.test(name)),
      'use names of variables with commas, without their values',
    ),
};
