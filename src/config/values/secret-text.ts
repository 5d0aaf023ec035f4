import { z } from 'zod';
import { SECRET_CHARS_MIN, weaknessOf } from '../../model/secret.ts';
import type { ValueKind } from './value-kinds.ts';

/** Kept as it is. A secret that another party made may have any length, so that `charsMin` is 1. */
export function secret(charsMin: number): ValueKind<string> {
  return {
    type: charsMin > 1 ? `secret of at least ${charsMin} characters` : 'secret',
    schema: z.string().superRefine((value, context) => {
      const message = charsMin > 1 ? weaknessOf(value, charsMin) : blanksOf(value);
      if (message !== undefined) context.addIssue({ code: 'custom', message });
    }),
  };
}

/** One secret, or several with commas; a secret that itself holds a comma is accepted whole, too. */
export const SECRETS: ValueKind<readonly string[]> = {
  type: `secret of at least ${SECRET_CHARS_MIN} characters, or several with commas`,
  schema: z.string().transform((value, context) => {
    // A blank after a comma belongs to the list.
    const parts = value.split(',').map((part) => part.trim());
    const message = blanksOf(value) ?? weakPart(parts);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
    return [...new Set([value, ...parts])].filter((part) => part !== '');
  }),
};

function blanksOf(value: string): string | undefined {
  return value === value.trim() ? undefined : weaknessOf(value);
}

/** Each part alone signs, so that the shortest one decides. */
function weakPart(parts: readonly string[]): string | undefined {
  const given = parts.filter((part) => part !== '');
  if (given.length === 0) return `use at least ${SECRET_CHARS_MIN} characters`;
  for (const [index, part] of parts.entries()) {
    const weakness = part === '' ? undefined : weaknessOf(part);
    if (weakness === undefined) continue;
    return parts.length === 1
      ? weakness
      : `part ${index + 1} of ${parts.length}, with commas between them, has ${[...part].length} characters: ${weakness}`;
  }
  return undefined;
}
