import { errnoOf, messageOf } from '../../errors.ts';
import type { Bullmq } from './bullmq-internals.ts';
import type { RedisLink } from './redis-link.ts';

/** The same message is reported once in that time, however often BullMQ tries again. */
const REPEAT_MS = 60_000;

/** Messages may hold ids: their number has no limit of its own. */
const MESSAGES_MAX = 100;

export interface WorkerFailuresParts {
  readonly bullmq: Bullmq;
  readonly link: Pick<RedisLink, 'problem' | 'isRefusal'>;
  onError(error: unknown): void;
}

/** Reports the failures that a user can act on, and no others. The link reports a lost connection. */
export class WorkerFailures {
  readonly #parts: WorkerFailuresParts;
  /** When a message was reported, by message. */
  readonly #reported = new Map<string, number>();
  #isClosed = false;

  constructor(parts: WorkerFailuresParts) {
    this.#parts = parts;
  }

  /** A command on the link's connection failed. Without an answer from Redis, the connection is what failed. */
  readonly ofCommand = (error: unknown): void => {
    if (this.#parts.link.isRefusal(error)) this.#report(error);
  };

  /** BullMQ failed, on its worker's connection. */
  readonly ofWorker = (error: unknown): void => {
    if (!this.#isOfConnection(error) && !this.#isOfLostJob(error)) this.#report(error);
  };

  /** Whether Redis does not know the job: it has lost its data. */
  isMissingJob(error: unknown): boolean {
    return codeOf(error) === this.#parts.bullmq.ErrorCode.JobNotExist;
  }

  close(): void {
    this.#isClosed = true;
  }

  #isOfConnection(error: unknown): boolean {
    if (!(error instanceof Error)) return false;
    const errno = errnoOf(error) ?? '';
    // `ECONNRESET` and its like are the operating system's; `ERR_...` are Node's.
    const isSystem = errno.startsWith('E') && !errno.startsWith('ERR_');
    return isSystem || !this.#parts.bullmq.isNotConnectionError(error);
  }

  /** Redis was away for longer than a lock lasts, and another worker has the job. The task's records say how it ended. */
  #isOfLostJob(error: unknown): boolean {
    const { JobNotExist, JobLockNotExist, JobNotInState, JobLockMismatch } = this.#parts.bullmq.ErrorCode;
    const code = codeOf(error);
    return [JobNotExist, JobLockNotExist, JobNotInState, JobLockMismatch].some((lost) => lost === code);
  }

  #report(error: unknown): void {
    if (this.#isClosed || this.#parts.link.problem !== undefined) return;
    const message = messageOf(error);
    const now = performance.now();
    if (now - (this.#reported.get(message) ?? -REPEAT_MS) < REPEAT_MS) return;
    if (this.#reported.size > MESSAGES_MAX) this.#reported.clear();
    this.#reported.set(message, now);
    this.#parts.onError(error);
  }
}

/** Of BullMQ's own errors: one of its `ErrorCode`. */
function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
