import type { UploadError } from './failure.ts';
import type { Damage } from './upload.ts';

/** First pause after a failure; doubles with each failure up to the maximum. */
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 60_000;

/**
 * Delay before a written object is read again. Some servers do not check a condition and store in one step, so that
 * two concurrent writers may both succeed: the second read finds a lost update.
 */
const SECOND_READ_MS = 5_000;

/** A workflow whose document is to be uploaded. */
export interface PendingUpload {
  readonly workflowId: string;
  dueAt: number;
  failures: number;
  reason: string | undefined;
  damage: Damage | undefined;
  /** A new revision came during the upload. */
  isChanged: boolean;
  /** The object is written; only the second read is left. */
  isVerified: boolean;
}

/** The failure to report. */
export interface UploadFailure {
  readonly workflowId: string | undefined;
  readonly reason: string;
  readonly failures: number;
}

/** Order and times of pending uploads, one entry for each pending document. */
export class UploadQueue {
  readonly #pending = new Map<string, PendingUpload>();
  #bucketFailures = 0;
  #bucketReason = '';
  #pausedUntil = 0;

  /** Adds a new document or revision. A document that failed keeps its pause. */
  add(workflowId: string, now: number): void {
    const upload = this.#pending.get(workflowId);
    if (upload === undefined) {
      this.#pending.set(workflowId, {
        ...{ workflowId, dueAt: now, failures: 0, reason: undefined, damage: undefined },
        ...{ isChanged: false, isVerified: false },
      });
      return;
    }
    upload.isChanged = true;
    if (upload.isVerified) {
      upload.isVerified = false;
      upload.dueAt = now;
    }
  }

  /** The first upload that is due. */
  next(now: number): PendingUpload | undefined {
    if (now < this.#pausedUntil) return undefined;
    for (const upload of this.#pending.values()) {
      if (upload.dueAt > now) continue;
      upload.isChanged = false;
      return upload;
    }
    return undefined;
  }

  /** Time of the next upload; undefined when the queue is empty. */
  get dueAt(): number | undefined {
    let first: number | undefined;
    for (const { dueAt } of this.#pending.values()) first = Math.min(first ?? dueAt, dueAt);
    return first === undefined ? undefined : Math.max(first, this.#pausedUntil);
  }

  /** Documents that are not written yet. */
  get pendingCount(): number {
    let count = 0;
    for (const { isVerified } of this.#pending.values()) if (!isVerified) count += 1;
    return count;
  }

  succeeded(upload: PendingUpload, now: number, isWritten: boolean): void {
    this.#bucketFailures = 0;
    this.#pausedUntil = 0;
    Object.assign(upload, { failures: 0, reason: undefined, damage: undefined });
    if (upload.isChanged) upload.dueAt = now;
    else if (isWritten) Object.assign(upload, { isVerified: true, dueAt: now + SECOND_READ_MS });
    else this.#pending.delete(upload.workflowId);
  }

  /** A failed upload moves to the end, so that one that always breaks the connection does not block the others. */
  failed(upload: PendingUpload, now: number, error: UploadError): void {
    upload.failures += 1;
    upload.dueAt = now + pauseMs(upload.failures);
    upload.reason = error.scope === 'object' ? error.message : undefined;
    this.#pending.delete(upload.workflowId);
    this.#pending.set(upload.workflowId, upload);
    if (error.scope === 'object') {
      // The bucket itself works.
      this.#bucketFailures = 0;
      return;
    }
    this.#bucketFailures += 1;
    this.#bucketReason = error.message;
    this.#pausedUntil = now + pauseMs(this.#bucketFailures);
  }

  /** The bucket's failure, otherwise that of the document that failed most often. */
  get failure(): UploadFailure | undefined {
    if (this.#bucketFailures > 0) {
      return { workflowId: undefined, reason: this.#bucketReason, failures: this.#bucketFailures };
    }
    let worst: UploadFailure | undefined;
    for (const { workflowId, reason, failures } of this.#pending.values()) {
      if (reason !== undefined && failures > (worst?.failures ?? 0)) worst = { workflowId, reason, failures };
    }
    return worst;
  }
}

function pauseMs(failures: number): number {
  return Math.min(RETRY_MIN_MS * 2 ** (failures - 1), RETRY_MAX_MS);
}
