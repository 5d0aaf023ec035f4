import { setTimeout as delay } from 'node:timers/promises';
import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import { suppressTracing } from '@opentelemetry/core';
import type { Books } from '../books.ts';
import { messageOf } from '../errors.ts';
import { isoFromMs } from '../model/time.ts';
import { loadOptional } from '../system/optional-package.ts';
import type { Bucket, BucketOptions } from './bucket.ts';
import { UploadError } from './failure.ts';
import type { Outbox } from './outbox.ts';
import { DamageError, uploadDocument } from './upload.ts';
import { type PendingUpload, UploadQueue } from './upload-queue.ts';

/** Consecutive failures before uploads are reported as broken: a single one may be a server restart. */
const FAILURES_BROKEN = 2;

/** Delay before the pending documents are listed again after an error. */
const LIST_RETRY_MS = 10_000;

/** Longest sleep, far below the 24.8 days that a Node timer can hold. The loop checks its work after each sleep. */
const SLEEP_MAX_MS = 3_600_000;

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after `ms` milliseconds or when the signal aborts; never throws. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export interface ArchiveOptions {
  readonly config: Omit<BucketOptions, 'signal'>;
  readonly outbox: Outbox;
  readonly books: Pick<Books, 'setReason' | 'setNotice'>;
  log(line: string): void;
  /** Default: the system clock. */
  readonly clock?: Clock;
}

/** Uploads finished workflow documents to S3, one after another, and retries without a limit. */
export interface Archive {
  /** Announces a new document or revision. Never throws, never waits. */
  notify(workflowId: string): void;
  /**
   * Uploads the documents that are due and stops within the deadline. The next start finds the rest. Safe to call
   * twice.
   */
  close(deadlineMs: number): Promise<void>;
}

/** Starts with the documents that an earlier process left. Its state is part `s3` of `/readyz`. */
export function startArchive(options: ArchiveOptions): Archive {
  const archive = new RunningArchive(options);
  archive.start();
  return archive;
}

const SYSTEM_CLOCK: Clock = {
  now: Date.now,
  sleep: async (ms, signal) => {
    // Rejects only when the signal aborts, which is a normal end.
    await delay(ms, undefined, { signal, ref: false }).catch(() => undefined);
  },
};

class RunningArchive implements Archive {
  readonly #options: ArchiveOptions;
  readonly #clock: Clock;
  readonly #queue = new UploadQueue();
  /** Aborts requests. */
  readonly #stop = new AbortController();
  #wake = new AbortController();
  #bucket: Bucket | undefined;
  #isListed = false;
  #listAt = 0;
  #isClosing = false;
  #isBroken = false;
  #running: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;

  constructor(options: ArchiveOptions) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
  }

  start(): void {
    this.#running = this.#run().catch((error: unknown) => {
      this.#options.books.setReason('s3', `uploads have stopped: ${messageOf(error)}`);
    });
  }

  notify(workflowId: string): void {
    if (this.#closed !== undefined) return;
    this.#queue.add(workflowId, this.#clock.now());
    this.#wake.abort();
  }

  close(deadlineMs: number): Promise<void> {
    this.#closed ??= this.#close(deadlineMs);
    return this.#closed;
  }

  async #close(deadlineMs: number): Promise<void> {
    this.#isClosing = true;
    this.#wake.abort();
    const deadline = new AbortController();
    await Promise.race([this.#running, SYSTEM_CLOCK.sleep(deadlineMs, deadline.signal)]);
    deadline.abort();
    this.#stop.abort();
    await this.#running;
    this.#bucket?.close();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#wake = new AbortController();
      if (!this.#isListed && this.#clock.now() >= this.#listAt) await this.#list(this.#clock.now());
      // After the listing: a document that came meanwhile is due now.
      const now = this.#clock.now();
      const upload = this.#queue.next(now);
      if (upload !== undefined) await this.#attempt(upload);
      else if (this.#isClosing) return;
      else await this.#sleepUntilDue(now);
    }
  }

  async #list(now: number): Promise<void> {
    const { outbox, books } = this.#options;
    try {
      for (const workflowId of await outbox.pending()) this.#queue.add(workflowId, now);
      this.#isListed = true;
      books.setReason('s3 list', undefined);
    } catch (error) {
      this.#listAt = now + LIST_RETRY_MS;
      books.setReason('s3 list', `cannot list the documents that wait for S3: ${messageOf(error)}`);
    }
  }

  async #sleepUntilDue(now: number): Promise<void> {
    const times = [this.#queue.dueAt, this.#isListed ? undefined : this.#listAt];
    const until = Math.min(...times.filter((time) => time !== undefined), now + SLEEP_MAX_MS);
    await this.#clock.sleep(Math.max(0, until - now), this.#wake.signal);
  }

  async #attempt(upload: PendingUpload): Promise<void> {
    try {
      // A user's instrumentation must not trace uploads.
      const isWritten = await context.with(suppressTracing(ROOT_CONTEXT), () => this.#upload(upload));
      this.#queue.succeeded(upload, this.#clock.now(), isWritten);
    } catch (error) {
      // The request was aborted, not refused.
      if (this.#stop.signal.aborted) return;
      if (error instanceof DamageError) upload.damage = error.damage;
      // Any other error concerns this document: it cannot be read, or its mark cannot be written.
      const failure =
        error instanceof UploadError ? error : new UploadError('object', messageOf(error), error);
      this.#queue.failed(upload, this.#clock.now(), failure);
    }
    this.#report();
  }

  /** True when the object was written. */
  async #upload({ workflowId, damage }: PendingUpload): Promise<boolean> {
    const { config, outbox } = this.#options;
    const outgoing = await outbox.read(workflowId);
    // Removed since it was queued.
    if (outgoing === undefined) return false;
    this.#bucket ??= await this.#open();
    const { etag, isWritten } = await uploadDocument(this.#bucket, outgoing, damage);
    await outbox.markVerified(workflowId, {
      bucket: config.bucket,
      key: outgoing.key,
      revision: outgoing.document.revision,
      verified_at: isoFromMs(this.#clock.now()),
      ...(etag !== undefined && { etag }),
    });
    return isWritten;
  }

  async #open(): Promise<Bucket> {
    // Loaded on first use: the SDK is large, and most processes do not need it.
    const { openBucket } = await loadOptional(
      '@aws-sdk/client-s3',
      () => import('./s3-bucket.ts'),
      'TASK_LOGS_S3_BUCKET',
    );
    return openBucket({ ...this.#options.config, signal: this.#stop.signal });
  }

  #report(): void {
    const { config, books, log } = this.#options;
    const failure = this.#queue.failure;
    const isBroken = failure !== undefined && failure.failures >= FAILURES_BROKEN;
    let text: string | undefined;
    if (failure !== undefined) {
      const { workflowId, reason } = failure;
      const where = `s3://${config.bucket}${workflowId === undefined ? '' : `: ${workflowId}`}`;
      text = `${where}: ${reason}; ${pendingText(this.#queue.pendingCount)}`;
    }
    books.setReason('s3', isBroken ? text : undefined);
    books.setNotice('s3', isBroken ? undefined : text);
    if (isBroken !== this.#isBroken) {
      this.#isBroken = isBroken;
      log(isBroken ? `uploads fail: ${text}` : `uploads to s3://${config.bucket} work again`);
    }
  }
}

function pendingText(count: number): string {
  return count === 1 ? '1 workflow document waits' : `${count} workflow documents wait`;
}
