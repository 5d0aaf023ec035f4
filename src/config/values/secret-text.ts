import { z } from 'zod';
import type { ValueKind } from './value-kinds.ts';

/** Kept as it is, blanks included. */
export function secret(lengthMin: number): ValueKind<string> {
  return {
    type: lengthMin > 1 ? `secret of at least ${lengthMin} characters` : 'secret',
    schema: z.string().min(lengthMin, `use at least ${lengthMin} characters`),
  };
}

/** One secret, or several with commas; a secret that itself holds a comma is accepted whole, too. */
export const SECRETS: ValueKind<readonly string[]> = {
  type: 'secret, or several with commas',
  schema: z
    .string()
    .min(1)
    .transform((value) => {
      const parts = value.split(',').map((part) => part.trim());
      return [...new Set([value, ...parts])].filter((part) => part !== '');
    }),
};
