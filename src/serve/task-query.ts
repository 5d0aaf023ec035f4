import { z } from 'zod';
import { TasktrailError } from '../errors.ts';
import { TASK_STATUSES } from '../model/documents.ts';
import type { TaskQuery } from '../model/task-reading.ts';

const LIMIT_DEFAULT = 50;
/** Each item is a file that is read: a page must not turn into a dump of the directory. */
const LIMIT_MAX = 500;
const LIMIT_RULE = `must be a number from 1 to ${LIMIT_MAX}`;

const filter = z.string().min(1, 'must not be empty').optional();
const time = z
  .union([z.iso.datetime({ offset: true }), z.iso.date()], {
    error: 'must be ISO 8601 with a zone ("2026-01-31T12:00:00Z"), or a date',
  })
  .optional();

const schema = z.strictObject({
  status: z.enum(TASK_STATUSES, { error: `must be one of ${TASK_STATUSES.join(', ')}` }).optional(),
  source: filter,
  provider: filter,
  agent: filter,
  since: time,
  until: time,
  limit: z
    .string()
    .regex(/^\d{1,9}$/, LIMIT_RULE)
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= LIMIT_MAX, LIMIT_RULE)
    .default(LIMIT_DEFAULT),
  cursor: filter,
});

/** The query of `GET /tasks`; throws `ERR_INPUT_INVALID` naming the parameter. A misspelt filter is an error too. */
export function readTaskQuery(url: string): TaskQuery {
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
