import { z } from 'zod';
import { TasktrailError } from '../errors.ts';
import { isPathSafeId, isWorkflowId } from '../model/ids.ts';
import type { JsonObject } from '../model/json.ts';
import { NOTIFICATION_STATES, NOTIFICATION_TYPES, type NotificationQuery } from '../model/notification.ts';
import { sendJson } from './json-response.ts';
import { askedOf, checkNoQuery, filter, limit, readQuery } from './query.ts';
import type { Reader } from './reader.ts';
import type { Answer, Methods } from './routes.ts';

export const notificationListQuery: z.ZodType<NotificationQuery> = z.strictObject({
  receiver: filter,
  state: z
    .enum(NOTIFICATION_STATES, { error: `must be one of ${NOTIFICATION_STATES.join(', ')}` })
    .optional(),
  type: z.enum(NOTIFICATION_TYPES, { error: `must be one of ${NOTIFICATION_TYPES.join(', ')}` }).optional(),
  limit: limit(50, 500),
  cursor: filter,
});

/** `/notifications`: those that wait, and the last ones of each receiver. `/notifications/receivers`: where they are sent. */
export function notificationRoutes(reader: Reader): Readonly<Record<string, Methods>> {
  return {
    '/notifications': { GET: listNotifications(reader) },
    '/notifications/receivers': { GET: listReceivers(reader) },
  };
}

function listNotifications(reader: Reader): Answer {
  return async (req, res) => {
    const url = req.url ?? '';
    const query = { ...readQuery(url, notificationListQuery), asked: askedOf(url) };
    if (reader.listNotifications === undefined) throw notConfigured();
    const { items, nextCursor } = await reader.listNotifications(query);
    const shown = items.map((item) => ({ ...item, links: linksOf(req.baseUrl, item) }));
    sendJson(res, { status: 200, value: { items: shown, next_cursor: nextCursor } });
  };
}

function listReceivers(reader: Reader): Answer {
  return async (req, res) => {
    checkNoQuery(req);
    if (reader.listReceivers === undefined) throw notConfigured();
    sendJson(res, { status: 200, value: { items: await reader.listReceivers(), next_cursor: null } });
  };
}

function linksOf(baseUrl: string, { task_id: taskId, workflow_id: workflowId }: JsonObject): JsonObject {
  return {
    ...(isPathSafeId(taskId) && { task: `${baseUrl}/tasks/${taskId}` }),
    ...(isWorkflowId(workflowId) && { workflow: `${baseUrl}/workflows/${workflowId}` }),
  };
}

function notConfigured(): TasktrailError {
  return new TasktrailError('ERR_NOT_CONFIGURED', 'the reader of this server has no notifications');
}
