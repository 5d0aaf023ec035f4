import type { Books } from '../books.ts';
import type { Config } from '../config/config.ts';
import { openBullmqQueue } from '../queue/bullmq/bullmq-queue.ts';
import type { TaskClaims } from '../queue/bullmq/task-claims.ts';
import { InProcessQueue } from '../queue/in-process-queue.ts';
import type { Queue } from '../queue/queue.ts';
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
  const { redisUrl: url, concurrency } = config;
  if (url === undefined) {
    // With its home, an unfinished task is only queued again by the service of the same log directory.
    const home = config.enabled && config.store ? await directoryId(config.logDir) : undefined;
    const queue = new InProcessQueue({ name: QUEUE_NAME, concurrency, home });
    return { queue, claims: undefined, onReady: () => {}, close: (deadlineMs) => queue.close(deadlineMs) };
  }
  const queue = await openBullmqQueue({ url, name: QUEUE_NAME, concurrency, log });
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
