import type { AgentOutput } from '../../model/agent-output.ts';
import type { Usage } from '../../model/documents.ts';
import type { JsonObject } from '../../model/json.ts';

/** The output format of one agent CLI. Each file of this folder that is named after a CLI exports one. */
export interface Dialect {
  readonly name: string;
  open(): DialectReader;
  /**
   * Whether this message can only be of this agent, or, for a format that several agents share, most likely is. Absent in
   * a dialect that has no messages.
   */
  recognises?(message: JsonObject): boolean;
  /**
   * The variables that switch on the agent's own telemetry and send it to `endpoint`, an OTLP/HTTP base address.
   * `headers` are written as in OTEL_EXPORTER_OTLP_HEADERS. Absent where an agent takes no such variables.
   */
  telemetryEnv?(endpoint: string, headers?: string): Readonly<Record<string, string>>;
}

/**
 * Reads the standard output of one run. The outputs depend only on the lines read so far: after a crash another reader
 * returns the same outputs for the same lines.
 */
export interface DialectReader {
  /** Null until a line names the model. */
  readonly model: string | null;
  /** `line` includes its newline, if it has one. `partial` marks a piece of a line over the length limit. */
  read(line: string, partial: boolean): readonly AgentOutput[];
  /** Called once, after the last line. Returns the outputs that were held back to be joined with later lines. */
  end(): readonly AgentOutput[];
  /** Verdict on the whole run from the lines so far. */
  verdict(): Verdict;
  /** What it has used so far, at least, also in the middle of a run; absent where only the last message has it. */
  spent?(): Usage;
  /**
   * Whether the agent has said its last word and nothing of the run is still open, so that it should exit now. False
   * again when it goes on after all. Never true in a dialect without a last word.
   */
  readonly isFinal: boolean;
}

export interface Verdict {
  /** Undefined in a dialect without a result line: the exit code decides. False when the result line is missing. */
  readonly success: boolean | undefined;
  readonly result: string | null;
  /** The agent's own message; null when it gave none. */
  readonly error: string | null;
  readonly usage: Usage;
}

export const UNKNOWN_USAGE: Usage = {
  costUsd: null,
  inputTokens: null,
  outputTokens: null,
  cacheReadInputTokens: null,
  cacheCreationInputTokens: null,
};

/** The output has no result line. */
export const NO_RESULT: Verdict = { success: false, result: null, error: null, usage: UNKNOWN_USAGE };

/** Keeps a line that a dialect cannot parse, or a piece of one, as plain output. */
export function outputOf(line: string, partial: boolean): AgentOutput {
  return partial
    ? { type: 'output', content: line, more: { partial: true } }
    : { type: 'output', content: line };
}
