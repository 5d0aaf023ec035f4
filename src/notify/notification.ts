import { createHash } from 'node:crypto';
import type { NotificationState, NotificationType } from '../model/notification.ts';

/** A notification of one receiver. Times are ISO 8601. */
export interface Notification {
  readonly webhookId: string;
  readonly type: NotificationType;
  /** What it is about: `task <id>` or `workflow <id>`. */
  readonly subject: string;
  readonly queuedAt: string;
  readonly state: NotificationState;
  readonly attempts: number;
  /** Of the last try; null before it. */
  readonly lastAt: string | null;
  readonly lastStatus: number | null;
  readonly lastFailure: string | null;
  /** Of the first failure whose answer may be about the notification itself. */
  readonly refusedSince: string | null;
  /** Null when it is not pending. */
  readonly nextAt: string | null;
  /** Why it was dropped. */
  readonly reason: DropReason | null;
  /** The body. Absent when it is not pending. */
  readonly payload?: string;
}

/** Labels of a metric. */
export const DROP_REASONS = ['expired', 'gone', 'queue_full'] as const;
export type DropReason = (typeof DROP_REASONS)[number];

export interface EventIdentity {
  /** Of the log directory: a workflow may have the same id in two of them. */
  readonly directory: string;
  readonly type: NotificationType;
  /** `task <id>` or `workflow <id>`. */
  readonly subject: string;
  /** What tells events of one type apart: the attempt, or the id of the record. */
  readonly occasion: string;
}

/** The same for the same event, in every process and after every restart: receivers deduplicate by it. */
export function webhookIdOf({ directory, type, subject, occasion }: EventIdentity): string {
  const text = JSON.stringify([directory, type, subject, occasion]);
  return `msg_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`;
}
