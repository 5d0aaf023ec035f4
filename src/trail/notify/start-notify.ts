import { setTimeout as delay } from 'node:timers/promises';
import type { Books } from '../../books.ts';
import type { Config } from '../../config/config.ts';
import { messageOf } from '../../errors.ts';
import type { StoredWorkflow } from '../../model/workflow.ts';
import { Notifier } from '../../notify/notifier.ts';
import { fileStorage } from '../../notify/outbox/file-storage.ts';
import { isToldBeforeItsEnd, workflowCandidate } from '../../notify/told-records.ts';
import { directoryId } from '../../store/directory-id.ts';
import { createTaskSource } from '../../store/read/task-source.ts';
import type { StoreObserver } from '../../store/write/observer.ts';
import { createNotifySource } from './notify-source.ts';
import { receiversOf } from './receivers.ts';

/** Milliseconds at shutdown to send what has just ended. A filter may be reading a large file, and a receiver be slow. */
const CLOSE_MS = 1_000;

/** The same, with the end of requests and the last sync. */
const CLOSE_MS_MAX = 2_000;

export interface NotifyingOptions {
  readonly config: Config;
  readonly books: Books;
  isHeld(): boolean;
  readWorkflow(workflowId: string): Promise<StoredWorkflow | undefined>;
  log(line: string): void;
}

export interface Notifying {
  /** Learns what the store writes. */
  readonly observer: StoreObserver;
  /** To be called when the files of an earlier process are recovered. */
  recovered(): void;
  close(): Promise<void>;
}

/** Starts the notifications of the holder, before its store writes. Undefined without receivers. Never rejects. */
export async function startNotifying(options: NotifyingOptions): Promise<Notifying | undefined> {
  const { config, books, isHeld, readWorkflow, log } = options;
  if (config.notify.length === 0) return undefined;
  const { logDir, workflowDir, traceUrls } = config;
  try {
    const notifier = new Notifier({
      ...{ traceUrls, log },
      storage: fileStorage(logDir, { isHeld }),
      directory: await directoryId(logDir),
      receivers: receiversOf(config, createTaskSource(logDir, workflowDir)),
      source: createNotifySource({ logDir, workflowDir, readWorkflow }),
      onCounts: (receiver, counts) => books.setNotifications(receiver, counts),
      onTrouble: (receiver, trouble) => books.setNotice(`notifications to ${receiver}`, trouble),
    });
    await notifier.open();
    return {
      observer: observerOf(notifier),
      recovered: () => notifier.scan(),
      close: () => closeNotifier(notifier),
    };
  } catch (error) {
    books.setNotice('notifications', `none are sent: ${messageOf(error)}`);
    return undefined;
  }
}

/** Sends what has just ended, within a bounded time. */
export async function closeNotifier(notifier: Notifier): Promise<void> {
  const waiting = new AbortController();
  const late = delay(CLOSE_MS_MAX, undefined, { signal: waiting.signal }).catch(() => {});
  await Promise.race([notifier.close(CLOSE_MS), late]);
  waiting.abort();
}

function observerOf(notifier: Notifier): StoreObserver {
  return {
    taskEnded: ({ metadata }) => {
      const { task_id: id, status, attempt, completed_at } = metadata;
      notifier.note({ kind: 'task', id, ended: { status, attempt, completed_at } });
    },
    metadataStored: (id, metadata) => {
      if (isToldBeforeItsEnd(metadata)) notifier.note({ kind: 'task', id });
    },
    eventStored: (envelope) => {
      const { event_type, workflow_id, event_id, attempt, timestamp, payload } = envelope;
      const candidate = workflowCandidate({
        ...{ event_type, workflow_id, event_id, attempt, timestamp, payload },
      });
      if (candidate !== undefined) notifier.note(candidate);
    },
  };
}

/** One observer for several. */
export function observersTogether(...observers: readonly (StoreObserver | undefined)[]): StoreObserver {
  const told = observers.filter((one) => one !== undefined);
  return {
    taskEnded: (end) => each(told, (one) => one.taskEnded?.(end)),
    workflowEnded: (end) => each(told, (one) => one.workflowEnded?.(end)),
    approvalsWait: (id, count) => each(told, (one) => one.approvalsWait?.(id, count)),
    deliveryStored: (line) => each(told, (one) => one.deliveryStored?.(line)),
    metadataStored: (id, metadata) => each(told, (one) => one.metadataStored?.(id, metadata)),
    eventStored: (envelope) => each(told, (one) => one.eventStored?.(envelope)),
    taskChanged: (id) => each(told, (one) => one.taskChanged?.(id)),
  };
}

function each(observers: readonly StoreObserver[], tell: (one: StoreObserver) => void): void {
  for (const one of observers) {
    try {
      tell(one);
    } catch {
      // A defect of one observer, of any kind, which the store ignores too: the others still get it.
    }
  }
}
