import { setTimeout as delay } from 'node:timers/promises';
import type { Job as StoredJob, Queue as StoredQueue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { messageOf } from '../errors.ts';
import { isJsonObject } from '../model/json.ts';
import { closeTask } from '../record/task/absent-task.ts';
import { begunOf, type JobData, readData, readJob, taskIdOf } from './bullmq-job.ts';
import type { AbortCause, Job, JobProgress, JobWork } from './queue.ts';
import type { RedisLink } from './redis-link.ts';

type Bullmq = typeof import('bullmq');

/** How soon a running job hears that it is cancelled by another process: one `MGET` for all of a worker's jobs. */
const CANCEL_POLL_MS = 500;

/** After a failed fetch. BullMQ's own 15 s would leave a Redis that is back without its workers for that long. */
const FETCH_RETRY_MS = 1_000;

/** Until then whoever looks at the files knows the end as well, however long they were not written. */
const OVER_SECONDS = 86_400;

/** What of a close is not a job's end: connections and loops. */
const HANG_UP_MS = 500;

/** Redis failing at something is said once in that time, however often it is tried. */
const REPEAT_MS = 60_000;

export interface WorkerTimes {
  /** A worker that is gone holds its job for that long. Renewed after half of it at the latest. */
  readonly lockMs: number;
  /** How often jobs of lost workers are looked for. */
  readonly stalledMs: number;
  /** After a connect: other workers get that long to take hold again of what they run. */
  readonly settleMs: number;
}

export interface BullmqWorkerParts {
  readonly bullmq: Bullmq;
  readonly queue: StoredQueue;
  readonly link: RedisLink;
  /** A connection of its own: a fetch that blocks must not hold up a command. */
  readonly connection: Redis;
  readonly prefix: string;
  readonly concurrency: number;
  readonly times: WorkerTimes;
  readonly work: JobWork;
  /** Resolves when the push of this job, if one is on its way here, is answered: false when the job is not wanted. */
  isWanted(jobId: string): Promise<boolean>;
  onError(error: unknown): void;
  log(line: string): void;
}

/** A job in this process's hands. */
interface Run {
  readonly stored: StoredJob;
  readonly stop: AbortController;
  readonly done: Promise<void>;
  token: string;
  isFinished: boolean;
  /** The writes of what the job keeps, one after the other. */
  kept: Promise<void>;
  data: JobData;
}

/** Takes the lock again of a job that is still in the hands of this process, unless another one has it. */
const RELOCK = `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
for _, id in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
  if id == ARGV[1] then
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
    return 1
  end
end
return 0`;

/** Redis was away, or its data is: the job was given to somebody else, or is gone. The task's own records say how it ended. */
const LOST_HOLD = /lock for job|missing lock|missing key|not locked|lock mismatch|not in the active state/i;

const MISSING = /missing key for job/i;

/** What BullMQ and its scripts parse of a job before anybody else sees it. */
const PARSED = {
  data: { isReadable: isJson, empty: '{}' },
  opts: { isReadable: (text: string) => isJsonObject(parse(text)), empty: '{}' },
  progress: { isReadable: isJson, empty: '0' },
  parent: { isReadable: isJson, empty: '' },
  ats: { isReadable: isCount, empty: '0' },
  stc: { isReadable: isCount, empty: '0' },
};

const AWAY =
  /ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOST|connection is closed|max retries|timed out|isn't writeable/i;

/** The key that says: whoever runs this job, or takes it next, shall stop. */
export function cancelKey(queue: StoredQueue, jobId: string): string {
  return queue.toKey(`cancel:${jobId}`);
}

/**
 * The key that says: this job has been done. Redis keeps few of the jobs that are over, and does not hear of one that
 * ends while it is away until somebody else may have taken it.
 */
export function overKey(queue: StoredQueue, jobId: string): string {
  return queue.toKey(`over:${jobId}`);
}

/** Takes jobs from Redis and hands them to the work, each once at a time in this process. */
export class BullmqWorker {
  readonly #parts: BullmqWorkerParts;
  readonly #worker: Worker;
  readonly #runs = new Map<string, Run>();
  readonly #takes = new Set<Promise<void>>();
  readonly #said = new Map<string, number>();
  /** Jobs that are over, of which Redis has not heard. */
  readonly #untold = new Set<string>();
  readonly #timers: NodeJS.Timeout[];
  #isPolling = false;
  #isClosing = false;

  constructor(parts: BullmqWorkerParts) {
    this.#parts = parts;
    const { bullmq, queue, connection, prefix, concurrency, times } = parts;
    this.#worker = new bullmq.Worker(queue.name, (job, token) => this.#track(job, token ?? ''), {
      connection,
      prefix,
      concurrency,
      lockDuration: times.lockMs,
      runRetryDelay: FETCH_RETRY_MS,
      // Looked for here instead: not right after a connect, when nobody could renew a lock for a while.
      skipStalledCheck: true,
    });
    this.#worker.on('error', (error) => this.#onError(error));
    this.#timers = [
      setInterval(() => void this.#pollCancels(), CANCEL_POLL_MS),
      setInterval(() => void this.#takeBackStalled(), times.stalledMs),
    ];
    parts.link.onReady(() => {
      for (const id of this.#untold) void this.#markOver(id);
      void this.#relock();
    });
  }

  isRunning(jobId: string): boolean {
    return this.#runs.has(jobId);
  }

  /** False when this process does not run the job. */
  cancel(jobId: string): boolean {
    const run = this.#runs.get(jobId);
    if (run === undefined) return false;
    abort(run, 'cancelled');
    return true;
  }

  async close(deadlineMs: number): Promise<void> {
    this.#isClosing = true;
    for (const timer of this.#timers) clearInterval(timer);
    this.#worker.pause(true).catch((error: unknown) => this.#onError(error));
    for (const run of this.#runs.values()) abort(run, 'closing');
    const all = Promise.allSettled(this.#takes);
    await Promise.race([all, delay(deadlineMs, undefined, { ref: false })]);
    // Who is still at it is left to it: the lock runs out, and the next worker goes on with the job.
    const isForced = this.#takes.size > 0 || this.#parts.link.problem !== undefined;
    const closed = this.#worker.close(isForced).catch((error: unknown) => this.#onError(error));
    await Promise.race([closed, delay(HANG_UP_MS, undefined, { ref: false })]);
    this.#parts.connection.disconnect();
  }

  #track(stored: StoredJob, token: string): Promise<void> {
    const take = this.#take(stored, token);
    const tracked = take
      .catch(() => {})
      .then(() => {
        this.#takes.delete(tracked);
      });
    this.#takes.add(tracked);
    return take;
  }

  /** What BullMQ makes of the outcome: done, put back (`WaitingError`) or failed for good (`UnrecoverableError`). */
  async #take(stored: StoredJob, token: string): Promise<void> {
    const id = stored.id ?? '';
    const earlier = this.#runs.get(id);
    if (earlier !== undefined) {
      // The lock was lost while Redis was away, and the job handed out again: it is the same job, and it is run already.
      earlier.token = token;
      await earlier.done;
      if (isCutShort(earlier)) await this.#putBack(stored, token, earlier.data);
      return;
    }
    const data = readData(stored.data);
    // Taken in the moment of the close: as if this attempt had never been.
    if (this.#isClosing) await this.#putBack(stored, token, { ...data, attempt: data.attempt - 1 });
    let end = (): void => {};
    const done = new Promise<void>((resolve) => {
      end = resolve;
    });
    const stop = new AbortController();
    const run: Run = { stored, stop, done, token, isFinished: false, kept: Promise.resolve(), data };
    this.#runs.set(id, run);
    try {
      await this.#run(run, id);
      if (!isCutShort(run)) await this.#markOver(id);
    } finally {
      this.#runs.delete(id);
      end();
    }
    await run.kept;
    // The work has recorded the attempt as one that is tried again.
    if (isCutShort(run)) await this.#putBack(stored, run.token, { ...run.data, stops: run.data.stops + 1 });
  }

  async #run(run: Run, id: string): Promise<void> {
    const { queue, link, work } = this.#parts;
    if (!(await this.#parts.isWanted(id))) return;
    const job = readJob(run.stored);
    if (typeof job === 'string') this.#refuse(run.stored, job);
    else {
      const key = cancelKey(queue, id);
      // Unknown while Redis is away: the poll finds it later.
      const [over, cancelled] = await link.client.mget(overKey(queue, id), key).catch(() => []);
      if (over != null) return;
      if (cancelled != null) abort(run, 'cancelled');
      await this.#begin(work, job, run);
      if (run.stop.signal.reason === 'cancelled') await link.client.del(key).catch(() => 0);
    }
  }

  async #begin(work: JobWork, job: Job, run: Run): Promise<void> {
    try {
      await work(job, {
        signal: run.stop.signal,
        finish: () => {
          run.isFinished = true;
        },
        keep: (progress) => this.#keep(run, progress),
      });
    } catch (error) {
      // A worker that rejects has a defect of its own: say so, and go on with the others.
      this.#parts.onError(error);
    }
  }

  async #markOver(id: string): Promise<void> {
    const { link, queue } = this.#parts;
    this.#untold.add(id);
    try {
      await link.client.set(overKey(queue, id), '1', 'EX', OVER_SECONDS);
      this.#untold.delete(id);
    } catch (error) {
      this.#onError(error);
    }
  }

  #keep(run: Run, { workflowId, stops }: JobProgress): void {
    run.data = { ...run.data, workflowId, stops };
    run.kept = run.kept.then(() => run.stored.updateData(run.data)).catch(() => {});
  }

  /** Always throws: what tells BullMQ that the job waits again. */
  async #putBack(stored: StoredJob, token: string, data: JobData): Promise<never> {
    try {
      await stored.updateData(data);
      await stored.moveToWait(token);
    } catch (error) {
      // Redis is away, or another worker has the job. In both cases it is taken over as a lost worker's.
      if (MISSING.test(messageOf(error))) await this.#addAgain(stored, data);
      else this.#onError(error);
    }
    throw new this.#parts.bullmq.WaitingError();
  }

  /** Redis has lost its data, the job among them: it exists nowhere but here. */
  async #addAgain(stored: StoredJob, data: JobData): Promise<void> {
    const { jobId, telemetry } = stored.opts;
    const options = { ...(jobId !== undefined && { jobId }), ...(telemetry !== undefined && { telemetry }) };
    try {
      // Nobody has taken this one yet.
      const again = { ...data, attempt: data.attempt + begunOf(stored) };
      await this.#parts.queue.add(stored.name, again, options);
    } catch (error) {
      this.#onError(error);
    }
  }

  #refuse(stored: StoredJob, reason: string): never {
    const error = `job ${JSON.stringify(stored.id ?? '')} in Redis cannot be run: ${reason}`;
    this.#parts.log(error);
    const taskId = taskIdOf(stored.id);
    if (taskId !== undefined) closeTask({ taskId, attempt: begunOf(stored) }, { status: 'failed', error });
    throw new this.#parts.bullmq.UnrecoverableError(reason);
  }

  async #pollCancels(): Promise<void> {
    const { link, queue } = this.#parts;
    const runs = [...this.#runs].filter(([, { stop }]) => !stop.signal.aborted);
    if (runs.length === 0 || this.#isPolling || link.problem !== undefined) return;
    this.#isPolling = true;
    try {
      const found = await link.client.mget(runs.map(([id]) => cancelKey(queue, id)));
      for (const [index, [, run]] of runs.entries()) if (found[index] != null) abort(run, 'cancelled');
    } catch (error) {
      this.#onError(error);
    } finally {
      this.#isPolling = false;
    }
  }

  /** Redis was away for longer than a lock lasts, maybe: then nobody must think that our jobs are up for grabs. */
  async #relock(): Promise<void> {
    const { link, queue, times } = this.#parts;
    try {
      for (const [id, { token }] of this.#runs) {
        const keys = [`${queue.toKey(id)}:lock`, queue.toKey('active')];
        await link.client.eval(RELOCK, keys.length, ...keys, id, token, times.lockMs);
      }
    } catch (error) {
      this.#onError(error);
    }
  }

  async #takeBackStalled(): Promise<void> {
    const { link, queue, times } = this.#parts;
    if (link.readyForMs < times.settleMs) return;
    try {
      await this.#mendActive();
      await queue.backend.moveStalledJobsToWait();
    } catch (error) {
      this.#onError(error);
    }
  }

  /**
   * What BullMQ cannot parse it never hands to a processor, and never fails either: its job would go round for ever. The
   * text is set aside in the job, and the job, with nothing in it, fails as every other that cannot be run.
   */
  async #mendActive(): Promise<void> {
    const { link, queue, log } = this.#parts;
    for (const id of await link.client.lrange(queue.toKey('active'), 0, -1)) {
      if (this.#runs.has(id)) continue;
      const key = queue.toKey(id);
      if (!['hash', 'none'].includes(await link.client.type(key))) {
        await link.client.lrem(queue.toKey('active'), 0, id);
        log(`job ${JSON.stringify(id)} in Redis cannot be run: its key holds no job; it is left out`);
        continue;
      }
      for (const [field, { isReadable, empty }] of Object.entries(PARSED)) {
        const text = await link.client.hget(key, field);
        if (text === null || isReadable(text)) continue;
        await link.client.hset(key, `unreadable_${field}`, text, field, empty);
        log(`job ${JSON.stringify(id)} in Redis: its ${field} cannot be read; it is set aside`);
      }
    }
  }

  #onError(error: unknown): void {
    const message = messageOf(error);
    // Said once already, by the link.
    if (this.#isClosing || this.#parts.link.problem !== undefined || AWAY.test(message)) return;
    if (LOST_HOLD.test(message)) return;
    const now = performance.now();
    if (now - (this.#said.get(message) ?? -REPEAT_MS) < REPEAT_MS) return;
    // Texts with ids in them are without end.
    if (this.#said.size > 100) this.#said.clear();
    this.#said.set(message, now);
    this.#parts.onError(error);
  }
}

/** The first cause stays: a controller that is aborted already keeps its reason. */
function abort(run: Run, cause: AbortCause): void {
  run.stop.abort(cause);
}

function isCutShort(run: Run): boolean {
  return run.stop.signal.reason === 'closing' && !run.isFinished;
}

function isJson(text: string): boolean {
  return text === '' || parse(text) !== undefined;
}

function isCount(text: string): boolean {
  return /^\d{1,9}$/.test(text);
}

/** Undefined for what is no JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // SyntaxError.
    return undefined;
  }
}
