import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../errors.ts';
import { isoFromMs } from '../../model/time.ts';
import type { Notification } from '../notification.ts';
import type { Receiver } from '../notify-receiver.ts';
import type { Outbox } from '../outbox/receiver-outbox.ts';
import { AddressGuard } from './address-guard.ts';
import { GONE, isAboutNotification, pauseMs, RETRY_MS_MAX, type SendOutcome } from './send-outcome.ts';
import { post } from './send-request.ts';
import { signedHeaders } from './signed-headers.ts';

/** So long a notification that is refused for itself holds back all later ones: a receiver that is repaired meanwhile gets them in order. */
const HOLD_BACK_MS = 1_800_000;

/** Longest wait without a look at the clock, which may be set. */
const LOOK_MS = 60_000;

/** Pause after a defect of this program, so that it is no loop. */
const DEFECT_MS = 5_000;

export interface SendingOptions {
  readonly receiver: Receiver;
  readonly outbox: Outbox;
  readonly now: () => number;
  /** Whether this process still may send, and no other one: asked before each try. */
  holds(): Promise<boolean>;
  /** Called after each change of what waits. */
  onChange(): void;
  log(line: string): void;
  /** Default: the request over the network. */
  readonly send?: typeof post;
  readonly random?: () => number;
}

/** Sends the notifications of one receiver, one at a time and in order. */
export class Sending {
  readonly #options: SendingOptions;
  readonly #guard: AddressGuard;
  readonly #closing = new AbortController();
  #wake = new AbortController();
  #running: Promise<void> | undefined;
  #isSending = false;

  constructor(options: SendingOptions) {
    this.#options = options;
    this.#guard = new AddressGuard(options.receiver.allowAddresses);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** There may be something to send. */
  wake(): void {
    this.#wake.abort();
  }

  /** Whether something is being sent, or is to be sent now. */
  get isBusy(): boolean {
    return this.#isSending || typeof this.#next() !== 'number';
  }

  /** Breaks off a request that runs: it is sent again, under its id. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#wake.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      this.#wake = new AbortController();
      try {
        const next = this.#next();
        if (typeof next === 'number') await this.#wait(next);
        else {
          this.#isSending = true;
          await this.#try(next).finally(() => {
            this.#isSending = false;
          });
        }
      } catch (error) {
        this.#options.log(`notifications to ${this.#options.receiver.name}: ${messageOf(error)}`);
        await this.#wait(DEFECT_MS);
      }
    }
  }

  /** What is to be sent now, or milliseconds until the next look. */
  #next(): Notification | number {
    const { outbox, now } = this.#options;
    const at = isoFromMs(now());
    const heldBack = new Set<string>();
    let first: string | undefined;
    for (const one of outbox.pending) {
      if (heldBack.has(one.subject)) continue;
      const dueAt = one.nextAt ?? at;
      if (dueAt <= at) return one;
      first = first === undefined || dueAt < first ? dueAt : first;
      // It holds back all that come later, or those about the same task.
      if (!this.#isReleased(one)) break;
      heldBack.add(one.subject);
    }
    return first === undefined ? LOOK_MS : Math.min(LOOK_MS, Math.max(1, Date.parse(first) - now()));
  }

  #isReleased({ refusedSince }: Notification): boolean {
    return refusedSince !== null && this.#options.now() - Date.parse(refusedSince) >= HOLD_BACK_MS;
  }

  async #wait(ms: number): Promise<void> {
    // Aborted by `wake` and by `close`. Does not keep the process alive.
    await delay(ms, undefined, { signal: this.#wake.signal, ref: false }).catch(() => {});
  }

  async #try(one: Notification): Promise<void> {
    const { receiver, outbox, now, holds, send = post, onChange } = this.#options;
    const payload = one.payload ?? '';
    const headers = await signedHeaders(receiver.secrets, {
      webhookId: one.webhookId,
      payload,
      at: new Date(now()),
    });
    // Asked last: after a pause another process may send it.
    if (!(await holds())) return this.#wait(DEFECT_MS);
    const outcome = await send(new URL(receiver.url), payload, {
      ...{ guard: this.#guard, headers, signal: this.#closing.signal },
    });
    if (this.#closing.signal.aborted && outcome.failure !== undefined) return;
    await outbox.set(this.#after(one, outcome));
    if (outcome.status === GONE) {
      await outbox.setGone(urlHash(receiver.url));
      await outbox.dropAll('gone');
      this.#options.log(
        `notifications to ${receiver.name} have ended: it answered 410. Change its url in the configuration to begin again`,
      );
    }
    onChange();
  }

  #after(one: Notification, { status, failure, retryAfterMs = 0 }: SendOutcome): Notification {
    const nowMs = this.#options.now();
    const at = isoFromMs(nowMs);
    const attempts = one.attempts + 1;
    const tried = { ...one, attempts, lastAt: at, lastStatus: status ?? null, lastFailure: failure ?? null };
    if (failure === undefined) return { ...tried, state: 'delivered', nextAt: null };
    if (status === GONE) return { ...tried, state: 'dropped', reason: 'gone', nextAt: null };
    if (nowMs - Date.parse(one.queuedAt) >= RETRY_MS_MAX)
      return { ...tried, state: 'dropped', reason: 'expired', nextAt: null };
    const waitMs = Math.max(pauseMs(attempts, this.#options.random), retryAfterMs);
    const isAbout = status !== undefined && isAboutNotification({ status });
    return {
      ...tried,
      nextAt: isoFromMs(nowMs + waitMs),
      refusedSince: isAbout ? (one.refusedSince ?? at) : null,
    };
  }
}

/** A URL may hold a secret: files have this. */
export function urlHash(url: string): string {
  return createHash('sha256').update(url).digest('hex').slice(0, 16);
}
