import { z } from 'zod';
import { TasktrailError } from '../errors.ts';
import { PAST_TIME_RULE, pastTime } from '../model/past-time.ts';
import { firstOfText } from '../model/text.ts';

/** An optional parameter that must not be empty. */
export const filter: z.ZodOptional<z.ZodString> = z.string().min(1, 'must not be empty').optional();

/** An amount of time before now, a date, or ISO 8601 with a zone; as ISO 8601. */
export const time: z.ZodType<string | undefined> = z
  .string()
  .transform((value, context) => {
    const iso = pastTime(value, Date.now());
    if (iso === undefined) context.addIssue(`must be ${PAST_TIME_RULE}`);
    return iso;
  })
  .optional();

/** The largest number of items of a page. */
export function limit(preset: number, max: number): z.ZodType<number> {
  const rule = `must be a number from 1 to ${max}`;
  return z
    .string()
    .regex(/^\d{1,9}$/, rule)
    .transform(Number)
    .refine((value) => value >= 1 && value <= max, rule)
    .default(preset);
}

/** An amount, as `0.5` or `120`. */
export const amount: z.ZodType<number | undefined> = z
  .string()
  .regex(/^\d{1,15}(?:\.\d{1,12})?$/, 'must be a number such as 0.5')
  .transform(Number)
  .optional();

/** The parameters of a request but for those that name a part of its answer: the same for all pages of a list. */
export function askedOf(url: string): string {
  const at = url.indexOf('?');
  const parameters = new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
  for (const name of ['cursor', 'limit']) parameters.delete(name);
  parameters.sort();
  return parameters.toString();
}

/** Parses the parameters of a request. Throws `ERR_INPUT_INVALID` naming an invalid, unknown or repeated one. */
export function readQuery<Query>(url: string, schema: z.ZodType<Query>): Query {
  const at = url.indexOf('?');
  const given = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(at < 0 ? '' : url.slice(at + 1))) {
    if (given.has(name)) throw invalid(`${firstOfText(name, 100)}: must be given once`);
    given.set(name, value);
  }
  const parsed = schema.safeParse(Object.fromEntries(given));
  if (!parsed.success) throw invalid(describeIssues(parsed.error));
  return parsed.data;
}

/** Lists the issues as `field: message`. */
export function describeIssues(error: z.ZodError): string {
  const text = error.issues
    .map((issue) => (issue.path.length === 0 ? issue.message : `${issue.path.join('.')}: ${issue.message}`))
    .join('; ');
  // Names come from the client: a thousand unknown keys must not become a long answer.
  return text.length > 500 ? `${firstOfText(text, 500)}...` : text;
}

function invalid(detail: string): TasktrailError {
  return new TasktrailError('ERR_INPUT_INVALID', detail);
}
