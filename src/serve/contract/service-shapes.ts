import { z } from 'zod';
import { count, shape, text, textOrNull, timeOrNull } from './shape.ts';

/** RFC 9457. */
export const problem: z.ZodType = shape(
  'Problem',
  z.object({
    type: text(),
    title: text(),
    status: z.int(),
    detail: text(),
    code: text().meta({ description: 'stable: a program may decide by it' }),
    position: count().optional().meta({ description: 'of a mistake in `q`: the character, from 0' }),
  }),
);

const version = (): z.ZodType => text().optional();
const counts = (): z.ZodType => z.record(z.string(), z.number());
const texts = (): z.ZodType => z.record(z.string(), z.string());

export const health: z.ZodType = shape('Health', z.object({ status: z.literal('ok'), version: version() }));

const books = shape(
  'Books',
  z.object({
    recorded: count(),
    delivered: counts(),
    accepted: count(),
    duplicates: count(),
    dropped: counts(),
    skippedLines: count(),
    unattributed: counts(),
    unsent: counts().optional(),
    failedSyncs: count().optional(),
    threadRestarts: count().optional(),
    claimed: counts().optional(),
    left: counts().optional(),
    lost: z.record(z.string(), counts()).optional(),
    pending: counts().optional(),
    received: count().optional(),
    rejected: counts().optional(),
    passed: counts().optional(),
    notifications: z
      .record(z.string(), z.object({ due: count(), delivered: count(), pending: count(), dropped: counts() }))
      .optional(),
  }),
);

/** Of a service without a log directory. */
const storeState = shape(
  'StoreState',
  z.object({
    system: text(),
    address: text(),
    tenant: text(),
    problem: textOrNull(),
    version: textOrNull(),
    free_bytes: count().nullable(),
    is_read_only: z.boolean().nullable(),
    waiting: count().meta({ description: 'records of this process that wait in memory' }),
    index: z
      .object({ is_complete: z.boolean(), tasks: count(), waiting: count(), problem: textOrNull() })
      .nullable(),
    lease: z
      .object({
        is_held: z.boolean().meta({ description: 'by this service' }),
        holder: textOrNull(),
        since: timeOrNull(),
        problem: textOrNull(),
      })
      .nullable(),
  }),
);

const readinessFields = {
  status: z.enum(['ready', 'not_ready']),
  reasons: texts().optional(),
  notices: texts().optional(),
  books: books.optional(),
  store: storeState.optional(),
  version: version(),
};

export const readiness: z.ZodType = shape('Readiness', z.object(readinessFields));

export const healthReport: z.ZodType = shape(
  'HealthReport',
  z.object({
    ...readinessFields,
    queue: z
      .object({
        name: text(),
        system: text(),
        problem: textOrNull(),
        waiting: count().nullable(),
        running: count().nullable(),
        delayed: count().nullable(),
        oldest: z.object({ task_id: text(), created_at: textOrNull() }).nullable(),
      })
      .nullable(),
    disk: z
      .object({ path: text(), free_bytes: count(), bytes: count(), journal_bytes: count().nullable() })
      .nullable(),
  }),
);

/** The answer depends on the sender: Slack and senders of the configuration have forms of their own. */
export const webhookAnswer: z.ZodType = shape(
  'WebhookAnswer',
  z.looseObject({ status: text().optional(), task_ids: z.array(text()).optional() }),
);
