import { z } from 'zod';
import { TASK_STATUSES } from '../model/documents.ts';
import {
  type FacetsQuery,
  STATS_GROUPS,
  type StatsGroup,
  type StatsQuery,
  TASK_FACETS,
  TASK_SORTS,
  type TaskFacet,
  type TaskFilter,
  type TaskQuery,
} from '../model/task-reading.ts';
import { values, written } from './contract/parameter.ts';
import { amount, filter, limit, readQuery, time } from './query.ts';

/** Parameters of lists, numbers and streams. */
export const taskFilters: { readonly [K in keyof Required<TaskFilter>]: z.ZodType<TaskFilter[K]> } = {
  status: values(TASK_STATUSES),
  source: values(),
  provider: values(),
  agent: values(),
  model: values(),
  command: values(),
  repo: values(),
  workflow_id: values(),
  error_type: values(),
  cost_min: amount,
  cost_max: amount,
  duration_min: amount,
  duration_max: amount,
  since: time,
  until: time,
  // The reader knows its grammar, and says at which character a mistake is.
  q: filter,
};

/** The parameters of `GET /tasks`. */
export const taskListQuery: z.ZodType<TaskQuery> = z.strictObject({
  ...taskFilters,
  sort: z.enum(TASK_SORTS, { error: `must be one of ${TASK_SORTS.join(', ')}` }).optional(),
  // Each item is a few files to read, so the size of a page is limited.
  limit: limit(50, 500),
  cursor: filter,
});

const GROUPS_MAX = 3;

const groups: z.ZodType<readonly StatsGroup[]> = written(
  z
    .string()
    .default('')
    .transform((value, context) => {
      const names = value === '' ? [] : value.split(',');
      const known = names.flatMap((name) => STATS_GROUPS.filter((group) => group === name));
      if (known.length !== names.length || new Set(known).size !== known.length || known.length > GROUPS_MAX)
        context.addIssue(`must be up to ${GROUPS_MAX} of ${STATS_GROUPS.join(', ')}, separated by commas`);
      return known;
    }),
  { type: 'string', description: `up to ${GROUPS_MAX} of ${STATS_GROUPS.join(', ')}, separated by commas` },
);

/** The parameters of `GET /stats`. */
export const statsQuery: z.ZodType<TaskFilter & { readonly group_by: readonly StatsGroup[] }> =
  z.strictObject({ ...taskFilters, group_by: groups });

const OF_RULE = `must be some of ${TASK_FACETS.join(', ')}, separated by commas`;

const facets: z.ZodType<readonly TaskFacet[]> = written(
  z.string({ error: OF_RULE }).transform((value, context) => {
    const names = value.split(',');
    const known = names.flatMap((name) => TASK_FACETS.filter((facet) => facet === name));
    if (known.length !== names.length || new Set(known).size !== known.length) context.addIssue(OF_RULE);
    return known;
  }),
  { type: 'string', description: `some of ${TASK_FACETS.join(', ')}, separated by commas` },
);

/** The parameters of `GET /facets`. */
export const facetsQuery: z.ZodType<FacetsQuery> = z.strictObject({ ...taskFilters, of: facets });

/** The query of `GET /tasks`. Throws `ERR_INPUT_INVALID` naming an invalid or unknown parameter. */
export function readTaskQuery(url: string): TaskQuery {
  return readQuery(url, taskListQuery);
}

/** The query of `GET /stats`, as `readTaskQuery`. */
export function readStatsQuery(url: string): StatsQuery {
  const { group_by: groupBy, ...rest } = readQuery(url, statsQuery);
  return { ...rest, groupBy };
}

/** The query of `GET /facets`, as `readTaskQuery`. */
export function readFacetsQuery(url: string): FacetsQuery {
  return readQuery(url, facetsQuery);
}
