export type StepKind = 'attempt' | 'workflow' | 'phase' | 'step' | 'agent' | 'tool';

/** A span of a task: what was done, from when to when. */
export interface TaskStep {
  readonly kind: StepKind;
  readonly name: string;
  readonly phase: string | null;
  readonly step: string | null;
  readonly attempt: number;
  readonly at: string;
  readonly seconds: number;
  readonly isFailed: boolean;
  readonly errorType: string | null;
  readonly spanId: string;
  /** Null: not known. */
  readonly parentId: string | null;
  readonly costUsd: number | null;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
}
