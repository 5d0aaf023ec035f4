import { z } from 'zod';
import { TasktrailError } from '../errors.ts';

/** A parameter that must say something when it is given. */
export const filter: z.ZodOptional<z.ZodString> = z.string().min(1, 'must not be empty').optional();

/** A time of day needs its zone: the server's own is nobody's business. */
export const time: z.ZodOptional<z.ZodUnion<readonly [z.ZodISODateTime, z.ZodISODate]>> = z
  .union([z.iso.datetime({ offset: true }), z.iso.date()], {
    error: 'must be ISO 8601 with a zone ("2026-01-31T12:00:00Z"), or a date',
  })
  .optional();

/** How many items a page has at the most. */
export function limit(preset: number, max: number): z.ZodType<number> {
  const rule = `must be a number from 1 to ${max}`;
  return z
    .string()
    .regex(/^\d{1,9}$/, rule)
    .transform(Number)
    .refine((value) => value >= 1 && value <= max, rule)
    .default(preset);
}

/** The parameters of a request; throws `ERR_INPUT_INVALID` naming the one that is wrong. A misspelt one is wrong too. */
export function readQuery<Query>(url: string, schema: z.ZodType<Query>): Query {
  const at = url.indexOf('?');
  const given = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(at < 0 ? '' : url.slice(at + 1))) {
    if (given.has(name)) throw invalid(`${name.slice(0, 100)}: must be given once`);
    given.set(name, value);
  }
  const parsed = schema.safeParse(Object.fromEntries(given));
  if (!parsed.success) throw invalid(describeIssues(parsed.error));
  return parsed.data;
}

/** Every issue as `field: what is wrong`. */
export function describeIssues(error: z.ZodError): string {
  const text = error.issues
    .map((issue) => (issue.path.length === 0 ? issue.message : `${issue.path.join('.')}: ${issue.message}`))
    .join('; ');
  // Names come from the sender: a thousand unknown keys must not come back as a page of text.
  return text.length > 500 ? `${text.slice(0, 500)}...` : text;
}

function invalid(detail: string): TasktrailError {
  return new TasktrailError('ERR_INPUT_INVALID', detail);
}
