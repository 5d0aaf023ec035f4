import type { Books } from '../books.ts';
import type { Config } from '../config/config.ts';
import { openBullmqQueue } from '../queue/bullmq/bullmq-queue.ts';
import { InProcessQueue } from '../queue/in-process-queue.ts';
import type { Queue } from '../queue/queue.ts';
import { directoryId } from '../store/directory-id.ts';

const QUEUE_NAME = 'agent';

/** How often `/readyz` hears whether the queue can be used. */
const LOOK_MS = 1_000;

/** The service's queue, wherever it is. */
export interface OpenQueue {
  readonly queue: Queue;
  /** Called each time that what keeps the queue is back, and may have lost it. */
  onReady(listener: () => void): void;
  close(deadlineMs: number): Promise<void>;
}

/** In Redis when there is one, else in this process. A Redis that is away is used as soon as it is there. */
export async function openQueue(
  config: Config,
  { books, log }: { readonly books: Books; log(line: string): void },
): Promise<OpenQueue> {
  const { redisUrl: url, concurrency } = config;
  if (url === undefined) {
    // Where nothing is stored nobody finds the jobs again, least of all who stores what is recorded of them.
    const home = config.enabled && config.store ? await directoryId(config.logDir) : undefined;
    const queue = new InProcessQueue({ name: QUEUE_NAME, concurrency, home });
    return { queue, onReady: () => {}, close: (deadlineMs) => queue.close(deadlineMs) };
  }
  const queue = await openBullmqQueue({ url, name: QUEUE_NAME, concurrency, log });
  const look = (): void => books.setReason('queue', queue.problem);
  look();
  const timer = setInterval(look, LOOK_MS).unref();
  return {
    queue,
    onReady: (listener) => queue.onReady(listener),
    close: async (deadlineMs) => {
      clearInterval(timer);
      await queue.close(deadlineMs);
    },
  };
}
