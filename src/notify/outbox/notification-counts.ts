import type { NotificationCounts } from '../../books.ts';
import type { Notification } from '../notification.ts';
import type { OutboxState } from './outbox-state.ts';
import type { Outbox } from './receiver-outbox.ts';

export function countsOf({
  totals,
  pendingCount,
}: Pick<Outbox, 'totals' | 'pendingCount'>): NotificationCounts {
  const { delivered, dropped } = totals;
  const lost = Object.values(dropped).reduce((sum, count) => sum + count, 0);
  return { due: delivered + pendingCount + lost, delivered, pending: pendingCount, dropped: { ...dropped } };
}

/** Why a receiver gets nothing now; undefined: it does. A text without secrets. */
export function troubleOf({ totals, pending, pendingCount }: PendingPart): string | undefined {
  if (totals.goneAt !== null)
    return `it answered 410 at ${totals.goneAt} and gets no more notifications: change its url, or remove its file in _notify, to begin again`;
  let worst: Notification | undefined;
  for (const one of pending) if (one.attempts > (worst?.attempts ?? 0)) worst = one;
  if (worst === undefined) return undefined;
  const tries = worst.attempts === 1 ? 'one try' : `${worst.attempts} tries`;
  return `${pendingCount} waiting; ${tries} of ${worst.webhookId} failed, the last at ${worst.lastAt}: ${worst.lastFailure}; next try at ${worst.nextAt}`;
}

type PendingPart = Pick<Outbox, 'totals' | 'pending' | 'pendingCount'>;

/** The same parts of a file that was read. */
export function pendingPart(state: OutboxState): PendingPart {
  const pending = [...state.all].filter((one) => one.state === 'pending');
  return { totals: state.totals, pending, pendingCount: pending.length };
}
