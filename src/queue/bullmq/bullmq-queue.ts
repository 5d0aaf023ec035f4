import type { Queue as StoredQueue } from 'bullmq';
import type { Redis } from 'ioredis';
import { TasktrailError } from '../../errors.ts';
import { queuePrefixOf } from '../../model/tenant.ts';
import { loadOptional } from '../../system/optional-package.ts';
import { warn } from '../../system/warning.ts';
import { BULLMQ_SYSTEM } from '../bullmq-task.ts';
import type { QueueDepth } from '../depth.ts';
import type { Cancellation, Job, JobWork, Queue } from '../queue.ts';
import type { Refusal } from '../redis-refusal.ts';
import { queueUnavailable } from '../unavailable.ts';
import { isAccepted } from './acceptance.ts';
import type { Bullmq, QueueKeys } from './bullmq-internals.ts';
import { isOpenState, jobIdOf, taskIdOf } from './bullmq-job.ts';
import { BullmqWorker } from './bullmq-worker.ts';
import { FlushDetector } from './flush-detector.ts';
import { clearCancelled, markCancelled, readMarks } from './job-marks.ts';
import { JobPushes } from './job-pushes.ts';
import { PATIENT, RedisLink } from './redis-link.ts';
import { RedisProbe } from './redis-probe.ts';
import { TaskClaims } from './task-claims.ts';
import { WORKER_TIMES, type WorkerTimes } from './worker-times.ts';

/** Finished jobs are only for people who look into Redis. A job may hold a megabyte: they must not fill it. */
const KEPT = { count: 100, age: 86_400 };

/** Length of BullMQ's event stream, which dashboards read. An event has a few hundred bytes. */
const EVENTS_MAX = 1_000;

/** The start waits that long for Redis, and then goes on without. */
const FIRST_CONNECT_MS = 1_000;

/** tasktrail's own jobs are in `waiting` before they run; other producers may use a priority or a delay. */
const COUNTED = ['waiting', 'prioritized', 'active', 'delayed'] as const;

export interface BullmqQueueOptions {
  /** `redis://` or `rediss://`, with user, password and database as needed. */
  readonly url: string;
  readonly name: string;
  /** Jobs that run at the same time in this process. */
  readonly concurrency: number;
  /** In front of every key. Default: that of a queue without a tenant. */
  readonly prefix?: string;
  readonly times?: WorkerTimes;
  /** Receives defects and refusals of Redis; a lost connection is a line in the log. Default: a process warning. */
  readonly onError?: (error: unknown) => void;
  readonly log?: (line: string) => void;
}

export interface RedisQueue extends Queue {
  /** Decides among all processes of this Redis which of them makes a task. */
  readonly claims: TaskClaims;
  /**
   * Calls the listener each time that Redis can be used again, for the first time, or after it was emptied: push again
   * every queued job that `knows` denies.
   */
  onReady(listener: () => void): void;
}

/**
 * Opens the queue. Redis may be away or refuse writes: the queue is used as soon as Redis is there. Throws
 * `ERR_CONFIG_INVALID` when the user of the URL lacks a right, naming it.
 */
export async function openBullmqQueue(options: BullmqQueueOptions): Promise<RedisQueue> {
  const bullmq = await loadOptional('bullmq', () => import('bullmq'), 'REDIS_URL');
  const ioredis = await loadOptional('ioredis', () => import('ioredis'), 'REDIS_URL');
  const link = new RedisLink(ioredis, { url: options.url, log: options.log ?? (() => {}) });
  if (!(await link.isReady(FIRST_CONNECT_MS))) link.reportAbsence();
  const connect = (): Redis => new ioredis.Redis(options.url, PATIENT);
  const queue = new BullmqQueue({ bullmq, link, connect, options });
  const refusal = link.problem === undefined ? await queue.findMissingRight() : undefined;
  if (refusal === undefined) {
    await queue.probe();
    return queue;
  }
  await queue.close(0);
  // Only a person gives a right, and until then no task would run.
  throw new TasktrailError(
    'ERR_CONFIG_INVALID',
    `REDIS_URL ${link.place}: ${refusal.what}; ${refusal.advice}`,
  );
}

interface Parts {
  readonly bullmq: Bullmq;
  readonly link: RedisLink;
  readonly connect: () => Redis;
  readonly options: BullmqQueueOptions;
}

class BullmqQueue implements RedisQueue {
  readonly name: string;
  readonly system = BULLMQ_SYSTEM;
  /** Every process that uses the same Redis has the same jobs. */
  readonly home = undefined;
  readonly claims: TaskClaims;
  readonly #parts: Parts;
  readonly #prefix: string;
  readonly #queue: StoredQueue;
  readonly #keys: QueueKeys;
  readonly #pushes: JobPushes;
  readonly #listeners: (() => void)[] = [];
  readonly #probe: RedisProbe;
  #flushes: FlushDetector | undefined;
  #worker: BullmqWorker | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { bullmq, link, options } = parts;
    this.name = options.name;
    this.#prefix = options.prefix ?? queuePrefixOf(undefined);
    const queue = new bullmq.Queue(options.name, {
      connection: link.client,
      prefix: this.#prefix,
      // BullMQ reads the version once. A timeout of that command would leave a queue that never works.
      skipVersionCheck: true,
      streams: { events: { maxLen: EVENTS_MAX } },
      defaultJobOptions: { attempts: 1, removeOnComplete: KEPT, removeOnFail: KEPT },
    });
    // Each command's caller receives its failure.
    queue.on('error', () => {});
    this.#queue = queue;
    this.#keys = { client: link.client, toKey: queue.toKey };
    this.#probe = new RedisProbe({ link, toKey: queue.toKey.bind(queue) });
    const ask = <T>(question: () => Promise<T>): Promise<T> => this.#ask(question);
    this.#pushes = new JobPushes({ queue, link, keys: this.#keys, ask });
    this.claims = new TaskClaims({ keys: this.#keys, ask, knows: (taskId) => this.knows(taskId) });
  }

  findMissingRight(): Promise<Refusal | undefined> {
    return this.#probe.findMissingRight();
  }

  /** Finds out what Redis refuses at the moment: see `problem`. */
  async probe(): Promise<void> {
    if (this.#parts.link.problem === undefined) await this.#probe.run();
  }

  get problem(): string | undefined {
    return this.#parts.link.problem;
  }

  onReady(listener: () => void): void {
    if (this.#closing !== undefined) return;
    const { link } = this.#parts;
    this.#listeners.push(listener);
    link.onReady(listener);
    const onFlush = (): void => {
      for (const call of this.#listeners) call();
    };
    this.#flushes ??= new FlushDetector({ link, toKey: this.#keys.toKey, onFlush });
  }

  push(job: Job): Promise<void> {
    return this.#pushes.push(job);
  }

  async has(taskId: string): Promise<boolean> {
    return isOpenState(await this.#stateOf(taskId));
  }

  async knows(taskId: string): Promise<boolean> {
    if ((await this.#stateOf(taskId)) !== 'unknown') return true;
    return (await this.#ask(() => readMarks(this.#keys, jobIdOf(taskId)))).isOver;
  }

  async depth(): Promise<QueueDepth | undefined> {
    // Without a connection `#ask` would wait for one.
    if (this.problem !== undefined) return undefined;
    try {
      const counts = await this.#ask(() => this.#queue.getJobCounts(...COUNTED));
      // `paused`: BullMQ 5 counts the jobs of a paused queue apart.
      const { waiting = 0, paused = 0, prioritized = 0, active = 0, delayed = 0 } = counts;
      return { waiting: waiting + paused + prioritized, active, delayed };
    } catch {
      // ERR_QUEUE_UNAVAILABLE: the connection was lost just now, or the queue is closed.
      return undefined;
    }
  }

  async next(): Promise<string | undefined> {
    if (this.problem !== undefined) return undefined;
    try {
      const [job] = await this.#ask(() => this.#queue.getJobs(['waiting'], 0, 0, true));
      return taskIdOf(job?.id);
    } catch {
      // As in `depth`.
      return undefined;
    }
  }

  async cancel(taskId: string): Promise<Cancellation> {
    const id = jobIdOf(taskId);
    this.#pushes.forget(id);
    if (this.#worker?.cancel(id)) return 'aborted';
    return this.#ask(async () => {
      const state = await this.#queue.getJobState(id);
      if (!isOpenState(state)) {
        // A job that was lost with Redis's data may still run in a worker.
        if (state === 'unknown') await markCancelled(this.#keys, id, { isLost: true });
        return 'unknown';
      }
      // Before the removal: a worker that takes the job in between finds the mark.
      await markCancelled(this.#keys, id);
      // BullMQ does not remove a job that a worker holds.
      const removed = await this.#queue.remove(id);
      if (removed === 1) {
        await clearCancelled(this.#keys, id);
        return 'removed';
      }
      return isOpenState(await this.#queue.getJobState(id)) ? 'aborted' : 'unknown';
    });
  }

  start(work: JobWork): void {
    if (this.#worker !== undefined || this.#closing !== undefined) return;
    const { bullmq, link, connect, options } = this.#parts;
    const connection = connect();
    // The link's connection has the same errors, and logs them once.
    connection.on('error', () => {});
    this.#worker = new BullmqWorker({
      bullmq,
      queue: this.#queue,
      link,
      keys: this.#keys,
      connection,
      prefix: this.#prefix,
      concurrency: options.concurrency,
      times: options.times ?? WORKER_TIMES,
      work,
      isWanted: (id) => this.#pushes.isWanted(id),
      onError: options.onError ?? warn,
      log: options.log ?? (() => {}),
    });
  }

  close(deadlineMs: number): Promise<void> {
    this.#closing ??= this.#close(deadlineMs);
    return this.#closing;
  }

  async #close(deadlineMs: number): Promise<void> {
    this.#pushes.close();
    this.claims.close();
    this.#flushes?.close();
    this.#probe.close();
    await this.#worker?.close(deadlineMs);
    this.#parts.link.close();
    await this.#queue.close().catch(() => {});
  }

  async #stateOf(taskId: string): Promise<string> {
    const id = jobIdOf(taskId);
    if (this.#worker?.isRunning(id)) return 'active';
    if (this.#pushes.isUnconfirmed(id)) return 'unknown';
    return this.#ask(async () => {
      const state = await this.#queue.getJobState(id);
      // A job without the mark never runs: a worker drops it.
      if (state === 'unknown' || this.#pushes.isAccepted(id)) return state;
      return (await isAccepted(this.#keys, id)) ? state : 'unknown';
    });
  }

  #ask<T>(question: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) return Promise.reject(queueUnavailable('the service is shutting down'));
    return this.#parts.link.ask(question);
  }
}
