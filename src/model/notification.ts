import type { JsonObject } from './json.ts';
import { isFailure } from './workflow.ts';

/** Events that are sent outward. A new one is a row here. */
export const NOTIFICATION_TYPES = [
  'task.completed',
  'task.failed',
  'task.cancelled',
  'task.abandoned',
  'task.waiting_input',
  'task.budget_warning',
  'task.budget_exceeded',
  'workflow.completed',
  'workflow.failed',
  'workflow.cancelled',
  'workflow.approval_requested',
] as const;
export type NotificationType = (typeof NOTIFICATION_TYPES)[number];

/** What a receiver may name instead of single events. */
export const NOTIFICATION_GROUPS = ['task.*', 'workflow.*'] as const;
export type NotificationGroup = (typeof NOTIFICATION_GROUPS)[number];

/** Whether one of the named events or groups is this event. */
export function isWanted(
  type: NotificationType,
  on: readonly (NotificationType | NotificationGroup)[],
): boolean {
  return on.some((one) => one === type || (one.endsWith('.*') && type.startsWith(one.slice(0, -1))));
}

export const NOTIFICATION_STATES = ['pending', 'delivered', 'dropped'] as const;
export type NotificationState = (typeof NOTIFICATION_STATES)[number];

/** The event of a workflow's end. A word of the orchestrator's own that is no failure counts as completed. */
export function typeOfWorkflowEnd(status: string | null): NotificationType {
  if (isFailure(status)) return 'workflow.failed';
  return status === 'cancelled' ? 'workflow.cancelled' : 'workflow.completed';
}

export interface NotificationQuery {
  readonly receiver?: string | undefined;
  readonly state?: NotificationState | undefined;
  readonly type?: NotificationType | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
  /** The query as it was asked, without cursor and limit. */
  readonly asked?: string | undefined;
}

/** Newest first. */
export interface NotificationPage {
  readonly items: readonly JsonObject[];
  readonly nextCursor: string | null;
}
