import { setTimeout as delay } from 'node:timers/promises';
import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import { suppressTracing } from '@opentelemetry/core';
import type { Books } from '../books.ts';
import { messageOf } from '../errors.ts';
import { isoFromMs } from '../model/time.ts';
import type { Bucket, BucketOptions } from './bucket.ts';
import { UploadError } from './failure.ts';
import type { Outbox } from './outbox.ts';
import { DamageError, uploadDocument } from './upload.ts';
import { UploadQueue, type Waiting } from './upload-queue.ts';

/** After so many failures in a row something is broken; a single one is a server that was restarted. */
const FAILURES_BROKEN = 2;

/** How long until the documents on the disk are looked for again when they could not be listed. */
const LIST_RETRY_MS = 10_000;

/** Node's timers hold no more than this; whoever wakes up early looks again. */
const SLEEP_MAX_MS = 3_600_000;

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Ends after so long, or when the signal says so; never throws. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export interface ArchiveOptions {
  readonly config: Omit<BucketOptions, 'signal'>;
  readonly outbox: Outbox;
  readonly books: Books;
  log(line: string): void;
  /** Default: the machine's. */
  readonly clock?: Clock;
}

/** Carries finished workflow documents to S3, one after another, for as long as it takes. */
export interface Archive {
  /** A document is there in a new revision. Never throws and never waits. */
  notify(workflowId: string): void;
  /**
   * Uploads what can be uploaded at once, and stops within the deadline; the rest is found at the next start. Safe to
   * call twice.
   */
  close(deadlineMs: number): Promise<void>;
}

/** Begins with the documents that an earlier process left; `/readyz` speaks of it as `s3`. */
export function startArchive(options: ArchiveOptions): Archive {
  const archive = new RunningArchive(options);
  archive.start();
  return archive;
}

const MACHINE: Clock = {
  now: Date.now,
  sleep: async (ms, signal) => {
    // An abort is one of the two ways to end.
    await delay(ms, undefined, { signal, ref: false }).catch(() => undefined);
  },
};

class RunningArchive implements Archive {
  readonly #options: ArchiveOptions;
  readonly #clock: Clock;
  readonly #queue = new UploadQueue();
  /** Ends requests. */
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
    this.#clock = options.clock ?? MACHINE;
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
    await Promise.race([this.#running, MACHINE.sleep(deadlineMs, deadline.signal)]);
    deadline.abort();
    this.#stop.abort();
    await this.#running;
    this.#bucket?.close();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#wake = new AbortController();
      const now = this.#clock.now();
      if (!this.#isListed && now >= this.#listAt) await this.#list(now);
      const waiting = this.#queue.next(now);
      if (waiting !== undefined) await this.#try(waiting);
      else if (this.#isClosing) return;
      else await this.#rest(now);
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
      books.setReason('s3 list', `the documents that wait for S3 cannot be listed: ${messageOf(error)}`);
    }
  }

  async #rest(now: number): Promise<void> {
    const times = [this.#queue.dueAt, this.#isListed ? undefined : this.#listAt];
    const until = Math.min(...times.filter((time) => time !== undefined), now + SLEEP_MAX_MS);
    await this.#clock.sleep(Math.max(0, until - now), this.#wake.signal);
  }

  async #try(waiting: Waiting): Promise<void> {
    try {
      // What is sent is not to be traced by a user's own instrumentation.
      const isWritten = await context.with(suppressTracing(ROOT_CONTEXT), () => this.#upload(waiting));
      this.#queue.succeeded(waiting, this.#clock.now(), isWritten);
    } catch (error) {
      // The request was ended, not refused.
      if (this.#stop.signal.aborted) return;
      if (error instanceof DamageError) waiting.damage = error.damage;
      // What is not the bucket's fault is this document's: it cannot be read, or its mark not be written.
      const failure =
        error instanceof UploadError ? error : new UploadError('object', messageOf(error), error);
      this.#queue.failed(waiting, this.#clock.now(), failure);
    }
    this.#report();
  }

  /** True when something had to be written. */
  async #upload({ workflowId, damage }: Waiting): Promise<boolean> {
    const { config, outbox } = this.#options;
    const outgoing = await outbox.read(workflowId);
    // It was removed meanwhile.
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
    // Here, because the SDK is large and most processes never need it.
    const { openBucket } = await import('./s3-bucket.ts');
    return openBucket({ ...this.#options.config, signal: this.#stop.signal });
  }

  #report(): void {
    const { config, books, log } = this.#options;
    const trouble = this.#queue.trouble;
    const isBroken = trouble !== undefined && trouble.failures >= FAILURES_BROKEN;
    let text: string | undefined;
    if (trouble !== undefined) {
      const { workflowId, reason } = trouble;
      const where = `s3://${config.bucket}${workflowId === undefined ? '' : `: ${workflowId}`}`;
      text = `${where}: ${reason}; ${waitText(this.#queue.pendingCount)}`;
    }
    books.setReason('s3', isBroken ? text : undefined);
    books.setNotice('s3', isBroken ? undefined : text);
    if (isBroken !== this.#isBroken) {
      this.#isBroken = isBroken;
      log(isBroken ? `uploads fail: ${text}` : `uploads to s3://${config.bucket} work again`);
    }
  }
}

function waitText(count: number): string {
  return count === 1 ? '1 workflow document waits' : `${count} workflow documents wait`;
}
