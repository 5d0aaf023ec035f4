import type { NotificationGroup, NotificationType } from '../model/notification.ts';

/** Where notifications are sent. */
export interface Receiver {
  /** Names it in answers, logs and its file; never a secret. */
  readonly name: string;
  readonly url: string;
  /** Two while one replaces the other. */
  readonly secrets: readonly string[];
  readonly on: readonly (NotificationType | NotificationGroup)[];
  /** Addresses and networks that the receiver may be at besides public ones. */
  readonly allowAddresses: readonly string[];
  /** URL template of a page, with `{task_id}` or `{workflow_id}`. */
  readonly link: string | undefined;
  /** Whether the filter lets a task pass; undefined: there is no filter. */
  readonly matches: ((taskId: string) => Promise<boolean>) | undefined;
}
