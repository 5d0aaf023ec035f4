import { type Context, context, createContextKey } from '@opentelemetry/api';
import { TasktrailError } from '../errors.ts';
import type { AgentOutcome, AgentOutput, AgentRecording, RunAgentOptions } from '../model/agent.ts';
import { ATTR } from '../model/attributes.ts';
import type { TerminalStatus, Usage } from '../model/documents.ts';
import { EVENT } from '../model/events.ts';
import { type JsonObject, type JsonValue, toJsonValue } from '../model/json.ts';
import { isoFromMs } from '../model/time.ts';
import { safeContent } from '../redact/content.ts';
import { AgentRun } from './agent-run.ts';
import { mintMoment } from './mint.ts';
import { outputRecord } from './output.ts';
import type { SpanAttributes } from './recorder.ts';
import { activeScope, failureOf, type Scope } from './scope.ts';
import { UsageTotal } from './usage.ts';
import { openWorkflow, type Workflow, type WorkflowOptions, type WorkflowPlace } from './workflow.ts';

const TASK = createContextKey('tasktrail.task');

export interface TaskEnd {
  /** The agent's or the program's own last word. Default: the last agent run's. */
  readonly result?: string | null;
  readonly error?: string | null;
  readonly status?: TerminalStatus;
}

/** What a task was asked, as `01-input.json` has it. */
export interface TaskText {
  readonly message: string;
  readonly source_metadata: JsonObject;
}

export interface TaskIdentity {
  readonly id: string;
  readonly attempt: number;
  readonly message: string;
  readonly sourceMetadata?: JsonObject;
}

/** Runs an agent for a task; handed in by the package's entries, because starting programs lies above recording. */
export type AgentRunner = (
  command: readonly string[],
  options: RunAgentOptions,
  recording: AgentRecording & { readonly taskId: string; readonly attempt: number; readonly input: TaskText },
) => Promise<AgentOutcome>;

let runner: AgentRunner | undefined;

export function setAgentRunner(agentRunner: AgentRunner): void {
  runner = agentRunner;
}

/** An agent run that did not succeed; `outcome` says how it ended. */
export class AgentFailedError extends TasktrailError {
  readonly outcome: AgentOutcome;

  constructor(name: string, outcome: AgentOutcome) {
    super(
      'ERR_AGENT_FAILED',
      `agent ${name} failed: ${outcome.error ?? outcome.errorType ?? 'no reason given'}`,
    );
    this.name = 'AgentFailedError';
    this.outcome = outcome;
  }
}

/**
 * One attempt at a task. What is recorded through it goes to the directory of `id`, and its spans stand below the
 * attempt's own. Every method may be called at any time and none throws for a reason of recording.
 */
export class Task {
  readonly id: string;
  readonly attempt: number;
  /** The person's own text. */
  readonly message: string;
  /** What triggered it, as far as it travelled with the task. */
  readonly sourceMetadata: JsonObject;
  readonly context: Context;
  /** On every record of the task. */
  readonly attributes: Readonly<Record<string, JsonValue>>;
  readonly #scope: Scope;
  readonly #usage = new UsageTotal();
  #lastResult: string | null = null;

  constructor(scope: Scope, identity: TaskIdentity) {
    this.id = identity.id;
    this.attempt = identity.attempt;
    this.message = identity.message;
    this.sourceMetadata = identity.sourceMetadata ?? {};
    this.#scope = scope;
    this.attributes = { [ATTR.taskId]: identity.id, [ATTR.attempt]: identity.attempt };
    this.context = scope.context.setValue(TASK, this);
  }

  /** On every span of the task. */
  get spanAttributes(): SpanAttributes {
    return { [ATTR.taskId]: this.id, [ATTR.attempt]: this.attempt };
  }

  get traceparent(): string | undefined {
    return this.#scope.traceparent;
  }

  /** Fields to merge into `metadata.json`; null and unknown ones replace nothing. */
  metadata(fields: JsonObject): void {
    const { assigned_agent: agent, model } = fields;
    this.#scope.setAttributes({
      [ATTR.genAiAgentName]: typeof agent === 'string' ? agent : undefined,
      [ATTR.genAiRequestModel]: typeof model === 'string' ? model : undefined,
    });
    this.#scope.emit(EVENT.metadata, { body: fields, attributes: this.attributes });
  }

  /** Running, or waiting for a person. Terminal statuses come from `end`, `fail` and `cancel` alone. */
  status(status: 'running' | 'waiting_input'): void {
    this.metadata({ status });
  }

  /** One line of `03-agent-output.jsonl`; plain text keeps its newline. Content is cut at 1 MiB. */
  output(output: AgentOutput | string): void {
    if (!this.#scope.recording) return;
    const { body, attributes } = outputRecord(
      typeof output === 'string' ? { type: 'output', content: output } : output,
    );
    this.#here().emit(EVENT.output, { body, attributes: { ...this.attributes, ...attributes } });
  }

  /** Adds to the task's cost and tokens. What is unknown is left out, never 0. */
  usage(usage: Usage): void {
    this.#usage.add(usage);
  }

  /** Opens a workflow, runs `fn` with it and closes it whatever happens; `fn`'s own exception comes back unchanged. */
  async workflow<T>(
    name: string,
    options: WorkflowOptions,
    fn: (workflow: Workflow) => Promise<T> | T,
  ): Promise<T> {
    return this.startWorkflow(name, options).run(fn);
  }

  /** The pair form of `workflow`: close it with `.end()` or `.fail(error)`. */
  startWorkflow(name: string, options: WorkflowOptions = {}): Workflow {
    return this.linkWorkflow((place) => openWorkflow(name, { ...options, ...place }));
  }

  /** Opens a workflow, in whichever way, below what goes on in this task, and lets each know of the other. */
  linkWorkflow(open: (place: WorkflowPlace) => Workflow): Workflow {
    const workflow = open({ taskAttributes: this.attributes, parent: this.#parent() });
    this.metadata({ workflow_ids: [workflow.id] });
    return workflow;
  }

  /**
   * Starts a command line as this task's agent and records its output, typed by the dialect. Resolves with how it
   * ended; rejects with `AgentFailedError` when it did not succeed.
   */
  async runAgent(command: readonly string[], options: RunAgentOptions = {}): Promise<AgentOutcome> {
    if (runner === undefined)
      throw new TypeError("import 'tasktrail' or 'tasktrail/agent' before running an agent");
    const name = options.name ?? command[0]?.split(/[\\/]/).pop() ?? 'agent';
    const run = new AgentRun(this, name, this.#parent());
    const input = { message: this.message, source_metadata: this.sourceMetadata };
    const recording = Object.assign(run, { taskId: this.id, attempt: this.attempt, input });
    const start = runner;
    let outcome: AgentOutcome;
    try {
      outcome = await context.with(run.context, async () => start(command, options, recording));
    } catch (error) {
      run.end(outcomeOfError(error));
      throw error;
    }
    // The runner has ended it itself, as a rule; a second end does nothing.
    run.end(outcome);
    this.#lastResult = outcome.result ?? this.#lastResult;
    if (!outcome.success) throw new AgentFailedError(name, outcome);
    return outcome;
  }

  /** The attempt succeeded and the task is over. */
  end(end: TaskEnd = {}): void {
    this.#finish({ ...end, status: end.status ?? 'completed' });
  }

  /** The attempt failed and the task is over. */
  fail(error: unknown): void {
    this.#finish({ status: 'failed', error: failureOf(error).message }, failureOf(error).errorType);
  }

  cancel(reason: string): void {
    this.#finish({ status: 'cancelled', error: reason }, 'cancelled');
  }

  /**
   * This attempt failed and another will follow: no result, the status goes back to `queued`, and `more` is merged into
   * `metadata.json`.
   */
  retryLater(error: unknown, more: JsonObject = {}): void {
    if (this.#scope.ended) return;
    const failure = failureOf(error);
    this.output({ type: 'error', content: failure.message, more: { error_type: failure.errorType } });
    const next = this.attempt + 1;
    this.#scope.emit(EVENT.metadata, {
      body: { ...more, status: 'queued', attempt: next },
      attributes: { ...this.attributes, [ATTR.attempt]: next },
    });
    this.#scope.end(failure);
  }

  #finish(end: TaskEnd & { readonly status: TerminalStatus }, errorType?: string): void {
    if (this.#scope.ended) return;
    const moment = mintMoment();
    const success = end.status === 'completed';
    const seconds = Math.max(0, moment.timeMs - this.#scope.startedAtMs) / 1000;
    this.#scope.emit(EVENT.result, {
      body: {
        success,
        result: lastWord(end.result ?? this.#lastResult),
        error: lastWord(end.error ?? null),
        metrics: this.#usage.metrics(seconds),
        completed_at: isoFromMs(moment.timeMs),
        status: end.status,
      },
      attributes: this.attributes,
      moment,
    });
    if (success) this.#scope.end();
    else this.#scope.end({ errorType: errorType ?? end.status, ...(end.error && { message: end.error }) });
  }

  /** The innermost open scope when it belongs to this task, else the attempt itself. */
  #here(): Scope {
    const scope = activeScope();
    return scope !== undefined && !scope.ended && activeTask() === this ? scope : this.#scope;
  }

  #parent(): Context {
    return this.#here() === this.#scope ? this.context : context.active();
  }
}

/** Text of at most 1 MiB, as contents are: a result too large for the wire would leave the task without any. */
function lastWord(value: unknown): string | null {
  if (value === null) return null;
  return safeContent(toJsonValue(value)).text;
}

/** An agent that could not even be run. */
function outcomeOfError(error: unknown): AgentOutcome {
  const { message, errorType } = failureOf(error);
  const unknown = { result: null, exitCode: null, signal: null, usage: {}, model: null };
  return { ...unknown, success: false, error: message, errorType };
}

/** The task that the calling code runs in, found by context; undefined outside of one. */
export function activeTask(): Task | undefined {
  const value = context.active().getValue(TASK);
  return value instanceof Task ? value : undefined;
}
