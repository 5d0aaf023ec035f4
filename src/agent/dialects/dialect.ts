import type { AgentOutput } from '../../model/agent-output.ts';
import type { Usage } from '../../model/documents.ts';

/** How one family of programs prints. The one interface of this folder: a further agent is a file with one of these. */
export interface Dialect {
  readonly name: string;
  open(): DialectReader;
  /**
   * The variables that switch on the agent's own telemetry and send it to `endpoint`, an OTLP/HTTP base address.
   * `headers` are written as in OTEL_EXPORTER_OTLP_HEADERS. Absent where an agent takes no such variables.
   */
  telemetryEnv?(endpoint: string, headers?: string): Readonly<Record<string, string>>;
}

/**
 * Reads the standard output of one run. What a call returns depends on nothing but the lines so far: a reader that is
 * given the same lines once more, after a crash, returns the same outputs at the same lines.
 */
export interface DialectReader {
  /** Known as soon as a line has named it. */
  readonly model: string | null;
  /** `line` carries its newline, if it has one. `partial` marks a piece of a line too long to be held whole. */
  read(line: string, partial: boolean): readonly AgentOutput[];
  /** Once, after the last line: what was held back to be joined with a line that never came. */
  end(): readonly AgentOutput[];
  /** What the output so far says about the whole run. */
  verdict(): Verdict;
}

export interface Verdict {
  /** Undefined: this output never says, the exit code decides alone. False also when the last word is missing. */
  readonly success: boolean | undefined;
  readonly result: string | null;
  /** The agent's own words; null when it did not say why. */
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

/** The output ended before the agent's last word. */
export const NO_LAST_WORD: Verdict = { success: false, result: null, error: null, usage: UNKNOWN_USAGE };

/** What no dialect can parse, a piece of an overlong line among it: it is kept as it is. */
export function outputOf(line: string, partial: boolean): AgentOutput {
  return partial
    ? { type: 'output', content: line, more: { partial: true } }
    : { type: 'output', content: line };
}
