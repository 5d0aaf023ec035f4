/** What a run did, in the order of the beginnings. Inputs and results are hashes: a run may have many megabytes of them. */
export interface RunEntry {
  readonly kind: 'phase' | 'step' | 'tool';
  readonly name: string;
  /** Of a step. */
  readonly phase: string | null;
  readonly at: string;
  /** Null: not known, or not over. */
  readonly seconds: number | null;
  readonly isFailed: boolean;
  /** A hash of the input of a tool call; empty for others. */
  readonly input: string;
  /** A hash of the result of a tool call; empty for others, and while there is none. */
  readonly result: string;
  readonly eventId: string | null;
}

/** One attempt of a task. */
export interface RunRecord {
  readonly taskId: string;
  readonly attempt: number;
  readonly status: string | null;
  /** The beginning of the text, with a hash of a long one. */
  readonly result: string | null;
  readonly error: string | null;
  readonly seconds: number | null;
  readonly costUsd: number | null;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  /** Where cost and tokens are from: the result of the task, or the spans of the attempt's agent runs. */
  readonly amountsFrom: 'result' | 'spans';
  readonly entries: readonly RunEntry[];
  /** Kind and place of each, such as `report docs/a.md`. */
  readonly artifacts: readonly string[];
  /** Entries and artifacts for which there was no room. */
  readonly leftOut: number;
}
