import { type Context, context, createContextKey } from '@opentelemetry/api';
import type { AgentOutcome, AgentOutput, RunAgentOptions, RunOrigin } from '../../model/agent-output.ts';
import { ATTR } from '../../model/attributes.ts';
import { NOTHING_SPENT, type Spent } from '../../model/budget.ts';
import type { TerminalStatus, Usage } from '../../model/documents.ts';
import { EVENT } from '../../model/events.ts';
import { type JsonObject, type JsonValue, toJsonValue } from '../../model/json.ts';
import { isoFromMs } from '../../model/time.ts';
import { safeContent } from '../../redact/safe-content.ts';
import { createPieceRedactor } from '../../redact/stream.ts';
import { mintMoment } from '../mint.ts';
import { activeRecorder, type SpanAttributes } from '../recorder.ts';
import { activeScope, failureOf, type Scope } from '../scope.ts';
import {
  openWorkflow,
  type Workflow,
  type WorkflowOptions,
  type WorkflowParent,
} from '../workflow/workflow.ts';
import { AgentFailedError } from './agent-failed.ts';
import { installedRunner } from './agent-port.ts';
import { AgentRun } from './agent-run.ts';
import { outputRecord } from './output.ts';
import { UsageTotal } from './usage.ts';

const TASK = createContextKey('tasktrail.task');

export interface TaskEnd {
  /** The result text. Default: the result of the last agent run. */
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

/**
 * One attempt of a task. Its records go to the directory of `id`, its spans are children of the span of the attempt. All
 * methods may be called at any time, and none throws because of recording.
 */
export class Task {
  readonly id: string;
  readonly attempt: number;
  /** The text that the person wrote. */
  readonly message: string;
  /** Data about the trigger: repo, issue number, event type, ... */
  readonly sourceMetadata: JsonObject;
  readonly context: Context;
  /** On every record of the task. */
  readonly attributes: Readonly<Record<string, JsonValue>>;
  readonly #scope: Scope;
  readonly #usage = new UsageTotal();
  /** Of plain output, which callers may pass in pieces of any size. */
  readonly #redactor = createPieceRedactor();
  #lastResult: string | null = null;
  #lingered = false;
  #runs = 0;
  #before = NOTHING_SPENT;
  #lost = NOTHING_SPENT;
  #ranSeconds = 0;
  /** Runs of a killed process by key: the outcome of ended runs, the span of the others. */
  readonly #resumed = new Map<string, AgentOutcome>();
  readonly #origins = new Map<string, RunOrigin>();
  /** Milliseconds from the start of the earliest run that this attempt resumes to its own start. */
  #earlierMs = 0;

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

  /** Merges fields into `metadata.json`. Null does not replace a value. */
  metadata(fields: JsonObject): void {
    const { assigned_agent: agent, model } = fields;
    this.#scope.setAttributes({
      [ATTR.genAiAgentName]: typeof agent === 'string' ? agent : undefined,
      [ATTR.genAiRequestModel]: typeof model === 'string' ? model : undefined,
    });
    this.#scope.emit(EVENT.metadata, { body: fields, attributes: this.attributes });
  }

  /** Sets `running` or `waiting_input`. Only `end`, `fail` and `cancel` set terminal statuses. */
  status(status: 'running' | 'waiting_input'): void {
    this.metadata({ status });
  }

  /** Records a line of `03-agent-output.jsonl`. Plain text keeps its newline. Content is cut at 1 MiB. */
  output(output: AgentOutput | string): void {
    if (!this.#scope.recording) return;
    const { body, attributes } = outputRecord(
      this.#masked(typeof output === 'string' ? { type: 'output', content: output } : output),
    );
    this.#activeScope().emit(EVENT.output, { body, attributes, shared: this.attributes });
  }

  /** Callers without types may pass any value as content. */
  #masked(output: AgentOutput): AgentOutput {
    if (output.type !== 'output' || typeof output.content !== 'string') return output;
    return { ...output, content: this.#redactor.mask(output.content) };
  }

  /**
   * Adds to cost and tokens of the task. Leave unknown amounts out instead of passing 0. Returns what was added: of a
   * thread in `usage.threads`, what it has grown by.
   */
  usage(usage: Usage): Usage {
    return this.#usage.add(usage);
  }

  /** What the task has used so far, and this usage: what its agents report, and their time. */
  used(usage: Usage = {}): Spent {
    const { usd, tokens } = this.#usage.with(usage);
    const before = this.#before;
    return {
      usd: before.usd + usd,
      tokens: before.tokens + tokens,
      seconds: before.seconds + this.#ranSeconds,
    };
  }

  /** What runs have used that the next attempt does not continue from. */
  get lost(): Spent {
    return this.#lost;
  }

  /** Starts a workflow, runs `fn` and ends the workflow in any case. Rethrows the exception of `fn` unchanged. */
  async workflow<T>(
    name: string,
    options: WorkflowOptions,
    fn: (workflow: Workflow) => Promise<T> | T,
  ): Promise<T> {
    return this.startWorkflow(name, options).run(fn);
  }

  /** Starts a workflow; end it with `.end()`, `.fail(error)` or `.cancel(reason)`. */
  startWorkflow(name: string, options: WorkflowOptions = {}): Workflow {
    return this.linkWorkflow((parent) => openWorkflow(name, { ...options, ...parent }));
  }

  /** Opens a workflow below the active span of this task and links the two. */
  linkWorkflow(open: (parent: WorkflowParent) => Workflow): Workflow {
    const workflow = open({ taskAttributes: this.attributes, parent: this.#parent() });
    this.metadata({ workflow_ids: [workflow.id] });
    return workflow;
  }

  /**
   * Runs a command as the agent of this task and records its output, parsed by the dialect. Resolves with the outcome of a
   * successful run; rejects with `AgentFailedError` otherwise.
   */
  async runAgent(command: readonly string[], options: RunAgentOptions = {}): Promise<AgentOutcome> {
    if (installedRunner() === undefined)
      throw new TypeError("import 'tasktrail' or 'tasktrail/agent' before running an agent");
    const { budget, spent } = options;
    if (spent !== undefined) this.#before = spent;
    if (budget !== undefined && this.#runs === 0) this.metadata({ budget: { ...budget } });
    const name = options.name ?? command[0]?.split(/[\\/]/).pop() ?? 'agent';
    const key = options.key ?? `run-${this.#runs + 1}`;
    const parent = this.#parent();
    const run = { ...options, key, env: { ...this.#placeInWorkflow(), ...options.env } };
    this.#scope.setAttributes({ [ATTR.genAiAgentName]: name });
    let outcome = await this.resumeAgent(command, run);
    if (outcome === undefined) {
      this.#runs += 1;
      const origin = this.#origins.get(key);
      const start = { agent: name, parent };
      outcome = await this.#run(new AgentRun(this, { ...start, origin }), command, run);
      // The agent died with its worker: its earlier output is recorded, and the agent is started again.
      if (origin !== undefined && outcome.errorType === 'lost')
        outcome = await this.#run(new AgentRun(this, start), command, run);
      this.#note(outcome);
    }
    if (!outcome.success) throw new AgentFailedError(name, outcome);
    return outcome;
  }

  /**
   * The outcome of the run with this key, if it ended in a process that was killed before the end of the task. Its usage is
   * added to this attempt. Undefined when there is no such run or it has not ended.
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
      // The only clock that two processes share is the wall clock.
      this.#earlierMs = Math.max(this.#earlierMs, this.#scope.startedAtMs - resumed.origin.startedAtMs);
    }
    const outcome = resumed?.outcome;
    if (outcome === undefined) return undefined;
    this.#runs += 1;
    this.#resumed.set(key, outcome);
    this.usage(outcome.usage);
    this.#ranSeconds += outcome.durationSeconds ?? 0;
    if (outcome.model !== null) this.metadata({ model: outcome.model });
    this.#note(outcome);
    return outcome;
  }

  /** Keeps what the task's result says about its runs. */
  #note({ result, lingered }: AgentOutcome): void {
    this.#lastResult = result ?? this.#lastResult;
    if (lingered === true) this.#lingered = true;
  }

  async #run(
    run: AgentRun,
    command: readonly string[],
    options: RunAgentOptions & { readonly key: string },
  ): Promise<AgentOutcome> {
    const input = { message: this.message, source_metadata: this.sourceMetadata };
    const recording = Object.assign(run, { taskId: this.id, attempt: this.attempt, input });
    let outcome: AgentOutcome | undefined;
    const before = this.used();
    try {
      outcome = await context.with(run.context, async () =>
        installedRunner()?.run(command, options, recording),
      );
    } catch (error) {
      run.end(outcomeOfError(error));
      throw error;
    }
    const ended = outcome ?? outcomeOfError(new TypeError('no runner'));
    // Usually the runner has ended the run; a second end does nothing.
    run.end(ended);
    this.#ranSeconds += ended.durationSeconds ?? 0;
    if (!ended.success) this.#lost = plus(this.#lost, this.used(), before);
    return ended;
  }

  /** Ends the task; by default as `completed`. */
  end(end: TaskEnd = {}): void {
    this.#finish({ ...end, status: end.status ?? 'completed' });
  }

  /** Ends the task as `failed`, or as `cancelled` when its agent was cancelled. */
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
   * Ends this attempt after a failure; another attempt follows. The task is `queued` again and has no result. `more` is
   * merged into `metadata.json`. `goesOn`: the next attempt on this machine does not repeat agent runs that succeeded.
   */
  retryLater(error: unknown, more: JsonObject = {}, goesOn = false): void {
    if (this.#scope.ended) return;
    const failure = failureOf(error);
    this.output({ type: 'error', content: failure.message, more: { error_type: failure.errorType } });
    this.#requeue(more);
    this.#scope.end(failure);
    this.#forgetRuns(goesOn ? 'failed' : 'all');
  }

  /** Ends this attempt without a failure; the job was put back into its queue. */
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
    const seconds = Math.round(this.#earlierMs + this.#scope.elapsedMs) / 1000;
    this.#scope.emit(EVENT.result, {
      body: {
        success,
        result: resultText(end.result ?? this.#lastResult),
        error: resultText(end.error ?? null),
        metrics: this.#usage.metrics(seconds),
        completed_at: isoFromMs(moment.timeMs),
        status: end.status,
        ...(this.#lingered && { lingered: true }),
        ...(!success && failureFields(failure)),
      },
      attributes: this.attributes,
      moment,
    });
    const errorType = failure.errorType ?? end.status;
    if (success) this.#scope.end();
    else this.#scope.end({ errorType, ...(end.error && { message: end.error }) });
    this.#forgetRuns();
  }

  #forgetRuns(which: 'all' | 'failed' = 'all'): void {
    if (this.#runs === 0) return;
    // The end must be written before the run files are removed: a later process would resume from them.
    activeRecorder()?.flush();
    installedRunner()?.forget(this.id, which);
  }

  /** The innermost open scope if it belongs to this task, else the scope of the attempt. */
  #activeScope(): Scope {
    const scope = activeScope();
    return scope !== undefined && !scope.ended && activeTask() === this ? scope : this.#scope;
  }

  /** For the environment of an agent: the phase and the step of this task in which it is started. */
  #placeInWorkflow(): Record<string, string> {
    const scope = this.#activeScope();
    const [phase, step] = [scope.attribute(ATTR.phaseName), scope.attribute(ATTR.stepName)];
    return {
      ...(phase !== undefined && { TASK_LOGS_PHASE: phase }),
      ...(step !== undefined && { TASK_LOGS_STEP: step }),
    };
  }

  #parent(): Context {
    return this.#activeScope() === this.#scope ? this.context : context.active();
  }
}

/** `sum` and the growth from `before` to `now`. */
function plus(sum: Spent, now: Spent, before: Spent): Spent {
  const of = (kind: keyof Spent): number => sum[kind] + now[kind] - before[kind];
  return { usd: of('usd'), tokens: of('tokens'), seconds: of('seconds') };
}

interface TaskFailure {
  readonly errorType?: string;
  readonly outcome?: AgentOutcome | undefined;
}

/** Fields of the result for programs that classify failures. */
function failureFields({ errorType, outcome }: TaskFailure): JsonObject {
  return {
    error_type: errorType ?? null,
    ...(outcome?.exitCode != null && { exit_code: outcome.exitCode }),
    ...(outcome?.signal != null && { signal: outcome.signal }),
  };
}

/** Text of at most 1 MiB, like a content: a larger result could exceed the request limit and be lost. */
function resultText(value: unknown): string | null {
  if (value === null) return null;
  return safeContent(toJsonValue(value)).text;
}

/** The outcome of an agent that could not be started. */
function outcomeOfError(error: unknown): AgentOutcome {
  const { message, errorType } = failureOf(error);
  const unknown = { result: null, exitCode: null, signal: null, usage: {}, model: null };
  return { ...unknown, success: false, error: message, errorType };
}

/** The task of the calling code, found by context; undefined outside of a task. */
export function activeTask(): Task | undefined {
  const value = context.active().getValue(TASK);
  return value instanceof Task ? value : undefined;
}
