import { setTimeout as delay } from 'node:timers/promises';
import type { Job as StoredJob, Queue as StoredQueue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { closeTask } from '../../record/task/absent-task.ts';
import type { JobWork } from '../queue.ts';
import { isAccepted } from './acceptance.ts';
import type { Bullmq, QueueKeys } from './bullmq-internals.ts';
import { begunOf, type JobData, readData, readJob, taskIdOf } from './bullmq-job.ts';
import { JobLocks } from './job-locks.ts';
import { clearCancelled, findCancelled, type JobMarks, markOver, readMarks } from './job-marks.ts';
import { putBack } from './put-back.ts';
import type { RedisLink } from './redis-link.ts';
import { RunningJob } from './running-job.ts';
import { StalledJobs } from './stalled-jobs.ts';
import { WorkerFailures } from './worker-failures.ts';
import type { WorkerTimes } from './worker-times.ts';

/** How soon a job learns that another process has cancelled it: one `MGET` for all jobs of a worker. */
const CANCEL_POLL_MS = 500;

/** The part of a close in which no job ends: connections and loops. */
const DISCONNECT_MS = 500;

/** The mark of acceptance follows the job by a round trip, and again each second. Kept jobs that are dropped are queued again. */
const ACCEPTANCE_MS = 5_000;
const STATE_POLL_MS = 100;

/** A job that another process works on is handed out again after that. */
const POSTPONED_MS = 10_000;

const NOT_ACCEPTED = 'its sender has not received the answer of Redis, and has reported it as not queued';

export interface BullmqWorkerParts {
  readonly bullmq: Bullmq;
  readonly queue: StoredQueue;
  readonly link: RedisLink;
  readonly keys: QueueKeys;
  /** A connection of its own: a blocking fetch must not delay a command. */
  readonly connection: Redis;
  readonly prefix: string;
  readonly concurrency: number;
  readonly times: WorkerTimes;
  readonly work: JobWork;
  /** Resolves after the push of this job has been answered, if this process is pushing it: false when the push has failed. */
  isWanted(jobId: string): Promise<boolean>;
  onError(error: unknown): void;
  log(line: string): void;
}

/** What BullMQ does with a job next. Refused: it fails for this reason, and is not tried again. */
type Outcome = 'done' | 'waiting' | 'delayed' | { readonly refused: string };

/** Takes jobs from Redis and hands them to the work. A job runs once at a time in this process. */
export class BullmqWorker {
  readonly #parts: BullmqWorkerParts;
  readonly #worker: Worker;
  /** By job id. */
  readonly #jobs = new Map<string, RunningJob>();
  readonly #takes = new Set<Promise<unknown>>();
  /** Ids of jobs that are over and could not be marked so in Redis. */
  readonly #unmarked = new Set<string>();
  readonly #failures: WorkerFailures;
  readonly #locks: JobLocks;
  readonly #stalled: StalledJobs;
  readonly #cancelTimer: NodeJS.Timeout;
  #isPolling = false;
  #isClosing = false;

  constructor(parts: BullmqWorkerParts) {
    this.#parts = parts;
    const { bullmq, queue, link, keys, connection, prefix, times } = parts;
    const failures = new WorkerFailures(parts);
    const jobs = this.#jobs;
    this.#failures = failures;
    this.#worker = new bullmq.Worker(queue.name, (job, token) => this.#process(job, token ?? ''), {
      connection,
      prefix,
      concurrency: parts.concurrency,
      lockDuration: times.lockMs,
      // The check calls INFO, which a user may not have the right for: BullMQ then repeats it without a pause.
      skipVersionCheck: true,
      skipLockRenewal: true,
      skipStalledCheck: true,
    });
    this.#worker.on('error', failures.ofWorker);
    this.#locks = new JobLocks({ worker: this.#worker, keys, lockMs: times.lockMs, jobs, failures });
    const isRunning = (jobId: string): boolean => jobs.has(jobId);
    this.#stalled = new StalledJobs({ ...parts, name: queue.name, isRunning, failures });
    this.#cancelTimer = setInterval(() => void this.#pollCancels(), CANCEL_POLL_MS);
    link.onReady(() => {
      for (const id of this.#unmarked) void this.#markOver(id);
      void this.#locks.retake();
    });
  }

  isRunning(jobId: string): boolean {
    return this.#jobs.has(jobId);
  }

  /** False when this process does not run the job. */
  cancel(jobId: string): boolean {
    const running = this.#jobs.get(jobId);
    running?.abort('cancelled');
    return running !== undefined;
  }

  async close(deadlineMs: number): Promise<void> {
    this.#isClosing = true;
    this.#failures.close();
    clearInterval(this.#cancelTimer);
    const stalled = this.#stalled.close();
    this.#worker.pause(true).catch(this.#failures.ofWorker);
    for (const running of this.#jobs.values()) running.abort('closing');
    const all = Promise.allSettled(this.#takes);
    await Promise.race([all, delay(deadlineMs, undefined, { ref: false })]);
    this.#locks.close();
    // A job that has not ended is left behind: its lock expires, and the next worker takes it.
    const isForced = this.#takes.size > 0 || this.#parts.link.problem !== undefined;
    const worker = this.#worker.close(isForced).catch(this.#failures.ofWorker);
    await Promise.race([Promise.all([worker, stalled]), delay(DISCONNECT_MS, undefined, { ref: false })]);
    this.#parts.connection.disconnect();
  }

  /** BullMQ's processor. Its errors tell BullMQ to leave the job waiting, or to fail it for good. */
  async #process(stored: StoredJob, token: string): Promise<void> {
    const { WaitingError, DelayedError, UnrecoverableError } = this.#parts.bullmq;
    const take = this.#take(stored, token);
    this.#takes.add(take);
    try {
      const outcome = await take;
      if (outcome === 'waiting') throw new WaitingError();
      if (outcome === 'delayed') throw new DelayedError();
      if (outcome !== 'done') throw new UnrecoverableError(outcome.refused);
    } finally {
      this.#takes.delete(take);
    }
  }

  async #take(stored: StoredJob, token: string): Promise<Outcome> {
    const id = stored.id ?? '';
    const earlier = this.#jobs.get(id);
    if (earlier !== undefined) {
      // The lock expired while Redis was away, and the job was handed out again to the process that still runs it.
      earlier.token = token;
      await earlier.done;
      if (earlier.isPostponed) return this.#postpone(stored, token);
      return earlier.isCutShort ? this.#putBack(stored, token, earlier.data) : 'done';
    }
    // It has ended here, and Redis does not know that yet.
    if (this.#unmarked.has(id)) return 'done';
    // This attempt does not begin, and must not count.
    if (this.#isClosing) return this.#putBack(stored, token, unbegun(stored));
    const running = new RunningJob(stored, token);
    this.#jobs.set(id, running);
    try {
      const refused = await this.#run(running, id);
      if (refused !== undefined) return { refused };
      if (!running.isCutShort && !running.isPostponed) await this.#markOver(id);
    } finally {
      this.#jobs.delete(id);
      running.end();
    }
    await running.settled();
    if (running.isPostponed) return this.#postpone(stored, running.token);
    if (!running.isCutShort) return 'done';
    // The work has recorded this attempt as one that is tried again.
    return this.#putBack(stored, running.token, { ...running.data, stops: running.data.stops + 1 });
  }

  /** Resolves when the work has ended, with the reason if the job cannot be run at all. */
  async #run(running: RunningJob, id: string): Promise<string | undefined> {
    const { keys, work, onError } = this.#parts;
    if (!(await this.#parts.isWanted(id))) return undefined;
    const job = readJob(running.stored);
    if (typeof job === 'string') return this.#refuse(running.stored, job);
    const marks = await this.#readState(running, id);
    if (marks === undefined) {
      running.toJobRun().postpone?.();
      return undefined;
    }
    if (marks.isOver) return undefined;
    if (!marks.isAccepted) return NOT_ACCEPTED;
    if (marks.isCancelled) running.abort('cancelled');
    try {
      await work(job, running.toJobRun());
    } catch (error) {
      // Work that rejects is a defect. The other jobs go on.
      onError(error);
    }
    // The worker that works on the job has to find the mark.
    if (running.isCancelled && !running.isPostponed) await clearCancelled(keys, id).catch(() => {});
    return undefined;
  }

  /** Waits for Redis, and for the mark of acceptance. Undefined when the queue closes first. */
  async #readState(
    running: RunningJob,
    id: string,
  ): Promise<(JobMarks & { readonly isAccepted: boolean }) | undefined> {
    const { keys } = this.#parts;
    for (let waitedMs = 0; !this.#isClosing; waitedMs += STATE_POLL_MS) {
      try {
        const marks = await readMarks(keys, id);
        const accepted = !running.data.mustBeAccepted || (await isAccepted(keys, id));
        if (accepted || marks.isOver || waitedMs >= ACCEPTANCE_MS) return { ...marks, isAccepted: accepted };
      } catch {
        // Without the marks a job that is over could run again. The time of an outage does not count.
        waitedMs = -STATE_POLL_MS;
      }
      await delay(STATE_POLL_MS, undefined, { ref: false });
    }
    return undefined;
  }

  #postpone(stored: StoredJob, token: string): Promise<Outcome> {
    // Without a delay for the next process, when this one closes.
    if (this.#isClosing) return this.#putBack(stored, token, unbegun(stored));
    return this.#putBack(stored, token, unbegun(stored), POSTPONED_MS);
  }

  #refuse(stored: StoredJob, reason: string): string {
    const error = `job ${JSON.stringify(stored.id ?? '')} in Redis cannot be run: ${reason}`;
    this.#parts.log(error);
    const taskId = taskIdOf(stored.id);
    if (taskId !== undefined) closeTask({ taskId, attempt: begunOf(stored) }, { status: 'failed', error });
    return reason;
  }

  async #putBack(stored: StoredJob, token: string, data: JobData, delayMs?: number): Promise<Outcome> {
    const order = { stored, token, data, ...(delayMs !== undefined && { delayMs }) };
    await putBack({ ...this.#parts, failures: this.#failures }, order);
    return delayMs === undefined ? 'waiting' : 'delayed';
  }

  async #markOver(id: string): Promise<void> {
    this.#unmarked.add(id);
    try {
      await markOver(this.#parts.keys, id);
      this.#unmarked.delete(id);
    } catch (error) {
      this.#failures.ofCommand(error);
    }
  }

  async #pollCancels(): Promise<void> {
    const { link, keys } = this.#parts;
    const ids = [...this.#jobs].filter(([, { isAborted }]) => !isAborted).map(([id]) => id);
    if (ids.length === 0 || this.#isPolling || link.problem !== undefined) return;
    this.#isPolling = true;
    try {
      for (const id of await findCancelled(keys, ids)) this.cancel(id);
    } catch (error) {
      this.#failures.ofCommand(error);
    } finally {
      this.#isPolling = false;
    }
  }
}

/** The data of a job whose attempt does not begin. */
function unbegun(stored: StoredJob): JobData {
  const data = readData(stored.data);
  return { ...data, attempt: data.attempt - 1 };
}
