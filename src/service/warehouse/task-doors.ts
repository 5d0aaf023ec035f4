import { setTimeout as delay } from 'node:timers/promises';
import type { RequestHandler } from 'express';
import type { Books } from '../../books.ts';
import type { Config } from '../../config/config.ts';
import { TasktrailError } from '../../errors.ts';
import { OtelRecorder } from '../../export/otel-recorder.ts';
import type { DeliveryQuery } from '../../model/delivery.ts';
import type { DeliveryLine } from '../../model/documents.ts';
import type { JsonObject } from '../../model/json.ts';
import { setRecorder } from '../../record/recorder.ts';
import type { Intake } from '../../serve/intake.ts';
import { sendProblem } from '../../serve/problem.ts';
import type { Reader } from '../../serve/reader.ts';
import { closeAll } from '../../system/closers.ts';
import { errorLog } from '../../system/warning.ts';
import { resourceOf } from '../../trail/resource.ts';
import { VictoriaLogs } from '../../warehouse/client.ts';
import { RowSink } from '../../warehouse/write/row-sink.ts';
import type { DeliveryLedger } from '../../webhooks/repeats/ledger.ts';
import { createProofs } from '../../webhooks/repeats/proofs.ts';
import { readRecordedStages } from '../../webhooks/repeats/recorded-stages.ts';
import { checkAgents } from '../commands.ts';
import { openQueue, readQueue } from '../open-queue.ts';
import type { ServiceMetrics } from '../service-metrics.ts';
import { TaskIntake } from '../task-intake.ts';
import { createWebhooks } from '../webhooks/create-webhooks.ts';
import { createWebhookClaims } from '../webhooks/webhook-claims.ts';
import { checkWebhooks } from '../webhooks/webhook-senders.ts';
import type { Forwarding } from './forwarding.ts';
import type { OnceOnly } from './lease/once-only.ts';
import { RowJournal } from './row-journal.ts';

/**
 * Milliseconds in which VictoriaLogs must take the facts of a delivery. With an acknowledgement and a push (2 s each) this ends before
 * other services take the delivery for that of a lost one (10 s).
 */
const STORE_MS = 3_000;

/** Milliseconds for a look at one task. */
const LOOK_MS = 2_000;

/** Milliseconds at shutdown, for records and then for the queue. */
const RECORDS_MS = 3_000;
const QUEUE_MS = 1_000;

/** What makes and ends tasks in a service without a disk. */
export interface TaskDoors {
  /** Below `/webhooks`. */
  readonly webhooks: RequestHandler;
  readonly intake: Intake;
  /** As `ReadingParts.readState`: there is no disk, and without Redis no queue. */
  readState(): Promise<JsonObject>;
  /** Stores the records that wait. Never rejects. */
  close(): Promise<void>;
}

export interface TaskDoorsParts {
  readonly config: Config;
  readonly storeUrl: string;
  readonly books: Books;
  readonly reader: Reader;
  readonly metrics: ServiceMetrics;
  readonly once: Pick<OnceOnly, 'starting' | 'setQueue'>;
  readonly forwarding: Forwarding;
  /** As that of `RowSink`. */
  onDelivery(line: DeliveryLine): void;
  log(line: string): void;
}

/**
 * Webhooks, `POST /api/tasks` and cancelling over the queue in Redis, which also decides which service makes the task of a delivery.
 * Without `REDIS_URL` all of them answer `ERR_NOT_CONFIGURED`. Throws `ERR_CONFIG_INVALID` as `startService` does.
 */
export async function openTaskDoors(parts: TaskDoorsParts): Promise<TaskDoors> {
  const { config, books, reader, metrics, once, log } = parts;
  if (config.redisUrl === undefined) return CLOSED;
  checkAgents(config);
  checkWebhooks(config);
  const opened = await openQueue(config, { books, log });
  const { queue, claims } = opened;
  metrics.watchQueue(queue);
  once.setQueue(queue);
  const recording = config.enabled ? startRecording(parts) : undefined;
  const onError = errorLog(log);
  const hasTask =
    recording === undefined ? async () => true : inTime((taskId: string) => reader.hasTask(taskId));
  // Without records nothing says that a task was not queued.
  const starting = recording === undefined ? undefined : once.starting;
  const intake = new TaskIntake({ config, queue, reader, hasTask, starting });
  const proofs = config.key === undefined ? undefined : createProofs(config.key);
  const known = {
    readDocument: inTime((taskId: string) => reader.readDocument(taskId, 'metadata')),
    listDeliveries: inTime((query: DeliveryQuery) => reader.listDeliveries(query)),
  };
  const webhooks = createWebhooks({
    ...{ config, intake, onError, ledger: ledgerOf(reader, onError) },
    proofs: proofs && (async () => proofs),
    claims: claims && createWebhookClaims({ claims, keepsIds: true, reader: known, starting }),
  });
  return {
    webhooks,
    intake,
    readState: async () => ({ queue: await readQueue(queue, reader), disk: null }),
    close: () =>
      closeAll(
        [async () => webhooks.close(), async () => recording?.close(), () => opened.close(QUEUE_MS)],
        log,
      ),
  };
}

/** The records of this process, as those of the trail. */
function startRecording({ config, storeUrl, books, forwarding, onDelivery, log }: TaskDoorsParts): {
  close(): Promise<void>;
} {
  const logs = new VictoriaLogs(storeUrl, { insertMs: STORE_MS });
  const sink = new RowSink({ logs, books, onDelivery, log });
  const journal = new RowJournal({ sink, books, forwarding });
  const recorder = new OtelRecorder({ resource: resourceOf(config), journal });
  recorder.install();
  setRecorder(recorder);
  return {
    close: async () => {
      await journal.close(RECORDS_MS);
      setRecorder(undefined);
      recorder.uninstall();
    },
  };
}

/** Deliveries are remembered in Redis. VictoriaLogs knows what a lost service has recorded of their tasks. */
function ledgerOf(reader: Reader, onError: (error: unknown) => void): DeliveryLedger {
  return {
    find: async () => undefined,
    readStages: (taskId) =>
      readRecordedStages(taskId, (id, flow, query) => reader.openWindow(id, flow, query), onError),
  };
}

/** VictoriaLogs may hang for longer than a sender waits. */
function inTime<Asked, T>(look: (asked: Asked) => Promise<T>): (asked: Asked) => Promise<T> {
  return async (asked) => {
    const timer = new AbortController();
    const late = delay(LOOK_MS, undefined, { ref: false, signal: timer.signal }).then(() => {
      throw new TasktrailError('ERR_STORE_UNAVAILABLE', 'VictoriaLogs does not answer in time', {
        retryable: true,
      });
    });
    try {
      return await Promise.race([look(asked), late]);
    } finally {
      timer.abort();
      late.catch(() => {});
    }
  };
}

const notConfigured = (what: string): TasktrailError =>
  new TasktrailError(
    'ERR_NOT_CONFIGURED',
    `this service ${what}: it has no queue. Set REDIS_URL to the Redis that its workers have`,
  );

const CLOSED: TaskDoors = {
  webhooks: (_req, res) => sendProblem(res, notConfigured('takes no webhooks')),
  intake: {
    submit: async () => Promise.reject(notConfigured('accepts no tasks')),
    cancel: async () => Promise.reject(notConfigured('cancels no tasks')),
  },
  readState: async () => ({ queue: null, disk: null }),
  close: async () => {},
};
