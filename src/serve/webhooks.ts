import { z } from 'zod';
import type { DeliveryQuery } from '../model/delivery.ts';
import { DELIVERY_OUTCOMES } from '../model/documents.ts';
import { isPathSafeId } from '../model/ids.ts';
import type { JsonObject } from '../model/json.ts';
import { values } from './contract/parameter.ts';
import { sendJson } from './json-response.ts';
import { askedOf, filter, limit, readQuery, time } from './query.ts';
import type { Reader } from './reader.ts';
import type { Answer, Methods } from './routes.ts';

/** The parameters of `GET /webhooks`. */
export const deliveryListQuery: z.ZodType<DeliveryQuery> = z.strictObject({
  provider: values(),
  outcome: values(DELIVERY_OUTCOMES),
  event_type: values(),
  task_id: values(),
  since: time,
  until: time,
  // The reader knows its grammar, and says at which character a mistake is.
  q: filter,
  limit: limit(50, 500),
  cursor: filter,
});

/** `/webhooks`: all deliveries, newest first, including those that were refused or started no task. */
export function webhookRoutes(reader: Reader): Readonly<Record<string, Methods>> {
  return { '/webhooks': { GET: listDeliveries(reader) } };
}

function listDeliveries(reader: Reader): Answer {
  return async (req, res) => {
    const url = req.url ?? '';
    const page = await reader.listDeliveries({ ...readQuery(url, deliveryListQuery), asked: askedOf(url) });
    const items = page.items.map((item) => ({ ...item, links: linksOf(req.baseUrl, item) }));
    sendJson(res, { status: 200, value: { items, next_cursor: page.nextCursor } });
  };
}

function linksOf(baseUrl: string, { task_ids: taskIds }: JsonObject): JsonObject {
  const tasks: Record<string, string> = {};
  for (const taskId of Array.isArray(taskIds) ? taskIds : []) {
    if (isPathSafeId(taskId)) tasks[taskId] = `${baseUrl}/tasks/${taskId}`;
  }
  return { tasks };
}
