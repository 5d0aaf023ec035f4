import type { Budget, Spent } from './budget.ts';
import type { OutputType, Usage } from './documents.ts';
import type { SpanIds } from './fact.ts';
import type { JsonValue } from './json.ts';

/** One typed output of an agent: a line of `03-agent-output.jsonl`. Only `tool_call` and `tool_result` have tool fields. */
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

/** How a run of an agent ended. `success` requires both the exit code and the agent's own result to say so. */
export interface AgentOutcome {
  readonly success: boolean;
  readonly result: string | null;
  readonly error: string | null;
  /** `error.type` of the run's span: `exit_code`, `signal`, `timeout`, `spawn`, `agent_error`, `cancelled`, `budget_exceeded`, `out_of_memory`, `output_limit`, `lost`. */
  readonly errorType?: string;
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** Of an agent whose counts cover a whole thread (`usage.threads`): all of the thread, earlier runs included. */
  readonly usage: Usage;
  readonly model: string | null;
  /** The agent did not exit after its last word and was ended. Its last word decided about `success`. */
  readonly lingered?: boolean;
  /** Seconds from the start of the agent to its end; absent when it was not started. */
  readonly durationSeconds?: number;
}

/** What is recorded when a budget is nearly used, or used up. */
export interface BudgetNotice {
  readonly kind: string;
  readonly used: number;
  readonly limit: number;
  readonly exceeded: boolean;
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
}

export type OutputStream = 'stdout' | 'stderr';

/** The position of an output in its run. Every process that reads the files of the run gets the same position. */
export interface OutputPlace {
  readonly stream: OutputStream;
  /** Number of the line, or of the piece of an overlong line, in its stream; from 0. */
  readonly line: number;
  /** Number of the output within its line; from 0. */
  readonly index: number;
  /** When the line was first read; milliseconds since the epoch. */
  readonly timeMs: number;
}

/** The span of a run and its start. A process that resumes the run records it under the same ids. */
export interface RunOrigin extends SpanIds {
  readonly startedAtMs: number;
}

/** Records a run of an agent. */
export interface AgentRecording {
  /** W3C `traceparent` of the run's span, for the child's environment; undefined when nothing is recorded. */
  readonly traceparent: string | undefined;
  /** For a process that resumes the recording; undefined when nothing is recorded. */
  readonly origin: RunOrigin | undefined;
  /** A `tool_call` opens an `execute_tool` span, its `tool_result` ends it. Two outputs with the same place are one record. */
  output(output: AgentOutput, place: OutputPlace): void;
  /** Passes an output that an earlier process has recorded. */
  replay(output: AgentOutput, place: OutputPlace): void;
  model(name: string): void;
  /** What the task has used if this run has used so much: its earlier runs included. */
  used?(usage: Usage): Spent;
  notice?(notice: BudgetNotice): void;
  /** Writes all records so far to the operating system before it returns. */
  flush(): void;
  /** Called once. */
  end(outcome: AgentOutcome): void;
}

export interface RunAgentOptions {
  /** Name of the agent on records and spans. Default: the base name of the command. */
  readonly name?: string;
  /** Text for the agent's standard input and for `{message}` in its arguments. Default: empty stdin. */
  readonly input?: string;
  /**
   * Output format: `claude`, `codex`, `cursor`, `gemini`, `opencode`, `qwen`, `text` (each line is an `output`), or `auto`
   * (default): the first message that one of them prints decides, and output without such a message is `text`.
   */
  readonly dialect?: string;
  /** Switches on the agent's own telemetry if the dialect supports it; it is stored in the same task. Default false. */
  readonly telemetry?: boolean;
  readonly cwd?: string;
  /** Texts for `{name}` in the arguments, in addition to `{message}`. */
  readonly placeholders?: Readonly<Record<string, string>>;
  /**
   * Added to the child's environment, which has no other variables of this process than PATH, HOME, locale, terminal and the
   * like, and those that `TASK_LOGS_AGENT_ENV` names. Values with a secret of the service in them are left out.
   */
  readonly env?: Readonly<Record<string, string>>;
  /** The user to run as, for a process that is root: a name, or `uid:gid`. Default `TASK_LOGS_AGENT_USER`. */
  readonly user?: string;
  /** Milliseconds until the process group gets SIGTERM, and SIGKILL after another `graceMs`. Default: no limit. */
  readonly timeoutMs?: number;
  /**
   * What the task may use with all its runs. At 80 % a notice is recorded; at the limit the process group is ended, and the run
   * fails as `budget_exceeded`.
   */
  readonly budget?: Budget;
  /** What earlier attempts of the task have used, beside the runs that this attempt continues. Default: nothing. */
  readonly spent?: Spent;
  /** Milliseconds between SIGTERM and SIGKILL. Default 10 seconds. */
  readonly graceMs?: number;
  /** Milliseconds for the agent to exit after its last word, before its process group is ended. Default 30 seconds. */
  readonly lingerMs?: number;
  /** Gets the raw bytes of both streams as they are read; must not throw. */
  readonly onOutput?: (stream: OutputStream, bytes: Uint8Array) => void;
  /**
   * Identifies the run within its task. After a kill, another worker adopts the run with this key instead of starting it
   * again. Default: the number of the run.
   */
  readonly key?: string;
  /**
   * An abort ends the run like a timeout, as `cancelled`. With the reason `closing` a run that has said its last word keeps
   * that as its end.
   */
  readonly signal?: AbortSignal;
}
