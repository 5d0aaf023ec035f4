import type { Config } from '../../config/config.ts';
import { messageOf, TasktrailError } from '../../errors.ts';
import type { JsonObject } from '../../model/json.ts';
import type { NotificationPage, NotificationQuery } from '../../model/notification.ts';
import type { Notification } from '../../notify/notification.ts';
import { countsOf, pendingPart, troubleOf } from '../../notify/outbox/notification-counts.ts';
import type { OutboxState } from '../../notify/outbox/outbox-state.ts';
import { outboxNames, readOutbox } from '../../notify/outbox/read-outbox.ts';
import { createWindow, type SortKey, takePage } from '../../store/read/listing.ts';

export interface NotificationList {
  listNotifications(query: NotificationQuery): Promise<NotificationPage>;
  listReceivers(): Promise<readonly JsonObject[]>;
}

interface Item extends SortKey {
  readonly value: JsonObject;
}

/** Where the notifications of all receivers are read. */
export interface OutboxSource {
  names(): Promise<readonly string[]>;
  /** Undefined for a receiver without notifications. */
  read(receiver: string): Promise<OutboxState | undefined>;
}

/** The notifications of a log directory, whichever process sends them. */
export function outboxFiles(logDir: string): OutboxSource {
  return {
    names: () => outboxNames(logDir),
    read: async (receiver) => (await readOutbox(logDir, receiver))?.state,
  };
}

export function createNotificationList(
  source: OutboxSource,
  configured: Pick<Config, 'notify'>['notify'],
): NotificationList {
  return {
    listNotifications: async ({ receiver, state, type, limit, cursor, asked }) => {
      const isWanted = createWindow({ cursor, asked });
      const items: Item[] = [];
      for (const name of await source.names()) {
        if (receiver !== undefined && receiver !== name) continue;
        for (const one of (await read(source, name))?.all ?? []) {
          if ((state !== undefined && one.state !== state) || (type !== undefined && one.type !== type))
            continue;
          const item = { at: one.queuedAt, id: `${name} ${one.webhookId}`, value: itemOf(name, one) };
          if (isWanted(item)) items.push(item);
        }
      }
      const { page, nextCursor } = takePage(items, limit, asked);
      return { items: page.map(({ value }) => value), nextCursor };
    },
    listReceivers: async () => {
      const urls = new Map(configured.map(({ name, url }) => [name, new URL(url).origin]));
      const names = new Set([...urls.keys(), ...(await source.names())]);
      const items: JsonObject[] = [];
      for (const name of [...names].sort()) items.push(await receiverOf(source, name, urls.get(name)));
      return items;
    },
  };
}

async function read(source: OutboxSource, name: string): Promise<OutboxState | undefined> {
  try {
    return await source.read(name);
  } catch (error) {
    if (error instanceof TasktrailError && error.code === 'ERR_STORE_UNAVAILABLE') throw error;
    throw new TasktrailError(
      'ERR_STORE_UNAVAILABLE',
      `the notifications of ${name} cannot be read: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

async function receiverOf(
  source: OutboxSource,
  name: string,
  origin: string | undefined,
): Promise<JsonObject> {
  const state = await read(source, name);
  const part = state && pendingPart(state);
  const { due, delivered, pending, dropped } =
    part === undefined ? { due: 0, delivered: 0, pending: 0, dropped: {} } : countsOf(part);
  return {
    receiver: name,
    // The rest of the URL may be a secret.
    origin: origin ?? null,
    is_configured: origin !== undefined,
    ...{ due, delivered, pending, dropped },
    gone_at: state?.totals.goneAt ?? null,
    trouble: part === undefined ? null : (troubleOf(part) ?? null),
  };
}

function itemOf(receiver: string, one: Notification): JsonObject {
  const [kind, id = ''] = one.subject.split(' ', 2);
  return {
    receiver,
    webhook_id: one.webhookId,
    type: one.type,
    task_id: kind === 'task' ? id : null,
    workflow_id: kind === 'workflow' ? id : null,
    state: one.state,
    queued_at: one.queuedAt,
    attempts: one.attempts,
    last_at: one.lastAt,
    last_status: one.lastStatus,
    last_failure: one.lastFailure,
    next_at: one.nextAt,
    reason: one.reason,
  };
}
