import {
  type Bullmq,
  openStalledCheck,
  type QueueKeys,
  type StalledCheck,
  setAsideUnreadable,
  type UnreadableOptions,
} from './bullmq-internals.ts';
import type { RedisLink } from './redis-link.ts';
import type { WorkerFailures } from './worker-failures.ts';
import type { WorkerTimes } from './worker-times.ts';

export interface StalledJobsParts extends UnreadableOptions {
  readonly bullmq: Bullmq;
  readonly name: string;
  readonly prefix: string;
  readonly link: Pick<RedisLink, 'client' | 'readyForMs'>;
  readonly keys: QueueKeys;
  readonly times: WorkerTimes;
  readonly failures: WorkerFailures;
}

/**
 * Returns the jobs of lost workers to the queue. BullMQ's workers do this by themselves, also right after a connect, when
 * no worker could renew its locks for a while; here the check waits for `settleMs`.
 */
export class StalledJobs {
  readonly #parts: StalledJobsParts;
  readonly #stalledCheck: StalledCheck;
  readonly #timer: NodeJS.Timeout;

  constructor(parts: StalledJobsParts) {
    this.#parts = parts;
    const { bullmq, name, prefix, link, times } = parts;
    this.#stalledCheck = openStalledCheck(bullmq, name, {
      // A command fails while it has no connection. A worker's would run right after the next connect: too early.
      connection: link.client,
      prefix,
      skipVersionCheck: true,
      // The work decides how often a task may be tried.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      // Of several workers one checks per interval. A bit less than the timer's, so that a check is never just too early.
      stalledInterval: Math.round(times.stalledMs * 0.9),
    });
    this.#timer = setInterval(() => void this.#check(), times.stalledMs);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#stalledCheck.close().catch(() => {});
  }

  async #check(): Promise<void> {
    const { link, keys, times, failures } = this.#parts;
    if (link.readyForMs < times.settleMs) return;
    try {
      await setAsideUnreadable(keys, this.#parts);
      await this.#stalledCheck.moveStalledJobsToWait();
    } catch (error) {
      failures.ofCommand(error);
    }
  }
}
