import { z } from 'zod';
import type { JsonObject } from '../../model/json.ts';
import { TASK_SORTS } from '../../model/task-reading.ts';
import { defineTool, type Tool } from '../tool.ts';
import { countOf, Rows } from '../tool-answer.ts';
import { askedOf, cursor, nextLink, rowLimit, taskFilters } from '../tool-arguments.ts';

const SHOWN = [
  'task_id',
  'status',
  'created_at',
  'completed_at',
  'assigned_agent',
  'model',
  'command',
  'source',
  'provider',
  'repo',
  'attempt',
  'workflow_ids',
  'success',
  'error_type',
  'cost_usd',
  'cost_basis',
  'activity',
  'input_tokens',
  'output_tokens',
  'duration_seconds',
  'message',
  'error',
] as const;

export const searchTasks: Tool = defineTool({
  name: 'search_tasks',
  title: 'Search tasks',
  description:
    'Lists the tasks of agents that match, newest first: status, agent, repository, message, error, cost, tokens, duration. ' +
    'activity says what a task that is not over waits for.',
  schema: z.strictObject({
    ...taskFilters,
    sort: z.enum(TASK_SORTS, { error: `must be one of ${TASK_SORTS.join(', ')}` }).optional(),
    limit: rowLimit(20, 50),
    cursor,
  }),
  run: async (given, { reader }) => {
    const { items, nextCursor } = await reader.listTasks({ ...given, asked: askedOf(given) });
    return {
      title: items.length === 0 ? 'No task matches.' : `${countOf(items.length, 'task')}.`,
      rows: new Rows().addAll(items.map(shownOf)).texts,
      more:
        nextCursor === null
          ? []
          : [{ arguments: { cursor: nextCursor }, link: nextLink('/api/tasks', given, nextCursor) }],
    };
  },
});

function shownOf(item: JsonObject): JsonObject {
  const shown: Record<string, JsonObject[string]> = {};
  for (const name of SHOWN) if (item[name] !== undefined && item[name] !== null) shown[name] = item[name];
  return shown;
}
