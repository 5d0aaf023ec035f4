import { randomUUID } from 'node:crypto';
import type { Queue as StoredQueue } from 'bullmq';
import type { Redis } from 'ioredis';
import { jobIdOf, packJob } from './bullmq-job.ts';
import { BULLMQ_SYSTEM } from './bullmq-task.ts';
import { BullmqWorker, cancelKey, overKey, type WorkerTimes } from './bullmq-worker.ts';
import type { QueueDepth } from './depth.ts';
import type { Cancellation, Job, JobWork, Queue } from './queue.ts';
import { PATIENT, RedisLink, unavailable } from './redis-link.ts';

/** Apart from BullMQ's own `bull`: a user's queue that happens to have our name is not ours. */
const PREFIX = 'tasktrail';

/** Jobs that are over are for people who look; with messages of a megabyte they must not fill Redis. */
const KEPT = { count: 100, age: 86_400 };

/** BullMQ's stream of events, for dashboards; each is a few hundred bytes. */
const EVENTS_MAX = 1_000;

/**
 * A lost worker's job is up for grabs when its lock has run out (15 s) and the next check or the one after has seen it
 * (5 s each): 25 s at most, before the holder gives the task up after 45 s of silence. A worker that is alive would have
 * to be stuck for 7 s to lose its lock.
 */
const TIMES: WorkerTimes = { lockMs: 15_000, stalledMs: 5_000, settleMs: 5_000 };

/** A cancelled job may wait behind others before a worker looks at it; after a day nobody remembers. */
const CANCEL_SECONDS = 86_400;

/** A worker looks twice a second; with its connection away it looks when that is back. */
const LOST_CANCEL_SECONDS = 60;

/** How long the start waits for Redis before it goes on without. */
const FIRST_CONNECT_MS = 1_000;

/** Adds whose outcome nobody knows are looked for that often, and for that long with Redis there. */
const DOUBT_POLL_MS = 1_000;
const DOUBT_MS = 10_000;

/** How soon an emptied Redis is noticed; and how long the sign of it may stand still, in a process that is frozen. */
const SEAL_MS = 5_000;
const SEAL_SECONDS = 300;

/** Ours wait in the first list; others may push with a priority. */
const COUNTED = ['waiting', 'prioritized', 'active', 'delayed'] as const;

export interface BullmqQueueOptions {
  /** `redis://` or `rediss://`, with user, password and database as needed. */
  readonly url: string;
  readonly name: string;
  /** Jobs that run at the same time in this process. */
  readonly concurrency: number;
  /** In front of every key. Default `tasktrail`. */
  readonly prefix?: string;
  readonly times?: WorkerTimes;
  /** Gets what is a defect, or Redis refusing something; a Redis that is away is a line in the log. Default: a warning. */
  readonly onError?: (error: unknown) => void;
  readonly log?: (line: string) => void;
}

export interface RedisQueue extends Queue {
  /** Why Redis cannot be used; undefined when it can. */
  readonly problem: string | undefined;
  /**
   * Called each time that Redis is back, or there at last, or was emptied: push again what is queued and `knows`
   * denies.
   */
  onReady(listener: () => void): void;
}

/** Opens the queue. Redis may be away: the queue is used as soon as it is there. */
export async function openBullmqQueue(options: BullmqQueueOptions): Promise<RedisQueue> {
  const [bullmq, ioredis] = await Promise.all([import('bullmq'), import('ioredis')]);
  const link = new RedisLink(ioredis.Redis, { url: options.url, log: options.log ?? (() => {}) });
  if (!(await link.isReady(FIRST_CONNECT_MS))) link.reportAbsence();
  const connect = (): Redis => new ioredis.Redis(options.url, PATIENT);
  return new BullmqQueue({ bullmq, link, connect, options });
}

interface Parts {
  readonly bullmq: typeof import('bullmq');
  readonly link: RedisLink;
  readonly connect: () => Redis;
  readonly options: BullmqQueueOptions;
}

class BullmqQueue implements RedisQueue {
  readonly name: string;
  readonly system = BULLMQ_SYSTEM;
  /** Whoever uses the same Redis has the same jobs. */
  readonly home = undefined;
  readonly #parts: Parts;
  readonly #prefix: string;
  readonly #times: WorkerTimes;
  readonly #queue: StoredQueue;
  readonly #pushes = new Map<string, Promise<void>>();
  /**
   * Jobs that were sent to Redis and not confirmed, with the time for which they are looked for yet. Whoever pushed was
   * told that it failed and sends the task anew: such a job is taken out again before it runs. One that a worker
   * elsewhere has begun by then is left to it: it is half done, and stopping it gives nobody anything back.
   */
  readonly #doubtful = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;
  readonly #sealTimer: NodeJS.Timeout;
  /** A key of this process alone: gone before its time, all else may be gone as well. */
  readonly #seal = `seal:${randomUUID()}`;
  #isSealed = false;
  readonly #listeners: (() => void)[] = [];
  #worker: BullmqWorker | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { bullmq, link, options } = parts;
    this.name = options.name;
    this.#prefix = options.prefix ?? PREFIX;
    this.#times = options.times ?? TIMES;
    // The two about stalled jobs are those of workers; they are read where `moveStalledJobsToWait` is called.
    const queueOptions = {
      connection: link.client,
      prefix: this.#prefix,
      // The info that BullMQ asks for once could time out, and would leave a queue that never works.
      skipVersionCheck: true,
      // How often a task may be begun is for whoever works on it to say.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      // Of several workers that check, one does in a period; a bit less than it, so that none just misses it.
      stalledInterval: Math.round(this.#times.stalledMs * 0.9),
      streams: { events: { maxLen: EVENTS_MAX } },
      defaultJobOptions: { attempts: 1, removeOnComplete: KEPT, removeOnFail: KEPT },
    };
    this.#queue = new bullmq.Queue(options.name, queueOptions);
    // Every command's own caller hears of its failure.
    this.#queue.on('error', () => {});
    this.#timer = setInterval(() => void this.#settleDoubts(), DOUBT_POLL_MS);
    this.#sealTimer = setInterval(() => void this.#checkSeal(), SEAL_MS);
    link.onReady(() => void this.#settleDoubts());
  }

  get problem(): string | undefined {
    return this.#parts.link.problem;
  }

  onReady(listener: () => void): void {
    this.#listeners.push(listener);
    this.#parts.link.onReady(listener);
  }

  push(job: Job): Promise<void> {
    const id = jobIdOf(job.taskId);
    const underway = this.#pushes.get(id);
    if (underway !== undefined) return underway;
    const push = this.#push(job, id).finally(() => this.#pushes.delete(id));
    this.#pushes.set(id, push);
    return push;
  }

  async has(taskId: string): Promise<boolean> {
    return isOpen(await this.#stateOf(taskId));
  }

  async knows(taskId: string): Promise<boolean> {
    if ((await this.#stateOf(taskId)) !== 'unknown') return true;
    const key = overKey(this.#queue, jobIdOf(taskId));
    return this.#ask(async () => (await this.#parts.link.client.exists(key)) === 1);
  }

  async depth(): Promise<QueueDepth | undefined> {
    // Of a Redis that is away nothing is waited for: its absence is told elsewhere.
    if (this.problem !== undefined) return undefined;
    try {
      const counts = await this.#ask(() => this.#queue.getJobCounts(...COUNTED));
      const { waiting = 0, prioritized = 0, active = 0, delayed = 0 } = counts;
      return { waiting: waiting + prioritized, active, delayed };
    } catch {
      // ERR_QUEUE_UNAVAILABLE: it went just now, or the queue is closed.
      return undefined;
    }
  }

  async cancel(taskId: string): Promise<Cancellation> {
    const id = jobIdOf(taskId);
    if (this.#worker?.cancel(id)) return 'aborted';
    return this.#ask(async () => {
      const key = cancelKey(this.#queue, id);
      const state = await this.#queue.getJobState(id);
      if (!isOpen(state)) {
        // Lost with Redis's data, it may be in the hands of a worker all the same.
        if (state === 'unknown') await this.#parts.link.client.set(key, '1', 'EX', LOST_CANCEL_SECONDS);
        return 'unknown';
      }
      // Before the removal: a worker that takes the job right now finds it.
      await this.#parts.link.client.set(key, '1', 'EX', CANCEL_SECONDS);
      // Nothing is removed that a worker holds.
      const removed = await this.#queue.remove(id);
      if (removed === 1) {
        await this.#parts.link.client.del(key);
        return 'removed';
      }
      return isOpen(await this.#queue.getJobState(id)) ? 'aborted' : 'unknown';
    });
  }

  start(work: JobWork): void {
    if (this.#worker !== undefined || this.#closing !== undefined) return;
    const { bullmq, link, connect, options } = this.#parts;
    const connection = connect();
    // The link's connection says the same, once.
    connection.on('error', () => {});
    this.#worker = new BullmqWorker({
      bullmq,
      queue: this.#queue,
      link,
      connection,
      prefix: this.#prefix,
      concurrency: options.concurrency,
      times: this.#times,
      work,
      isWanted: (id) => this.#isWanted(id),
      onError: options.onError ?? warn,
      log: options.log ?? (() => {}),
    });
  }

  close(deadlineMs: number): Promise<void> {
    this.#closing ??= this.#close(deadlineMs);
    return this.#closing;
  }

  async #close(deadlineMs: number): Promise<void> {
    clearInterval(this.#timer);
    clearInterval(this.#sealTimer);
    await this.#worker?.close(deadlineMs);
    this.#parts.link.close();
    await this.#queue.close().catch(() => {});
  }

  async #push(job: Job, id: string): Promise<void> {
    const queue = this.#queue;
    let isSent = false;
    let isGivenUp = false;
    try {
      await this.#ask(async () => {
        const state = await queue.getJobState(id);
        if (isOpen(state) && !this.#doubtful.has(id)) return;
        // Of one that is over, or was cancelled, nothing must stand in the way of the new one.
        if (state !== 'unknown') await queue.remove(id);
        await this.#parts.link.client.del(cancelKey(queue, id), overKey(queue, id));
        const { data, options } = packJob(job);
        // Redis may answer what was asked before when nobody waits for it any more.
        if (isGivenUp) return;
        isSent = true;
        await queue.add('task', data, options);
      });
      this.#doubtful.delete(id);
    } catch (error) {
      isGivenUp = true;
      if (isSent) this.#doubtful.set(id, DOUBT_MS);
      throw error;
    }
  }

  async #stateOf(taskId: string): Promise<string> {
    const id = jobIdOf(taskId);
    if (this.#worker?.isRunning(id)) return 'active';
    if (this.#doubtful.has(id)) return 'unknown';
    return this.#ask(() => this.#queue.getJobState(id));
  }

  /** Whoever pushed has been answered before the job begins. */
  async #isWanted(id: string): Promise<boolean> {
    await this.#pushes.get(id)?.catch(() => {});
    await new Promise((resolve) => setImmediate(resolve));
    return !this.#doubtful.has(id);
  }

  /** Somebody may empty Redis (`FLUSHALL`) while every connection stays. */
  async #checkSeal(): Promise<void> {
    if (this.#listeners.length === 0) return;
    const { link } = this.#parts;
    try {
      const key = this.#queue.toKey(this.#seal);
      const before = await link.ask(() => link.client.set(key, '1', 'EX', SEAL_SECONDS, 'GET'));
      const wasSealed = this.#isSealed;
      this.#isSealed = true;
      if (wasSealed && before === null) for (const listener of this.#listeners) listener();
    } catch {
      // ERR_QUEUE_UNAVAILABLE: a reconnect tells as much. Before Redis 6.2 there is no such command.
    }
  }

  async #settleDoubts(): Promise<void> {
    for (const [id, leftMs] of this.#doubtful) {
      if (this.#pushes.has(id)) continue;
      try {
        const removed = await this.#parts.link.ask(() => this.#queue.remove(id));
        // Not there yet, maybe: what an older connection brought may be read after this.
        if (removed === 1 || leftMs <= 0) this.#doubtful.delete(id);
        else this.#doubtful.set(id, leftMs - DOUBT_POLL_MS);
      } catch {
        // ERR_QUEUE_UNAVAILABLE: the next round tries again.
        return;
      }
    }
  }

  #ask<T>(question: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) return Promise.reject(unavailable('the service is shutting down'));
    return this.#parts.link.ask(question);
  }
}

/** Waits, in whatever way, or runs. */
function isOpen(state: string): boolean {
  return state !== 'unknown' && state !== 'completed' && state !== 'failed';
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error), { type: 'TasktrailWarning' });
}
