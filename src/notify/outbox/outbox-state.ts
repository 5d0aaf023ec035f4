import type { Notification } from '../notification.ts';
import type { OutboxLine, ReceiverTotals } from './outbox-line.ts';

/** What the lines of a receiver's file say together. The last line about a notification counts. */
export class OutboxState {
  readonly #notifications = new Map<string, Notification>();
  totals: ReceiverTotals = { begunAt: '', delivered: 0, dropped: {}, goneAt: null, goneUrl: null };

  /** In the order in which they were queued. */
  get all(): Iterable<Notification> {
    return this.#notifications.values();
  }

  get size(): number {
    return this.#notifications.size;
  }

  get(webhookId: string): Notification | undefined {
    return this.#notifications.get(webhookId);
  }

  /** A line of the file. Totals count what came before them; the lines after them count themselves. */
  add(line: OutboxLine): void {
    if (line.kind === 'receiver') {
      this.totals = { ...line.totals, dropped: { ...line.totals.dropped } };
      return;
    }
    this.set(line.notification);
  }

  /** A new state of a notification. Its end is counted once. */
  set(one: Notification): void {
    const before = this.#notifications.get(one.webhookId);
    // An end is never undone.
    if (before !== undefined && before.state !== 'pending') return;
    const { payload = before?.payload, ...rest } = one;
    const isPending = one.state === 'pending';
    this.#notifications.set(one.webhookId, {
      ...rest,
      ...(isPending && payload !== undefined && { payload }),
    });
    if (one.state === 'delivered') this.totals.delivered += 1;
    if (one.state === 'dropped' && one.reason !== null)
      this.totals.dropped[one.reason] = (this.totals.dropped[one.reason] ?? 0) + 1;
  }

  forget(webhookId: string): void {
    this.#notifications.delete(webhookId);
  }
}
