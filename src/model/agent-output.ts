import type { OutputType, Usage } from './documents.ts';
import type { SpanIds } from './fact.ts';
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
  /** `error.type` of the run's span: `exit_code`, `signal`, `timeout`, `spawn`, `agent_error`, `cancelled`, `out_of_memory`, `output_limit`, `lost`. */
  readonly errorType?: string;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly usage: Usage;
  readonly model: string | null;
}

export type OutputStream = 'stdout' | 'stderr';

/** Where an output stands in its run: the same for every process that reads the run's files. */
export interface OutputPlace {
  readonly stream: OutputStream;
  /** Of the line, or the piece of an overlong one, in its stream; from 0. */
  readonly line: number;
  /** Among the outputs that this line gives; from 0. */
  readonly index: number;
  /** When the line was first read; milliseconds. */
  readonly timeMs: number;
}

/** The span of a run, and when it began: whoever goes on with the run records it under the same ids. */
export interface RunOrigin extends SpanIds {
  readonly startedAtMs: number;
}

/** Where a run of an agent is recorded. */
export interface AgentRecording {
  /** W3C `traceparent` of the run's span, for the child's environment; undefined when nothing is recorded. */
  readonly traceparent: string | undefined;
  /** What a process needs that goes on with the recording; undefined when nothing is recorded. */
  readonly origin: RunOrigin | undefined;
  /** A `tool_call` opens an `execute_tool` span, its `tool_result` closes it. Twice the same place is one record. */
  output(output: AgentOutput, place: OutputPlace): void;
  /** An output that an earlier process has recorded already. */
  replay(output: AgentOutput, place: OutputPlace): void;
  model(name: string): void;
  /** What was recorded so far is with the operating system when this returns. */
  flush(): void;
  /** Once, in the end. */
  end(outcome: AgentOutcome): void;
}

export interface RunAgentOptions {
  /** Name of the agent for records and spans; default the command's base name. */
  readonly name?: string;
  /** Goes to the agent's standard input, and replaces `{message}` in its arguments. Default: nothing on stdin. */
  readonly input?: string;
  /** How its output is read: `claude`, `codex`, `gemini`, `opencode`, or `text` (default; each line is `output`). */
  readonly dialect?: string;
  /** Switches on the agent's own telemetry, where its dialect knows how; it lands in the same task. Default false. */
  readonly telemetry?: boolean;
  readonly cwd?: string;
  /** `{name}` in an argument -> its text, beside `{message}`. */
  readonly placeholders?: Readonly<Record<string, string>>;
  /** Added to the child's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** After that many milliseconds the child's group gets SIGTERM, and SIGKILL when `graceMs` have passed. Default: no limit. */
  readonly timeoutMs?: number;
  /** Between SIGTERM and SIGKILL. Default: ten seconds. */
  readonly graceMs?: number;
  /** Gets the raw bytes of both streams, in order, as they are read; must not throw. */
  readonly onOutput?: (stream: OutputStream, bytes: Uint8Array) => void;
  /**
   * Which run of the task this is, for a worker that goes on after another one was killed: a run of the same key is
   * adopted instead of started again. Default: its number among the task's runs.
   */
  readonly key?: string;
  /** Aborting ends the run like a timeout, as `cancelled`. */
  readonly signal?: AbortSignal;
}
