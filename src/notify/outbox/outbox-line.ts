import { z } from 'zod';
import { SCHEMA_VERSION } from '../../model/documents.ts';
import type { JsonObject } from '../../model/json.ts';
import { NOTIFICATION_STATES, NOTIFICATION_TYPES } from '../../model/notification.ts';
import { DROP_REASONS, type DropReason, type Notification } from '../notification.ts';

const time = z.iso.datetime();
const count = z.int().nonnegative();
const text = z.string().min(1);

/** A notification as it stands, whatever was said of it before. */
const stateSchema = z.object({
  event: z.literal('notification'),
  webhook_id: text,
  type: z.enum(NOTIFICATION_TYPES),
  subject: text,
  queued_at: time,
  state: z.enum(NOTIFICATION_STATES),
  attempts: count,
  last_at: time.nullable(),
  last_status: z.int().nullable(),
  last_failure: z.string().nullable(),
  refused_since: time.nullable(),
  next_at: time.nullable(),
  reason: z.enum(DROP_REASONS).nullable(),
  payload: z.string().optional(),
});

/** The totals before the lines of the file, and whether the receiver has said that it is gone. */
const receiverSchema = z.object({
  event: z.literal('receiver'),
  at: time,
  /** What happened before is not told to it. */
  begun_at: time,
  delivered: count,
  dropped: z.partialRecord(z.enum(DROP_REASONS), count),
  /** When it answered 410, and at which address: a hash of it. */
  gone_at: time.nullable(),
  gone_url: z.string().nullable(),
});

const lineSchema = z.discriminatedUnion('event', [stateSchema, receiverSchema]);

export interface ReceiverTotals {
  begunAt: string;
  delivered: number;
  dropped: Partial<Record<DropReason, number>>;
  goneAt: string | null;
  goneUrl: string | null;
}

export type OutboxLine =
  | { readonly kind: 'notification'; readonly notification: Notification }
  | { readonly kind: 'receiver'; readonly totals: ReceiverTotals };

/** Undefined for any other line. */
export function readOutboxLine(value: JsonObject | undefined): OutboxLine | undefined {
  const parsed = lineSchema.safeParse(value);
  if (!parsed.success) return undefined;
  const line = parsed.data;
  if (line.event === 'receiver') {
    const { begun_at: begunAt, delivered, dropped, gone_at: goneAt, gone_url: goneUrl } = line;
    return { kind: 'receiver', totals: { begunAt, delivered, dropped, goneAt, goneUrl } };
  }
  return {
    kind: 'notification',
    notification: {
      webhookId: line.webhook_id,
      type: line.type,
      subject: line.subject,
      queuedAt: line.queued_at,
      state: line.state,
      attempts: line.attempts,
      lastAt: line.last_at,
      lastStatus: line.last_status,
      lastFailure: line.last_failure,
      refusedSince: line.refused_since,
      nextAt: line.next_at,
      reason: line.reason,
      ...(line.payload !== undefined && { payload: line.payload }),
    },
  };
}

/** `withPayload`: when it is not in the file yet. */
export function notificationLine(one: Notification, withPayload: boolean): string {
  return lineText({
    event: 'notification',
    webhook_id: one.webhookId,
    type: one.type,
    subject: one.subject,
    queued_at: one.queuedAt,
    state: one.state,
    attempts: one.attempts,
    last_at: one.lastAt,
    last_status: one.lastStatus,
    last_failure: one.lastFailure,
    refused_since: one.refusedSince,
    next_at: one.nextAt,
    reason: one.reason,
    payload: withPayload ? one.payload : undefined,
  });
}

export function receiverLine(totals: ReceiverTotals, at: string): string {
  const { begunAt, delivered, dropped, goneAt, goneUrl } = totals;
  const gone = { gone_at: goneAt, gone_url: goneUrl };
  return lineText({ event: 'receiver', at, begun_at: begunAt, delivered, dropped, ...gone });
}

function lineText(line: JsonObject): string {
  return `${JSON.stringify({ ...line, schema_version: SCHEMA_VERSION })}\n`;
}
