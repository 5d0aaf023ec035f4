import type { UploadError } from './failure.ts';
import type { Damage } from './upload.ts';

/** First pause after a failure; each next one is twice as long, up to the longest. */
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 60_000;

/**
 * Not every server looks at conditions and stores in one step, so that two writers at the same moment may both be
 * told that they succeeded. Looking again when both are done finds what one of them lost.
 */
const SECOND_LOOK_MS = 5_000;

/** One workflow whose document is to be in S3. */
export interface Waiting {
  readonly workflowId: string;
  dueAt: number;
  failures: number;
  reason: string | undefined;
  damage: Damage | undefined;
  /** A new revision came while the one before was on its way. */
  isChanged: boolean;
  /** It is there; only the second look is left. */
  isVerified: boolean;
}

/** What is broken, in words; undefined: nothing. */
export interface Trouble {
  readonly workflowId: string | undefined;
  readonly reason: string;
  readonly failures: number;
}

/** Who is next, and when. As long as the documents on the disk that wait: an id each. */
export class UploadQueue {
  readonly #waiting = new Map<string, Waiting>();
  #bucketFailures = 0;
  #bucketReason = '';
  #pausedUntil = 0;

  /** A document is new, or has a new revision. One that failed keeps its pause. */
  add(workflowId: string, now: number): void {
    const waiting = this.#waiting.get(workflowId);
    if (waiting === undefined) {
      this.#waiting.set(workflowId, {
        ...{ workflowId, dueAt: now, failures: 0, reason: undefined, damage: undefined },
        ...{ isChanged: false, isVerified: false },
      });
      return;
    }
    waiting.isChanged = true;
    if (waiting.isVerified) {
      waiting.isVerified = false;
      waiting.dueAt = now;
    }
  }

  /** The first whose time has come. */
  next(now: number): Waiting | undefined {
    if (now < this.#pausedUntil) return undefined;
    for (const waiting of this.#waiting.values()) {
      if (waiting.dueAt > now) continue;
      waiting.isChanged = false;
      return waiting;
    }
    return undefined;
  }

  /** When there will be something to do; undefined: when something is added. */
  get dueAt(): number | undefined {
    let first: number | undefined;
    for (const { dueAt } of this.#waiting.values()) first = Math.min(first ?? dueAt, dueAt);
    return first === undefined ? undefined : Math.max(first, this.#pausedUntil);
  }

  /** Documents that are not known to be there. */
  get pendingCount(): number {
    let count = 0;
    for (const { isVerified } of this.#waiting.values()) if (!isVerified) count += 1;
    return count;
  }

  succeeded(waiting: Waiting, now: number, isWritten: boolean): void {
    this.#bucketFailures = 0;
    this.#pausedUntil = 0;
    Object.assign(waiting, { failures: 0, reason: undefined, damage: undefined });
    if (waiting.isChanged) waiting.dueAt = now;
    else if (isWritten) Object.assign(waiting, { isVerified: true, dueAt: now + SECOND_LOOK_MS });
    else this.#waiting.delete(waiting.workflowId);
  }

  /** It goes to the end, so that one that always breaks the connection is not the only one that is ever tried. */
  failed(waiting: Waiting, now: number, error: UploadError): void {
    waiting.failures += 1;
    waiting.dueAt = now + pauseMs(waiting.failures);
    waiting.reason = error.scope === 'object' ? error.message : undefined;
    this.#waiting.delete(waiting.workflowId);
    this.#waiting.set(waiting.workflowId, waiting);
    if (error.scope === 'object') {
      // The bucket itself has answered.
      this.#bucketFailures = 0;
      return;
    }
    this.#bucketFailures += 1;
    this.#bucketReason = error.message;
    this.#pausedUntil = now + pauseMs(this.#bucketFailures);
  }

  /** The bucket's own, else that of the document that has failed most often. */
  get trouble(): Trouble | undefined {
    if (this.#bucketFailures > 0) {
      return { workflowId: undefined, reason: this.#bucketReason, failures: this.#bucketFailures };
    }
    let worst: Trouble | undefined;
    for (const { workflowId, reason, failures } of this.#waiting.values()) {
      if (reason !== undefined && failures > (worst?.failures ?? 0)) worst = { workflowId, reason, failures };
    }
    return worst;
  }
}

function pauseMs(failures: number): number {
  return Math.min(RETRY_MIN_MS * 2 ** (failures - 1), RETRY_MAX_MS);
}
