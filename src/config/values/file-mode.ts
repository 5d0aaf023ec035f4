import { z } from 'zod';
import type { ValueKind } from './value-kinds.ts';

const WRONG = 'use 0600, 0640, 0604 or 0644: the owner writes, and others may read';

/**
 * The octal mode of a file. Others may read it, and never write: what stands in the log directory is what its owner has
 * recorded.
 */
export const FILE_MODE: ValueKind<string> = {
  type: 'octal mode of files',
  schema: z
    .string()
    .trim()
    .regex(/^(?:0o?)?6[04][04]$/, WRONG)
    .transform((value) => `0${value.slice(-3)}`),
};
