import { z } from 'zod';
import { TasktrailError } from '../../errors.ts';
import type { JsonObject } from '../../model/json.ts';
import { STATS_GROUPS, type StatsGroup } from '../../model/task-reading.ts';
import { defineTool, type Tool } from '../tool.ts';
import { countOf, Rows } from '../tool-answer.ts';
import { linkOf, rowLimit, taskFilters } from '../tool-arguments.ts';

const GROUPS_MAX = 3;

const groups: z.ZodType<readonly StatsGroup[]> = z
  .preprocess(
    // As REST and the command line have it.
    (value) => (typeof value === 'string' ? value.split(',').map((name) => name.trim()) : value),
    z
      .array(z.enum(STATS_GROUPS, { error: `must be some of ${STATS_GROUPS.join(', ')}` }), {
        error: `must be an array of up to ${GROUPS_MAX} of ${STATS_GROUPS.join(', ')}`,
      })
      .max(GROUPS_MAX, `must have at most ${GROUPS_MAX} groups`),
  )
  .refine((names) => new Set(names).size === names.length, 'must name each group once')
  .default([])
  .describe('Up to three. Without them one row counts all tasks that match.');

export const costSummary: Tool = defineTool({
  name: 'cost_summary',
  title: 'Sum up cost',
  description:
    'Counts the tasks that match by group: success, cost in US dollars, tokens, duration percentiles, retries. ' +
    'cost_known says of how many tasks the cost is known: null is unknown, not 0.',
  schema: z.strictObject({ ...taskFilters, group_by: groups, limit: rowLimit(50, 200) }),
  run: async ({ group_by: groupBy, limit, ...filter }, { reader }) => {
    if (reader.countTasks === undefined)
      throw new TasktrailError('ERR_NOT_CONFIGURED', 'the reader of this server does not count');
    const { rows, leftOut } = await reader.countTasks({ ...filter, groupBy });
    const shown = new Rows();
    // A row has at most eleven short members besides its groups.
    for (const row of rows.slice(0, limit)) if (!shown.add(row, 2_000)) break;
    const hidden = rows.length - shown.texts.length + leftOut;
    return {
      title: `${shown.texts.length === 0 ? 'No task matches' : countOf(shown.texts.length, 'row')}.${hidden > 0 ? ` ${hidden} more are not shown: use a filter.` : ''}`,
      rows: shown.texts,
      links: [
        linkOf('/api/stats', { ...filter, group_by: groupBy.length > 0 ? groupBy : undefined } as JsonObject),
      ],
    };
  },
});
