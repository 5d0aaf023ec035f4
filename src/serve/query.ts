import { z } from 'zod';
import { TasktrailError } from '../errors.ts';
import { PAST_TIME_RULE, pastTime } from '../model/past-time.ts';
import { firstOfText } from '../model/text.ts';
import { parametersOf } from '../system/http/parameters.ts';
import { written } from './contract/parameter.ts';

/** An optional parameter that must not be empty. */
export const filter: z.ZodOptional<z.ZodString> = z.string().min(1, 'must not be empty').optional();

/** An amount of time before now, a date, or ISO 8601 with a zone; as ISO 8601. */
export const time: z.ZodType<string | undefined> = written(
  z
    .string()
    .transform((value, context) => {
      const iso = pastTime(value, Date.now());
      if (iso === undefined) context.addIssue(`must be ${PAST_TIME_RULE}`);
      return iso;
    })
    .optional(),
  {
    type: 'string',
    anyOf: [{ pattern: '^[0-9]{1,6}[smhdw]$' }, { format: 'date' }, { format: 'date-time' }],
    description: PAST_TIME_RULE,
  },
);

/** The largest number of items of a page. */
export function limit(preset: number, max: number): z.ZodType<number> {
  const rule = `must be a number from 1 to ${max}`;
  return written(
    z
      .string()
      .regex(/^\d{1,9}$/, rule)
      .transform(Number)
      .refine((value) => value >= 1 && value <= max, rule)
      .default(preset),
    { type: 'integer', minimum: 1, maximum: max, default: preset },
  );
}

const AMOUNT_RULE = 'must be a number such as 0.5';

/** An amount, as `0.5`, `120` or, as programs write very small ones, `1e-7`. */
export const amount: z.ZodType<number | undefined> = written(
  z
    .string()
    .regex(/^\d{1,400}(?:\.\d{1,400})?(?:[eE][+-]?\d{1,3})?$/, AMOUNT_RULE)
    .transform(Number)
    .refine(Number.isFinite, AMOUNT_RULE)
    .optional(),
  { type: 'number', minimum: 0 },
);

/** The parameters of a request but for those that name a part of its answer: the same for all pages of a list. */
export function askedOf(url: string): string {
  const parameters = parametersOf(url);
  for (const name of ['cursor', 'limit']) parameters.delete(name);
  parameters.sort();
  return parameters.toString();
}

/**
 * Parses the parameters of a request. Throws `ERR_INPUT_INVALID` naming an invalid, unknown or repeated one. `lists`: those that
 * may be repeated.
 */
export function readQuery<Query>(
  url: string,
  schema: z.ZodType<Query>,
  lists: readonly string[] = [],
): Query {
  const given = new Map<string, string | string[]>();
  for (const [name, value] of parametersOf(url)) {
    const before = given.get(name);
    if (lists.includes(name)) {
      given.set(name, Array.isArray(before) ? [...before, value] : [value]);
      continue;
    }
    if (before !== undefined) throw invalid(`${firstOfText(name, 100)}: must be given once`);
    given.set(name, value);
  }
  const parsed = schema.safeParse(Object.fromEntries(given));
  if (!parsed.success) throw invalid(describeIssues(parsed.error));
  return parsed.data;
}

const none = z.strictObject({});

/** For a request that has no parameters: a misspelt one must not look like an answer to it. */
export function checkNoQuery({ url = '' }: { readonly url?: string | undefined }): void {
  readQuery(url, none);
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
