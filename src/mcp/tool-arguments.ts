import { z } from 'zod';
import { TASK_STATUSES } from '../model/documents.ts';
import type { TaskFilter } from '../model/task-reading.ts';
import { values } from '../serve/contract/parameter.ts';
import { time } from '../serve/query.ts';
import { parametersOf } from '../system/http/parameters.ts';

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

interface ListArguments {
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/** The arguments but for those that name a part of the answer: a cursor belongs to them. As REST has them, without times. */
export function askedOf(given: ListArguments): string {
  const names = ['cursor', 'limit', 'since', 'until'];
  const kept = Object.fromEntries(Object.entries(given).filter(([name]) => !names.includes(name)));
  const parameters = parametersOf(linkOf('', kept));
  parameters.sort();
  // An amount of time before now is another time in each request, so that the cursor is not one of REST.
  return `${hasTimes(given) ? 'mcp ' : ''}${parameters.toString()}`;
}

/** The REST request of the next page; of the first page where the cursor is not one of REST. */
export function nextLink(path: string, given: ListArguments, next: string): string {
  return linkOf(path, { ...given, cursor: hasTimes(given) ? undefined : next });
}

function hasTimes({ since, until }: ListArguments): boolean {
  return since !== undefined || until !== undefined;
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
