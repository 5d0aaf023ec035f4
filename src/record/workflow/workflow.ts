import type { Context } from '@opentelemetry/api';
import { ATTR } from '../../model/attributes.ts';
import type { WorkflowEventType } from '../../model/events.ts';
import { checkWorkflowId } from '../../model/ids.ts';
import { type JsonObject, type JsonValue, toJsonValue } from '../../model/json.ts';
import { WORKFLOW } from '../../model/workflow-node.ts';
import { workflowCompletion } from '../completion.ts';
import { mintMoment, mintWorkflowId } from '../mint.ts';
import { Progress } from '../progress.ts';
import type { SpanAttributes } from '../recorder.ts';
import { type Failure, failureOf } from '../scope.ts';
import { checkKnown, isStartKnown, progressOf, traceOf } from './known-workflow.ts';
import { checkName, type Emission, WorkflowNode, type WorkflowRun } from './node.ts';
import { Phase, type PhaseOptions } from './phase.ts';
import { type RetryOptions, retry } from './retry.ts';

export interface WorkflowOptions {
  readonly workItemId?: string;
  /** Names of the planned phases. */
  readonly phases?: readonly string[];
  /**
   * An id of your own; the same id is the same run. The store then numbers the attempts, and steps of one name that are
   * open at once count as one: use `resumeWorkflow` to avoid that. Throws `ERR_ID_INVALID` for an id that cannot be part of
   * a path. Default: a new id.
   */
  readonly workflowId?: string;
  readonly branch?: string;
  readonly autonomyLevel?: string;
}

/** The task and the span that a workflow belongs to. */
export interface WorkflowParent {
  readonly taskAttributes?: Readonly<Record<string, JsonValue>>;
  readonly parent: Context;
}

/** What is known of the earlier processes of a resumed workflow. */
interface Resumption {
  readonly isStartKnown: boolean;
  /** The phase and the step that were open. */
  readonly phase: string | null;
  readonly step: string | null;
}

interface WorkflowStart extends WorkflowOptions, WorkflowParent {
  readonly run: WorkflowRun;
  readonly traceId?: string | undefined;
  readonly resumption?: Resumption;
}

interface ResumedStart extends Omit<WorkflowOptions, 'workflowId'>, WorkflowParent {
  readonly name?: string;
  /** The stored state, unchecked. */
  readonly known: unknown;
}

/** One run of a workflow. */
export class Workflow extends WorkflowNode {
  readonly id: string;
  readonly name: string;
  /** Set after the resume of an ended workflow, until something is recorded. The next attempt starts with that. */
  #pendingResumption: Resumption | undefined;

  /** Called by `startWorkflow`, `resumeWorkflow` and the methods of a task. */
  constructor(start: WorkflowStart) {
    const { run, parent, traceId } = start;
    const { workflowId: id } = run;
    const name = checkName('workflow', run.name);
    super({
      run,
      parent,
      traceId,
      node: WORKFLOW,
      spanName: `workflow ${name}`,
      identity: identityOf(id, start),
      own: {
        [ATTR.genAiOperation]: 'invoke_workflow',
        [ATTR.pipelineName]: name,
        [ATTR.pipelineRunId]: id,
      },
    });
    this.id = id;
    this.name = name;
    const { resumption } = start;
    const isFirstStart = resumption === undefined || !resumption.isStartKnown;
    if (isFirstStart) this.#recordStart(start);
    if (resumption === undefined) return;
    if (!isFirstStart && this.start.resumed === undefined) this.#pendingResumption = resumption;
    else this.#recordResumption(resumption, !isFirstStart || this.attempt > 1);
  }

  /** Starts a phase, runs `fn` and ends the phase in any case. Rethrows the exception of `fn` unchanged. */
  async phase<T>(name: string, options: PhaseOptions, fn: (phase: Phase) => Promise<T> | T): Promise<T> {
    return this.startPhase(name, options).run(fn);
  }

  /** Starts a phase; end it with `.end()` or `.fail(error)`. */
  startPhase(name: string, options: PhaseOptions = {}): Phase {
    this.#recordPendingResumption();
    const { workflowRun: run, identity } = this;
    return new Phase(name, options, { run, identity, parent: this.scope.context });
  }

  /**
   * As `phase`, and again while it fails (by an exception or by a failed step): each try is an attempt of the phase.
   * Throws the exception of the last try, or `ERR_STEP_FAILED` when a step failed it or it failed in an earlier process.
   */
  async retryPhase<T>(
    name: string,
    options: PhaseOptions & RetryOptions,
    fn: (phase: Phase) => Promise<T> | T,
  ): Promise<T> {
    const { progress } = this.workflowRun;
    const node = { phase: checkName('phase', name), step: null };
    const tries = {
      what: `phase ${name}`,
      earlier: progress.earlierFailures(node),
      newestAttempt: () => progress.attemptOf(node),
      start: () => this.startPhase(name, options),
      // There is no event for the retry of a phase: the start of its next attempt shows it.
      onRetry: () => undefined,
    };
    return retry(tries, options, fn);
  }

  /** Skips a phase; it counts as done. */
  skipPhase(name: string, reason?: string): void {
    const attempt = this.workflowRun.progress.skip({ phase: checkName('phase', name), step: null });
    const payload = { phase: name, reason: toJsonValue(reason) };
    this.emit('phase_skip', payload, { attempt, attributes: { [ATTR.phaseName]: name } });
  }

  /** Whether the newest attempt of a phase or step ended well or was skipped, in this process or an earlier one. */
  isDone(phase: string, step?: string): boolean {
    return this.workflowRun.progress.isDone({ phase, step: step ?? null });
  }

  async run<T>(fn: (workflow: Workflow) => Promise<T> | T): Promise<T> {
    return this.within(() => fn(this), this);
  }

  /**
   * Ends the workflow; as failed when one of its phases failed and was neither started again nor skipped. A workflow that
   * had ended before its resume, and in which nothing was recorded since, keeps its earlier end.
   */
  end(): void {
    if (this.#pendingResumption !== undefined) {
      this.close();
      return;
    }
    const failed = this.workflowRun.progress.failedChildren(WORKFLOW, this.attempt);
    this.#finish(failed.length > 0 ? { errorType: 'phase_failed' } : undefined);
  }

  fail(error: unknown): void {
    this.#finish(failureOf(error));
  }

  /** Ends the workflow as cancelled. Phases and steps that are open stay open. */
  cancel(reason?: string): void {
    const message = reason === undefined ? {} : { message: String(toJsonValue(reason)) };
    this.#finish({ errorType: 'cancelled', ...message }, 'cancelled');
  }

  #finish(failure: Failure | undefined, cancelled?: 'cancelled'): void {
    if (!this.close()) return;
    const { progress } = this.workflowRun;
    const status = cancelled ?? (failure === undefined ? 'success' : 'failure');
    const reason = cancelled === undefined ? {} : { reason: failure?.message ?? null };
    const payload = { ...workflowCompletion(progress, this.completion(status)), ...reason };
    const result = cancelled === undefined ? status : 'cancellation';
    this.conclude({
      type: 'workflow_complete',
      status,
      payload,
      failure,
      attributes: { [ATTR.pipelineResult]: result },
    });
  }

  protected override emit(type: WorkflowEventType, payload: JsonObject, emission: Emission = {}): void {
    this.#recordPendingResumption();
    super.emit(type, payload, emission);
  }

  /** An ended workflow gets a new attempt with the first record after its resume, not by the resume alone. */
  #recordPendingResumption(): void {
    const resumption = this.#pendingResumption;
    if (resumption === undefined) return;
    this.#pendingResumption = undefined;
    this.#recordResumption(resumption, true);
  }

  #recordStart(options: WorkflowOptions): void {
    const context = {
      work_item_id: toJsonValue(options.workItemId),
      branch: toJsonValue(options.branch),
      autonomy_level: toJsonValue(options.autonomyLevel),
    };
    const attributes = {
      ...(this.attempt === 1 && this.scope.announcement()),
      [ATTR.genAiWorkflowName]: this.name,
      [ATTR.workflowPhases]: namesOf(options.phases),
    };
    this.emit('workflow_start', { context }, { attributes, attempt: 1 });
  }

  #recordResumption({ phase, step }: Resumption, announces: boolean): void {
    const attributes = {
      ...(announces && this.scope.announcement()),
      [ATTR.genAiWorkflowName]: this.name,
      // A key of its own: one attempt may be resumed several times, and each time is an event.
      [ATTR.eventKey]: mintMoment().eventId,
    };
    this.emit('workflow_resumed', { from_phase: phase, from_step: step }, { attributes });
  }
}

/** Starts a new run. */
export function openWorkflow(name: string, start: WorkflowOptions & WorkflowParent): Workflow {
  const given = start.workflowId;
  const workflowId = given === undefined ? mintWorkflowId(start.workItemId) : checkWorkflowId(given);
  const run = { workflowId, name, progress: new Progress(), knowsAttempts: given === undefined };
  return new Workflow({ ...start, run });
}

/**
 * Resumes a run that another process may have started. Nodes that are known to be open continue under their span ids.
 * Starts that are not known are recorded again; they have the same event keys, so the store drops the repeats.
 */
export function continueWorkflow(id: string, start: ResumedStart): Workflow {
  const workflowId = checkWorkflowId(id);
  const known = checkKnown(start.known, workflowId);
  const progress = progressOf(known);
  const workItemId = start.workItemId ?? known?.work_item_id ?? undefined;
  const name = start.name ?? known?.name ?? id;
  return new Workflow({
    ...start,
    ...(workItemId !== undefined && { workItemId }),
    run: { workflowId, name, progress, knowsAttempts: true },
    traceId: traceOf(known),
    resumption: {
      isStartKnown: isStartKnown(known, progress),
      phase: known?.phase ?? null,
      step: known?.step ?? null,
    },
  });
}

function identityOf(id: string, start: WorkflowStart): SpanAttributes {
  const task: Record<string, string | number> = {};
  for (const [key, value] of Object.entries(start.taskAttributes ?? {})) {
    if (typeof value === 'string' || typeof value === 'number') task[key] = value;
  }
  return { ...task, [ATTR.workflowId]: id, [ATTR.workItemId]: start.workItemId };
}

/** Callers without types may pass anything; only text is a name. */
function namesOf(phases: unknown): JsonValue | undefined {
  return Array.isArray(phases) ? phases.filter((name) => typeof name === 'string') : undefined;
}
