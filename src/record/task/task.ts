import { type Context, context, createContextKey } from '@opentelemetry/api';
import { TasktrailError } from '../../errors.ts';
import type { AgentOutcome, AgentOutput, RunAgentOptions, RunOrigin } from '../../model/agent-output.ts';
import { ATTR } from '../../model/attributes.ts';
import type { TerminalStatus, Usage } from '../../model/documents.ts';
import { EVENT } from '../../model/events.ts';
import { type JsonObject, type JsonValue, toJsonValue } from '../../model/json.ts';
import { isoFromMs } from '../../model/time.ts';
import { safeContent } from '../../redact/safe-content.ts';
import { mintMoment } from '../mint.ts';
import { activeRecorder, type SpanAttributes } from '../recorder.ts';
import { activeScope, failureOf, type Scope } from '../scope.ts';
import {
  openWorkflow,
  type Workflow,
  type WorkflowOptions,
  type WorkflowParent,
} from '../workflow/workflow.ts';
import { installedRunner } from './agent-port.ts';
import { AgentRun } from './agent-run.ts';
import { outputRecord } from './output.ts';
import { UsageTotal } from './usage.ts';

const TASK = createContextKey('tasktrail.task');

export interface TaskEnd {
  /** The agent's or the program's own last word. Default: the last agent run's. */
  readonly result?: string | null;
  readonly error?: string | null;
  readonly status?: TerminalStatus;
}

export interface TaskIdentity {
  readonly id: string;
  readonly attempt: number;
  readonly message: string;
  readonly sourceMetadata?: JsonObject;
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
  #runs = 0;
  /** Runs of a killed process: how they ended, and what those that have not are gone on with. */
  readonly #resumed = new Map<string, AgentOutcome>();
  readonly #origins = new Map<string, RunOrigin>();
  /** Of this attempt, or of the first of the runs that it goes on with. */
  #startedAtMs: number;

  constructor(scope: Scope, identity: TaskIdentity) {
    this.id = identity.id;
    this.attempt = identity.attempt;
    this.message = identity.message;
    this.sourceMetadata = identity.sourceMetadata ?? {};
    this.#scope = scope;
    this.#startedAtMs = scope.startedAtMs;
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
    return this.linkWorkflow((parent) => openWorkflow(name, { ...options, ...parent }));
  }

  /** Opens a workflow, in whichever way, below what goes on in this task, and lets each know of the other. */
  linkWorkflow(open: (parent: WorkflowParent) => Workflow): Workflow {
    const workflow = open({ taskAttributes: this.attributes, parent: this.#parent() });
    this.metadata({ workflow_ids: [workflow.id] });
    return workflow;
  }

  /**
   * Starts a command line as this task's agent and records its output, typed by the dialect. Resolves with how it
   * ended; rejects with `AgentFailedError` when it did not succeed.
   */
  async runAgent(command: readonly string[], options: RunAgentOptions = {}): Promise<AgentOutcome> {
    if (installedRunner() === undefined)
      throw new TypeError("import 'tasktrail' or 'tasktrail/agent' before running an agent");
    const name = options.name ?? command[0]?.split(/[\\/]/).pop() ?? 'agent';
    const key = options.key ?? `run-${this.#runs + 1}`;
    const parent = this.#parent();
    this.#scope.setAttributes({ [ATTR.genAiAgentName]: name });
    let outcome = await this.resumeAgent(command, { ...options, key });
    if (outcome === undefined) {
      this.#runs += 1;
      const origin = this.#origins.get(key);
      const start = { agent: name, parent };
      outcome = await this.#run(new AgentRun(this, { ...start, origin }), command, { ...options, key });
      // Its agent died with the worker that began it: what it had printed is on record, and the work is yet to be done.
      if (origin !== undefined && outcome.errorType === 'lost')
        outcome = await this.#run(new AgentRun(this, start), command, { ...options, key });
      this.#lastResult = outcome.result ?? this.#lastResult;
    }
    if (!outcome.success) throw new AgentFailedError(name, outcome);
    return outcome;
  }

  /**
   * How the run of this key ended, if that was in a process that was killed before the task's end: it was recorded as it
   * ran, and what it cost counts from now on. Undefined when it has not ended, or was never begun.
   */
  async resumeAgent(
    command: readonly string[],
    options: RunAgentOptions & { readonly key: string },
  ): Promise<AgentOutcome | undefined> {
    const { key } = options;
    const known = this.#resumed.get(key);
    if (known !== undefined) return known;
    const resumed = await installedRunner()?.resume(this.id, command, options);
    if (resumed?.origin !== undefined) {
      this.#origins.set(key, resumed.origin);
      this.#startedAtMs = Math.min(this.#startedAtMs, resumed.origin.startedAtMs);
    }
    const outcome = resumed?.outcome;
    if (outcome === undefined) return undefined;
    this.#runs += 1;
    this.#resumed.set(key, outcome);
    this.usage(outcome.usage);
    if (outcome.model !== null) this.metadata({ model: outcome.model });
    this.#lastResult = outcome.result ?? this.#lastResult;
    return outcome;
  }

  async #run(
    run: AgentRun,
    command: readonly string[],
    options: RunAgentOptions & { readonly key: string },
  ): Promise<AgentOutcome> {
    const input = { message: this.message, source_metadata: this.sourceMetadata };
    const recording = Object.assign(run, { taskId: this.id, attempt: this.attempt, input });
    let outcome: AgentOutcome | undefined;
    try {
      outcome = await context.with(run.context, async () =>
        installedRunner()?.run(command, options, recording),
      );
    } catch (error) {
      run.end(outcomeOfError(error));
      throw error;
    }
    const ended = outcome ?? outcomeOfError(new TypeError('no runner'));
    // The runner has ended it itself, as a rule; a second end does nothing.
    run.end(ended);
    return ended;
  }

  /** The attempt succeeded and the task is over. */
  end(end: TaskEnd = {}): void {
    this.#finish({ ...end, status: end.status ?? 'completed' });
  }

  /** The attempt failed and the task is over; as cancelled, when somebody cancelled its agent. */
  fail(error: unknown): void {
    const { message, errorType } = failureOf(error);
    const outcome = error instanceof AgentFailedError ? error.outcome : undefined;
    const status = outcome?.errorType === 'cancelled' ? 'cancelled' : 'failed';
    this.#finish({ status, error: message }, { errorType: outcome?.errorType ?? errorType, outcome });
  }

  cancel(reason: string): void {
    this.#finish({ status: 'cancelled', error: reason }, { errorType: 'cancelled' });
  }

  /**
   * This attempt failed and another will follow: no result, the status goes back to `queued`, and `more` is merged into
   * `metadata.json`.
   */
  retryLater(error: unknown, more: JsonObject = {}): void {
    if (this.#scope.ended) return;
    const failure = failureOf(error);
    this.output({ type: 'error', content: failure.message, more: { error_type: failure.errorType } });
    this.#requeue(more);
    this.#scope.end(failure);
    this.#forgetRuns();
  }

  /** The attempt was broken off on purpose, to be made again later: nothing failed. */
  putBack(): void {
    if (this.#scope.ended) return;
    this.#requeue({});
    this.#scope.end();
    this.#forgetRuns();
  }

  #requeue(more: JsonObject): void {
    const next = this.attempt + 1;
    this.#scope.emit(EVENT.metadata, {
      body: { ...more, status: 'queued', attempt: next },
      attributes: { ...this.attributes, [ATTR.attempt]: next },
    });
  }

  #finish(end: TaskEnd & { readonly status: TerminalStatus }, failure: TaskFailure = {}): void {
    if (this.#scope.ended) return;
    const moment = mintMoment();
    const success = end.status === 'completed';
    const seconds = Math.max(0, moment.timeMs - this.#startedAtMs) / 1000;
    this.#scope.emit(EVENT.result, {
      body: {
        success,
        result: lastWord(end.result ?? this.#lastResult),
        error: lastWord(end.error ?? null),
        metrics: this.#usage.metrics(seconds),
        completed_at: isoFromMs(moment.timeMs),
        status: end.status,
        ...(!success && howItFailed(failure)),
      },
      attributes: this.attributes,
      moment,
    });
    const errorType = failure.errorType ?? end.status;
    if (success) this.#scope.end();
    else this.#scope.end({ errorType, ...(end.error && { message: end.error }) });
    this.#forgetRuns();
  }

  #forgetRuns(): void {
    if (this.#runs === 0) return;
    // The end is with the operating system before what a later process would go on with is gone.
    activeRecorder()?.flush();
    installedRunner()?.forget(this.id);
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

interface TaskFailure {
  readonly errorType?: string;
  readonly outcome?: AgentOutcome | undefined;
}

/** For programs that sort failures: what kind it was, and how the agent's process ended. */
function howItFailed({ errorType, outcome }: TaskFailure): JsonObject {
  return {
    error_type: errorType ?? null,
    ...(outcome?.exitCode != null && { exit_code: outcome.exitCode }),
    ...(outcome?.signal != null && { signal: outcome.signal }),
  };
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
