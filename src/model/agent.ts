import type { OutputType, Usage } from './documents.ts';
import type { JsonValue } from './json.ts';

/** One typed piece of an agent's output: a line of 03. Tool fields stand only on `tool_call` and `tool_result`. */
export interface AgentOutput {
  readonly type: OutputType;
  readonly content: string;
  readonly toolName?: string;
  readonly toolInput?: JsonValue;
  readonly toolUseId?: string;
  readonly isError?: boolean;
  /** Further fields of the line, in snake_case: `session_id`, `parent_tool_use_id`, `stream`. */
  readonly more?: Readonly<Record<string, JsonValue>>;
}

/** How one run of an agent ended. `success` is true only when the exit code and the agent's own last word say so. */
export interface AgentOutcome {
  readonly success: boolean;
  readonly result: string | null;
  readonly error: string | null;
  /** `error.type` of the run's span: `exit_code`, `signal`, `timeout`, `spawn`, `agent_error`, `cancelled`. */
  readonly errorType?: string;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly usage: Usage;
  readonly model: string | null;
}

/** Where a run of an agent is recorded. */
export interface AgentRecording {
  /** W3C `traceparent` of the run's span, for the child's environment; undefined when nothing is recorded. */
  readonly traceparent: string | undefined;
  /** A `tool_call` opens an `execute_tool` span, its `tool_result` closes it. */
  output(output: AgentOutput): void;
  model(name: string): void;
  /** Once, in the end. */
  end(outcome: AgentOutcome): void;
}

export interface RunAgentOptions {
  /** Name of the agent for records and spans; default the command's base name. */
  readonly name?: string;
  /** Goes to the agent's standard input, and replaces `{message}` in its arguments. Default: nothing on stdin. */
  readonly input?: string;
  /** How its output is read: `claude`, or `text` (default; each line is `output`). */
  readonly dialect?: string;
  readonly cwd?: string;
  /** `{name}` in an argument -> its text, beside `{message}`. */
  readonly placeholders?: Readonly<Record<string, string>>;
  /** Added to the child's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** After that many milliseconds the child's group gets SIGTERM, and SIGKILL when `graceMs` have passed. Default: no limit. */
  readonly timeoutMs?: number;
  /** Between SIGTERM and SIGKILL. Default: ten seconds. */
  readonly graceMs?: number;
  /** Aborting ends the run like a timeout, as `cancelled`. */
  readonly signal?: AbortSignal;
}
