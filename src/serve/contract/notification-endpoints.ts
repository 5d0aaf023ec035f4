import { z } from 'zod';
import { NOTIFICATION_STATES, NOTIFICATION_TYPES } from '../../model/notification.ts';
import { notificationListQuery } from '../notifications.ts';
import { type Endpoint, json } from './endpoint.ts';
import { count, shape, text, textOrNull, time, timeOrNull } from './shape.ts';

const item = shape(
  'Notification',
  z.object({
    receiver: text(),
    webhook_id: text(),
    type: z.enum(NOTIFICATION_TYPES),
    task_id: textOrNull(),
    workflow_id: textOrNull(),
    state: z.enum(NOTIFICATION_STATES),
    queued_at: time(),
    attempts: count(),
    last_at: timeOrNull(),
    last_status: z.int().nullable(),
    last_failure: textOrNull(),
    next_at: timeOrNull(),
    reason: textOrNull(),
    links: shape('NotificationLinks', z.object({ task: text().optional(), workflow: text().optional() })),
  }),
);

const receiver = shape(
  'NotificationReceiver',
  z.object({
    receiver: text(),
    origin: textOrNull(),
    is_configured: z.boolean(),
    due: count(),
    delivered: count(),
    pending: count(),
    dropped: z.record(z.string(), z.number()),
    gone_at: timeOrNull(),
    trouble: textOrNull(),
  }),
);

const notificationPage = shape(
  'NotificationPage',
  z.object({ items: z.array(item), next_cursor: textOrNull() }),
);

const receiverPage = shape(
  'NotificationReceiverPage',
  z.object({ items: z.array(receiver), next_cursor: z.null() }),
);

/** Paths below `/api/notifications`, in the order of `docs/rest.md`. */
export const NOTIFICATION_ENDPOINTS: readonly Endpoint[] = [
  {
    name: 'listNotifications',
    method: 'GET',
    path: '/api/notifications',
    summary: 'List notifications',
    query: notificationListQuery,
    answer: '`{items, next_cursor}`: those that wait, and the last ones of each receiver, newest first',
    answers: { 200: json('a page of notifications', notificationPage) },
    paging: 'cursor',
  },
  {
    name: 'listNotificationReceivers',
    method: 'GET',
    path: '/api/notifications/receivers',
    summary: 'List the receivers of notifications',
    answer: 'where they are sent: counts of each receiver, and why one gets nothing now',
    answers: { 200: json('all receivers', receiverPage) },
  },
];
