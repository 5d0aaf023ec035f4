import { z } from 'zod';
import { DELIVERY_OUTCOMES } from '../../model/documents.ts';
import type { JsonObject } from '../../model/json.ts';
import { values } from '../../serve/contract/parameter.ts';
import { time } from '../../serve/query.ts';
import { defineTool, type Tool } from '../tool.ts';
import { countOf, Rows } from '../tool-answer.ts';
import { askedOf, cursor, nextLink, rowLimit } from '../tool-arguments.ts';

const SHOWN = [
  'timestamp',
  'provider',
  'delivery_id',
  'event_type',
  'outcome',
  'reason',
  'task_ids',
  'trace_id',
  'stages',
] as const;

export const listDeliveries: Tool = defineTool({
  name: 'list_deliveries',
  title: 'List webhook deliveries',
  description:
    'Lists the webhook deliveries that came, newest first, also those that were refused or started no task, with the reason.',
  schema: z.strictObject({
    provider: values(),
    outcome: values(DELIVERY_OUTCOMES),
    since: time.describe('2h, 3d, 1w, a date, or ISO 8601 with a zone.'),
    until: time,
    limit: rowLimit(20, 50),
    cursor,
  }),
  run: async (given, { reader }) => {
    const { items, nextCursor } = await reader.listDeliveries({ ...given, asked: askedOf(given) });
    return {
      title:
        items.length === 0 ? 'No delivery matches.' : `${countOf(items.length, 'delivery', 'deliveries')}.`,
      rows: new Rows().addAll(items.map(shownOf)).texts,
      more:
        nextCursor === null
          ? []
          : [{ arguments: { cursor: nextCursor }, link: nextLink('/api/webhooks', given, nextCursor) }],
    };
  },
});

function shownOf(item: JsonObject): JsonObject {
  return Object.fromEntries(SHOWN.map((name) => [name, item[name]]));
}
