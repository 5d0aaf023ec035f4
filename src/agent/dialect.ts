import type { AgentOutput } from '../model/agent.ts';
import type { Usage } from '../model/documents.ts';

/** How one family of programs prints. The one interface of this folder: a further agent is a file with one of these. */
export interface Dialect {
  readonly name: string;
  open(): DialectReader;
}

/** Reads the standard output of one run. */
export interface DialectReader {
  /** Known as soon as a line has named it. */
  readonly model: string | null;
  /** `line` carries its newline, if it has one. `partial` marks a piece of a line too long to be held whole. */
  read(line: string, partial: boolean): readonly AgentOutput[];
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

/** A piece of an overlong line: no dialect can parse it, so it is kept as it is. */
export function outputOf(line: string, partial: boolean): AgentOutput {
  return partial
    ? { type: 'output', content: line, more: { partial: true } }
    : { type: 'output', content: line };
}
