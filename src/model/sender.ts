/** Who sent a record, as the holder's receiver found out. Decides what the record may change. */
export type Sender =
  /** A process that knows the trail's token: the service, its workers, library processes, `emit`, `run`. */
  | { readonly kind: 'trail' }
  /** An agent, or a program that it started: its token names the one task that it may write about. */
  | { readonly kind: 'agent'; readonly taskId: string }
  /** Any process on this machine, where no `TASK_LOGS_API_TOKEN` is set. */
  | { readonly kind: 'anonymous' };

export const TRAIL: Sender = { kind: 'trail' };
export const ANONYMOUS: Sender = { kind: 'anonymous' };
