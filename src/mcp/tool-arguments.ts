import { z } from 'zod';
import { TASK_STATUSES } from '../model/documents.ts';
import type { TaskFilter } from '../model/task-reading.ts';
import { values } from '../serve/contract/parameter.ts';
import { time } from '../serve/query.ts';

const word = z.string().min(1, 'must not be empty').optional();
const amount = z.number().nonnegative().optional();

/** The id of a task. The reader says what is wrong with one. */
export const taskId: z.ZodType<string> = z
  .string()
  .min(1, 'must not be empty')
  .describe('The id of a task, as in task_id of search_tasks.');

export const cursor: z.ZodType<string | undefined> = word.describe(
  'From the end of an earlier answer to the same arguments.',
);

/** How many rows an answer has at most. It may have fewer: its bytes are bounded too. */
export function rowLimit(preset: number, max: number): z.ZodType<number> {
  return z.int().min(1).max(max).default(preset);
}

/** Filters of tasks, as in REST. */
export const taskFilters: { readonly [K in keyof Required<TaskFilter>]: z.ZodType<TaskFilter[K]> } = {
  q: word.describe(
    'What people type: words, "phrases", -excluded, and fields: status:failed cost:>0.5 repo:acme/x tool:Bash. ' +
      'Searches message, output, tool calls, result and error.',
  ),
  status: values(TASK_STATUSES),
  source: values(),
  provider: values().describe('github, jira, slack, ...'),
  agent: values(),
  model: values(),
  command: values(),
  repo: values(),
  workflow_id: values(),
  error_type: values(),
  cost_min: amount.describe('US dollars.'),
  cost_max: amount,
  duration_min: amount.describe('Seconds.'),
  duration_max: amount,
  since: time.describe('Created at or after: 2h, 3d, 1w, a date, or ISO 8601 with a zone.'),
  until: time.describe('Created before.'),
};

/** The arguments but for those that name a part of the answer: a cursor belongs to them. */
export function askedOf(given: object): string {
  const kept = Object.entries(given).filter(
    ([name, value]) => value !== undefined && !['cursor', 'limit', 'since', 'until'].includes(name),
  );
  return JSON.stringify(kept.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Path and query of the REST request with these arguments. */
export function linkOf(path: string, given: object): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    parameters.set(name, Array.isArray(value) ? value.join(',') : String(value));
  }
  const query = parameters.toString();
  return query === '' ? path : `${path}?${query}`;
}
