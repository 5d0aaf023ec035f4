import type { Books } from '../books.ts';
import type { Config } from '../config/config.ts';
import type { JsonObject } from '../model/json.ts';
import { queuePrefixOf } from '../model/tenant.ts';
import { openBullmqQueue } from '../queue/bullmq/bullmq-queue.ts';
import type { TaskClaims } from '../queue/bullmq/task-claims.ts';
import { InProcessQueue } from '../queue/in-process-queue.ts';
import type { Queue } from '../queue/queue.ts';
import { redact } from '../redact/redact.ts';
import type { Reader } from '../serve/reader.ts';
import { directoryId } from '../store/directory-id.ts';

const QUEUE_NAME = 'agent';

/** Interval in milliseconds at which the state of the queue is copied to `/readyz`. */
const REPORT_MS = 1_000;

/** The queue of the service, in this process or in Redis. */
export interface OpenQueue {
  readonly queue: Queue;
  /** Decides among several processes which of them makes a task; undefined when no other process has this queue. */
  readonly claims: TaskClaims | undefined;
  /** Called each time Redis is reachable again: it may have lost jobs. Never called for the in-process queue. */
  onReady(listener: () => void): void;
  close(deadlineMs: number): Promise<void>;
}

/** Uses Redis when `REDIS_URL` is set. An unreachable Redis does not fail the start: the queue uses it when it is back. */
export async function openQueue(
  config: Config,
  { books, log }: { readonly books: Books; log(line: string): void },
): Promise<OpenQueue> {
  const { redisUrl: url, concurrency, tenant } = config;
  if (url === undefined) {
    // With its home, an unfinished task is only queued again by the service of the same log directory.
    const home = config.enabled && config.store ? await directoryId(config.logDir) : undefined;
    const queue = new InProcessQueue({ name: QUEUE_NAME, concurrency, home });
    return { queue, claims: undefined, onReady: () => {}, close: (deadlineMs) => queue.close(deadlineMs) };
  }
  const prefix = queuePrefixOf(tenant);
  const queue = await openBullmqQueue({ url, name: QUEUE_NAME, concurrency, prefix, log });
  const report = (): void => books.setReason('queue', queue.problem);
  report();
  const timer = setInterval(report, REPORT_MS).unref();
  return {
    queue,
    claims: queue.claims,
    onReady: (listener) => queue.onReady(listener),
    close: async (deadlineMs) => {
      clearInterval(timer);
      await queue.close(deadlineMs);
    },
  };
}

/** How many jobs wait and run, and which is next. Counts are null while the queue cannot be asked. */
export async function readQueue(queue: Queue, reader: Pick<Reader, 'readDocument'>): Promise<JsonObject> {
  const [depth, next] = await Promise.all([queue.depth(), queue.next()]);
  return {
    name: queue.name,
    system: queue.system,
    problem: queue.problem === undefined ? null : redact(queue.problem),
    waiting: depth?.waiting ?? null,
    running: depth?.active ?? null,
    delayed: depth?.delayed ?? null,
    oldest: next === undefined ? null : { task_id: next, created_at: await createdAt(reader, next) },
  };
}

async function createdAt(reader: Pick<Reader, 'readDocument'>, taskId: string): Promise<string | null> {
  // Redis may have the job of another log directory.
  const metadata = await reader.readDocument(taskId, 'metadata').catch(() => undefined);
  return typeof metadata?.created_at === 'string' ? metadata.created_at : null;
}
