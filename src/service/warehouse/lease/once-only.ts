import type { Books } from '../../../books.ts';
import type { Config } from '../../../config/config.ts';
import { TasktrailError } from '../../../errors.ts';
import type { BatchEntry } from '../../../journal/segment-reader.ts';
import type { JsonObject } from '../../../model/json.ts';
import { sha256 } from '../../../model/sha256.ts';
import { keyPrefixOf } from '../../../model/tenant.ts';
import { RedisLink } from '../../../queue/bullmq/redis-link.ts';
import type { Queue } from '../../../queue/queue.ts';
import type { Sink } from '../../../receive/sink.ts';
import { loadOptional } from '../../../system/optional-package.ts';
import type { OpenTasks } from '../../../trail/metrics/open-tasks.ts';
import type { TrailMetrics } from '../../../trail/metrics/trail-metrics.ts';
import { createNotificationList, type NotificationList } from '../../../trail/notify/notification-list.ts';
import { checkFilters } from '../../../trail/notify/receivers.ts';
import { resourceOf, sourceOf } from '../../../trail/resource.ts';
import type { VictoriaLogs } from '../../../warehouse/client.ts';
import type { SharedState } from '../../../warehouse/read/shared-state.ts';
import { readStoreAddress } from '../../../warehouse/store-address.ts';
import type { ServiceMetrics } from '../../service-metrics.ts';
import type { Forwarding } from '../forwarding.ts';
import { countStored } from '../row-journal.ts';
import { HeartbeatBoard } from './heartbeat-board.ts';
import { type HeldWork, startHeldWork } from './held-work.ts';
import { LeaseRecords } from './lease-records.ts';
import { RedisLease, type Term } from './redis-lease.ts';
import { RedisOutboxes } from './redis-outboxes.ts';
import { readUploadMark } from './row-uploads.ts';
import { StartingTasks } from './starting-tasks.ts';

/** Part of `/readyz`. A notice: what is sent is stored all the same. */
const PART = 'the lease in Redis';

/** Interval at which the state of the lease is copied to `/readyz`. */
const REPORT_MS = 1_000;

const WAITS =
  'no service ends silent tasks, completes lost spans, sends notifications or uploads to S3 until it can';

export interface OnceOnlyParts {
  readonly config: Config & { readonly storeUrl: string };
  readonly logs: VictoriaLogs;
  readonly books: Books;
  readonly metrics: Pick<ServiceMetrics, 'watchLease'>;
  /** Counts the ends of tasks and workflows while this service holds the lease. */
  readonly trailMetrics: TrailMetrics;
  readonly forwarding: Pick<Forwarding, 'add'>;
  log(line: string): void;
}

/** What is done once for all services that share a store: by the service that holds the lease. */
export interface OnceOnly {
  /** Learns of heartbeats: they are not stored. Returns at once. */
  onHeartbeats(taskIds: readonly string[]): void;
  /** Lists of notifications; none without Redis. */
  readonly lists: Partial<NotificationList>;
  /** Notes of tasks that services start; undefined without Redis. */
  readonly starting: StartingTasks | undefined;
  /** The queue that was opened. It says which tasks have been queued. */
  setQueue(queue: Pick<Queue, 'knows'>): void;
  /** Whether this service holds the lease, and who does; null without Redis. */
  readonly lease: JsonObject | null;
  /** What Redis knows; undefined without it. */
  readonly shared: SharedState | undefined;
  /** Starts, and returns the sink that the receiver is to use. */
  start(sink: Sink): Sink;
  /** Ends what is being done, and gives the lease back. */
  close(): Promise<void>;
}

/** Does nothing without `REDIS_URL`. Throws `ERR_NOT_CONFIGURED` without the packages that Redis needs. */
export async function openOnceOnly(parts: OnceOnlyParts): Promise<OnceOnly> {
  const { config, log } = parts;
  checkFilters(config);
  if (config.redisUrl !== undefined) return openLease(parts, config.redisUrl);
  if (config.notify.length > 0) log('notify: no notifications are sent without REDIS_URL');
  if (config.s3 !== undefined) log('TASK_LOGS_S3_BUCKET: nothing is uploaded without REDIS_URL');
  return {
    onHeartbeats: () => {},
    lists: {},
    starting: undefined,
    setQueue: () => {},
    lease: null,
    shared: undefined,
    start: (sink) => sink,
    close: async () => {},
  };
}

async function openLease(parts: OnceOnlyParts, url: string): Promise<OnceOnly> {
  const { config, logs, books, metrics, trailMetrics, forwarding, log } = parts;
  const ioredis = await loadOptional('ioredis', () => import('ioredis'), 'REDIS_URL');
  const link = new RedisLink(ioredis, { url, log });
  const { tenant, prefix } = placeOfLease(config.storeUrl);
  const board = new HeartbeatBoard({ link, prefix });
  const outboxes = new RedisOutboxes({ link, prefix });
  const starting = new StartingTasks({ link, prefix });
  let queue: Pick<Queue, 'knows'> | undefined;
  let lease: RedisLease | undefined;
  let report: NodeJS.Timeout | undefined;
  const changes = new TermWork();
  return {
    onHeartbeats: (taskIds) => board.note(taskIds),
    lists: createNotificationList(outboxes, config.notify),
    starting,
    setQueue: (opened) => {
      queue = opened;
    },
    shared: {
      heartbeatAgeMs: (taskId) => board.ageMs(taskId),
      // As over files: without a bucket nothing is to be uploaded.
      uploadOf: async (workflowId) =>
        config.s3 === undefined ? undefined : readUploadMark({ link, prefix }, workflowId),
    },
    get lease() {
      const { holder, term, problem } = lease ?? {};
      return {
        is_held: term !== undefined,
        holder: holder?.by ?? null,
        since: holder?.since ?? null,
        problem: problem ?? null,
      };
    },
    start: (sink) => {
      const resource = resourceOf(config);
      const onStored = (entries: readonly BatchEntry[], rejected: number): void => {
        books.countRecorded(entries.length);
        countStored(books, entries.length, rejected);
        forwarding.add(entries);
      };
      const records = new LeaseRecords({ sink, resource, source: sourceOf(resource), onStored, log });
      const work = (term: Term): HeldWork =>
        startHeldWork(term, {
          ...{ config, logs, books, board, records, metrics: trailMetrics, link, prefix, log },
          ...{ outboxes, starting, queue: () => queue },
          directory: sha256(`${config.key ?? ''} ${tenant}`),
        });
      const started = new RedisLease({
        ...{ link, prefix, store: `${logs.name}/${tenant}` },
        onTaken: (term) => {
          log(`holds the lease in Redis, number ${term.number}`);
          changes.begin(() => work(term));
        },
        onLost: (term) => {
          log(`holds the lease in Redis no more, number ${term.number}`);
          changes.end();
        },
      });
      lease = started;
      metrics.watchLease(() => started.term !== undefined);
      trailMetrics.handOver();
      trailMetrics.watchStore(async () => (started.term === undefined ? undefined : changes.openTasks()));
      const say = (): void => books.setNotice(PART, started.problem && `${started.problem}; ${WAITS}`);
      report = setInterval(say, REPORT_MS).unref();
      started.start();
      return withTrouble(sink, () => board.noteTrouble());
    },
    close: async () => {
      clearInterval(report);
      await changes.close();
      await lease?.close();
      board.close();
      link.close();
    },
  };
}

/** The work of one term begins when that of the term before has ended. */
class TermWork {
  #current: HeldWork | undefined;
  #tail: Promise<void> = Promise.resolve();
  #isClosed = false;

  openTasks(): OpenTasks | undefined {
    return this.#current?.openTasks();
  }

  begin(start: () => HeldWork): void {
    this.#then(async () => {
      if (!this.#isClosed) this.#current = start();
    });
  }

  end(): void {
    this.#then(async () => {
      const work = this.#current;
      this.#current = undefined;
      await work?.close();
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.end();
    await this.#tail;
  }

  #then(step: () => Promise<void>): void {
    this.#tail = this.#tail.then(step).catch(() => {});
  }
}

/** Senders keep their order: while one cannot send, its heartbeats wait behind what the store did not take. */
function withTrouble(sink: Sink, onTrouble: () => void): Sink {
  return {
    ingest: async (batch, sender) => {
      try {
        return await sink.ingest(batch, sender);
      } catch (error) {
        if (error instanceof TasktrailError && error.retryable) onTrouble();
        throw error;
      }
    },
  };
}

/** `tenant`: `<account>:<project>`. `prefix`: of all keys in Redis. */
export function placeOfLease(storeUrl: string): { readonly tenant: string; readonly prefix: string } {
  const { AccountID: account = '0', ProjectID: project = '0' } = readStoreAddress(storeUrl).headers;
  // Not the address: two names of one store must not have two holders.
  return { tenant: `${account}:${project}`, prefix: `${keyPrefixOf({ account, project })}:` };
}
