import type { Books } from '../../../books.ts';
import type { Config } from '../../../config/config.ts';
import { TasktrailError } from '../../../errors.ts';
import { sha256 } from '../../../model/sha256.ts';
import { keyPrefixOf, type Tenant } from '../../../model/tenant.ts';
import { RedisLink } from '../../../queue/bullmq/redis-link.ts';
import type { Sink } from '../../../receive/sink.ts';
import { loadOptional } from '../../../system/optional-package.ts';
import { createNotificationList, type NotificationList } from '../../../trail/notify/notification-list.ts';
import { checkFilters } from '../../../trail/notify/receivers.ts';
import { resourceOf, sourceOf } from '../../../trail/resource.ts';
import type { VictoriaLogs } from '../../../warehouse/client.ts';
import { readStoreAddress } from '../../../warehouse/store-address.ts';
import type { ServiceMetrics } from '../../service-metrics.ts';
import { HeartbeatBoard } from './heartbeat-board.ts';
import { type HeldWork, startHeldWork } from './held-work.ts';
import { LeaseRecords } from './lease-records.ts';
import { RedisLease, type Term } from './redis-lease.ts';
import { RedisOutboxes } from './redis-outboxes.ts';

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
  log(line: string): void;
}

/** What is done once for all services that share a store: by the service that holds the lease. */
export interface OnceOnly {
  /** Learns of heartbeats: they are not stored. Returns at once. */
  onHeartbeats(taskIds: readonly string[]): void;
  /** Lists of notifications; none without Redis. */
  readonly lists: Partial<NotificationList>;
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
  return { onHeartbeats: () => {}, lists: {}, start: (sink) => sink, close: async () => {} };
}

async function openLease(parts: OnceOnlyParts, url: string): Promise<OnceOnly> {
  const { config, logs, books, metrics, log } = parts;
  const ioredis = await loadOptional('ioredis', () => import('ioredis'), 'REDIS_URL');
  const link = new RedisLink(ioredis, { url, log });
  const tenant = tenantOf(config.storeUrl);
  // Not the address: two names of one store must not have two holders.
  const prefix = `${keyPrefixOf(tenant)}:`;
  const board = new HeartbeatBoard({ link, prefix });
  const outboxes = new RedisOutboxes({ link, prefix });
  let lease: RedisLease | undefined;
  let report: NodeJS.Timeout | undefined;
  const changes = new TermWork();
  return {
    onHeartbeats: (taskIds) => board.note(taskIds),
    lists: createNotificationList(outboxes, config.notify),
    start: (sink) => {
      const resource = resourceOf(config);
      const records = new LeaseRecords({ sink, resource, source: sourceOf(resource), log });
      const work = (term: Term): HeldWork =>
        startHeldWork(term, {
          ...{ config, logs, books, board, records, link, prefix, log },
          outboxes,
          directory: sha256(`${config.key ?? ''} ${tenant.account}:${tenant.project}`),
        });
      const started = new RedisLease({
        ...{ link, prefix, store: `${logs.name}/${tenant.account}:${tenant.project}` },
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

function tenantOf(storeUrl: string): Tenant {
  const { AccountID: account = '0', ProjectID: project = '0' } = readStoreAddress(storeUrl).headers;
  return { account, project };
}
