import { messageOf } from '../../errors.ts';
import { isoFromMs } from '../../model/time.ts';
import type { DropReason, Notification } from '../notification.ts';
import { notificationLine, type ReceiverTotals, receiverLine } from './outbox-line.ts';
import { OutboxState } from './outbox-state.ts';
import type { OutboxLines } from './storage.ts';

/** Waiting notifications of one receiver. It is full when a receiver is away for days; memory and disk are bounded by it. */
const PENDING_MAX = 5_000;
const PENDING_BYTES_MAX = 16 * 1_048_576;

/** Ends that are remembered, for the list and to recognise an event that is found again after a restart. */
const ENDED_MAX = 5_000;
const ENDED_MS = 4 * 86_400_000;

/** A file is replaced when this much of it is no longer needed. */
const REWRITE_BYTES_MIN = 262_144;

export interface OutboxOptions {
  readonly lines: OutboxLines;
  readonly now: () => number;
}

/**
 * The notifications of one receiver, in memory and in lines. A change is in a line when its method resolves, so that nothing is
 * lost with the process. While no line can be written, changes are kept in memory and written later.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  #state = new OutboxState();
  readonly #pending = new Map<string, Notification>();
  #pendingBytes = 0;
  #bytes = 0;
  /** Bytes of the file when it was replaced. */
  #liveBytes = 0;
  #isUnsynced = false;
  /** Why the file lacks something that is in memory. */
  #behind: string | undefined;
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Reads the file of an earlier process, and replaces it by one without what is no longer needed. */
  static async open(options: OutboxOptions): Promise<Outbox> {
    const outbox = new Outbox(options);
    try {
      outbox.#state = (await options.lines.read()) ?? outbox.#state;
    } catch (error) {
      // The lines in it are not known, and must not be written over.
      outbox.#behind = `they cannot be read: ${messageOf(error)}`;
      throw error;
    }
    for (const one of outbox.#state.all) if (one.state === 'pending') outbox.#addPending(one);
    const { totals } = outbox.#state;
    const now = isoFromMs(options.now());
    // A clock that was ahead then would let nothing pass.
    if (totals.begunAt === '' || totals.begunAt > now) totals.begunAt = now;
    await outbox.#serially(() => outbox.#rewrite());
    return outbox;
  }

  /** Oldest first. */
  get pending(): Iterable<Notification> {
    return this.#pending.values();
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  get totals(): Readonly<ReceiverTotals> {
    return this.#state.totals;
  }

  /** Why the file is not up to date; undefined when it is. */
  get behind(): string | undefined {
    return this.#behind;
  }

  get isFull(): boolean {
    return this.#pending.size >= PENDING_MAX || this.#pendingBytes >= PENDING_BYTES_MAX;
  }

  has(webhookId: string): boolean {
    return this.#state.get(webhookId) !== undefined;
  }

  /** A new notification, or the new state of one. */
  async set(one: Notification): Promise<void> {
    const isNew = !this.has(one.webhookId);
    this.#state.set(one);
    const stored = this.#state.get(one.webhookId);
    this.#removePending(one.webhookId);
    if (stored?.state === 'pending') this.#addPending(stored);
    await this.#serially(() => this.#append(notificationLine(one, isNew)));
  }

  /** Ends all that wait. */
  async dropAll(reason: DropReason): Promise<void> {
    for (const one of [...this.#pending.values()])
      await this.set({ ...one, state: 'dropped', reason, nextAt: null });
  }

  /** That the receiver at this address has answered that it is gone; undefined: it is not any more. */
  async setGone(url: string | undefined): Promise<void> {
    const { totals } = this.#state;
    totals.goneAt = url === undefined ? null : isoFromMs(this.#options.now());
    totals.goneUrl = url ?? null;
    await this.#serially(() => this.#append(receiverLine(totals, isoFromMs(this.#options.now()))));
  }

  /** Makes the file durable, and writes what it lacks. False when it cannot be written. */
  async sync(): Promise<boolean> {
    await this.#serially(async () => {
      const isLarge = this.#bytes > REWRITE_BYTES_MIN + 2 * this.#liveBytes;
      if (this.#behind !== undefined || isLarge || this.#forgetOld()) await this.#rewrite();
      else if (this.#isUnsynced) await this.#syncFile();
    });
    return this.#behind === undefined;
  }

  #addPending(one: Notification): void {
    this.#pending.set(one.webhookId, one);
    this.#pendingBytes += one.payload?.length ?? 0;
  }

  /** Keeps the place in the order of those that stay pending: a Map keeps the place of a key that is set again. */
  #removePending(webhookId: string): void {
    const before = this.#pending.get(webhookId);
    if (before === undefined) return;
    this.#pendingBytes -= before.payload?.length ?? 0;
    if (this.#state.get(webhookId)?.state !== 'pending') this.#pending.delete(webhookId);
  }

  async #append(text: string): Promise<void> {
    // A rewrite writes everything, in order.
    if (this.#behind !== undefined) return;
    try {
      await this.#options.lines.append(text);
      this.#bytes += Buffer.byteLength(text);
      this.#isUnsynced = true;
    } catch (error) {
      // A part of the line may be there: the file is replaced before the next one.
      this.#behind = messageOf(error);
    }
  }

  async #rewrite(): Promise<void> {
    this.#forgetOld();
    const ended: string[] = [];
    const waiting: string[] = [];
    for (const one of this.#state.all)
      (one.state === 'pending' ? waiting : ended).push(notificationLine(one, true));
    // Totals after the ends that they have counted.
    const totals = receiverLine(this.#state.totals, isoFromMs(this.#options.now()));
    const text = [...ended, totals, ...waiting].join('');
    try {
      await this.#options.lines.replace(text);
      this.#behind = undefined;
      this.#bytes = Buffer.byteLength(text);
      this.#liveBytes = this.#bytes;
      this.#isUnsynced = false;
    } catch (error) {
      this.#behind = messageOf(error);
    }
  }

  async #syncFile(): Promise<void> {
    try {
      await this.#options.lines.sync();
      this.#isUnsynced = false;
    } catch (error) {
      // A failed sync is not trusted by a second one.
      this.#behind = messageOf(error);
    }
  }

  /** Forgets old ends. True when there were some that still stand in the file for long. */
  #forgetOld(): boolean {
    const oldest = isoFromMs(this.#options.now() - ENDED_MS);
    let surplus = this.#state.size - this.#pending.size - ENDED_MAX;
    let forgotten = 0;
    for (const one of [...this.#state.all]) {
      if (one.state === 'pending') continue;
      const isOld = (one.lastAt ?? one.queuedAt) < oldest;
      if (!isOld && surplus <= 0) continue;
      this.#state.forget(one.webhookId);
      surplus -= 1;
      forgotten += 1;
    }
    return forgotten > ENDED_MAX / 10;
  }

  /** Appends and rewrites never overlap. */
  #serially(work: () => Promise<void>): Promise<void> {
    const done = this.#tail.then(work);
    this.#tail = done.catch(() => {});
    return done;
  }
}
