export interface IndexState {
  /** Whether it has been compared with the folders since its start: then it answers, and changes follow within moments. */
  readonly isComplete: boolean;
  readonly waiting: number;
  /** Those that it had when it was opened, and what was written since. */
  readonly indexed: number;
  /** Whether each word of it stands in one place: not yet after many writes. */
  readonly isMerged: boolean;
  /** Why it is not being written at the moment. */
  readonly problem: string | undefined;
}
