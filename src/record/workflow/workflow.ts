import type { Context } from '@opentelemetry/api';
import { ATTR } from '../../model/attributes.ts';
import type { WorkflowEventType } from '../../model/events.ts';
import { checkWorkflowId } from '../../model/ids.ts';
import { type JsonObject, type JsonValue, toJsonValue } from '../../model/json.ts';
import { mintMoment, mintWorkflowId } from '../mint.ts';
import { Progress, WORKFLOW } from '../progress.ts';
import type { SpanAttributes } from '../recorder.ts';
import { type Failure, failureOf } from '../scope.ts';
import { checkKnown, isStartKnown, progressOf, traceOf } from './known-workflow.ts';
import { checkName, type Emission, WorkflowNode, type WorkflowRun } from './node.ts';
import { Phase, type PhaseOptions } from './phase.ts';
import { type RetryOptions, retry } from './retry.ts';

export interface WorkflowOptions {
  readonly workItemId?: string;
  /** Names of the phases that are planned. */
  readonly phases?: readonly string[];
  /**
   * A given id is taken as given: same id, same run. The store then counts the attempts, and steps of one name that are
   * open at once are one; `resumeWorkflow` knows better. Throws `ERR_ID_INVALID` when it could not be part of a path.
   */
  readonly workflowId?: string;
  readonly branch?: string;
  readonly autonomyLevel?: string;
}

/** Where a workflow hangs. */
export interface WorkflowPlace {
  readonly taskAttributes?: Readonly<Record<string, JsonValue>>;
  readonly parent: Context;
}

/** That another process began it, and the phase and step that were open. */
interface Resumption {
  readonly isStartKnown: boolean;
  readonly phase: string | null;
  readonly step: string | null;
}

interface WorkflowStart extends WorkflowOptions, WorkflowPlace {
  readonly run: WorkflowRun;
  readonly traceId?: string | undefined;
  readonly resumption?: Resumption;
}

interface ResumedStart extends Omit<WorkflowOptions, 'workflowId'>, WorkflowPlace {
  readonly name?: string;
  /** What is known of it; it is checked here. */
  readonly known: unknown;
}

/** One run of a workflow. */
export class Workflow extends WorkflowNode {
  readonly id: string;
  readonly name: string;
  /** It had ended before it was resumed, and nothing was done since: there is nothing to tell yet. */
  #asleep: Resumption | undefined;

  /** Opened by `startWorkflow`, `resumeWorkflow` or those of a task. */
  constructor(start: WorkflowStart) {
    const { run, parent, traceId } = start;
    const { workflowId: id } = run;
    const name = checkName('workflow', run.name);
    super({
      run,
      parent,
      traceId,
      place: WORKFLOW,
      title: `workflow ${name}`,
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
    const isBeginning = resumption === undefined || !resumption.isStartKnown;
    if (isBeginning) this.#recordStart(start);
    if (resumption === undefined) return;
    if (!isBeginning && this.opening.resumed === undefined) this.#asleep = resumption;
    else this.#recordResumption(resumption, !isBeginning || this.attempt > 1);
  }

  /** Opens a phase, runs `fn` with it and closes it whatever happens; `fn`'s own exception comes back unchanged. */
  async phase<T>(name: string, options: PhaseOptions, fn: (phase: Phase) => Promise<T> | T): Promise<T> {
    return this.startPhase(name, options).run(fn);
  }

  /** The pair form of `phase`: close it with `.end()` or `.fail(error)`. */
  startPhase(name: string, options: PhaseOptions = {}): Phase {
    this.#wake();
    const { workflowRun: run, identity } = this;
    return new Phase(name, options, { run, identity, parent: this.scope.context });
  }

  /**
   * As `phase`, again while it fails (by an exception or by a failed step): each try is an attempt of the phase.
   * Throws what the last one threw, or `ERR_STEP_FAILED` when a step failed it or an earlier process did.
   */
  async retryPhase<T>(
    name: string,
    options: PhaseOptions & RetryOptions,
    fn: (phase: Phase) => Promise<T> | T,
  ): Promise<T> {
    const { progress } = this.workflowRun;
    const place = { phase: checkName('phase', name), step: null };
    const tries = {
      what: `phase ${name}`,
      before: progress.failuresBefore(place),
      attempt: () => progress.attemptOf(place),
      start: () => this.startPhase(name, options),
      // The start of its next attempt says it.
      again: () => undefined,
    };
    return retry(tries, options, fn);
  }

  /** Leaves a phase out; it counts as done. */
  skipPhase(name: string, reason?: string): void {
    const attempt = this.workflowRun.progress.skip({ phase: checkName('phase', name), step: null });
    const payload = { phase: name, reason: toJsonValue(reason) };
    this.emit('phase_skip', payload, { attempt, attributes: { [ATTR.phaseName]: name } });
  }

  /** Whether the newest attempt of a phase or step ended well or was left out, in this process or before. */
  isDone(phase: string, step?: string): boolean {
    return this.workflowRun.progress.isDone({ phase, step: step ?? null });
  }

  async run<T>(fn: (workflow: Workflow) => Promise<T> | T): Promise<T> {
    return this.within(() => fn(this), this);
  }

  /** Of one that had ended, and in which nothing was done since, the end is the one that it had. */
  end(): void {
    if (this.#asleep !== undefined) {
      this.close();
      return;
    }
    const hasFailed = this.workflowRun.progress.hasFailedBelow(this.place, this.attempt);
    this.#finish(hasFailed ? { errorType: 'phase_failed' } : undefined);
  }

  fail(error: unknown): void {
    this.#finish(failureOf(error));
  }

  /** It is given up; what is still open below it stays so. */
  cancel(reason?: string): void {
    const message = reason === undefined ? {} : { message: String(toJsonValue(reason)) };
    this.#finish({ errorType: 'cancelled', ...message }, 'cancelled');
  }

  #finish(failure: Failure | undefined, cancelled?: 'cancelled'): void {
    if (!this.close()) return;
    const { progress } = this.workflowRun;
    const status = cancelled ?? (failure === undefined ? 'success' : 'failure');
    const reason = cancelled === undefined ? {} : { reason: failure?.message ?? null };
    const payload = {
      status,
      duration_ms: this.durationMs(),
      summary: { ...progress.summary() },
      artifacts: progress.artifactsOf(this.place, this.attempt),
      ...reason,
    };
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
    this.#wake();
    super.emit(type, payload, emission);
  }

  /** The next attempt begins with what is done in it: who only looks, or was killed after the end, opens none. */
  #wake(): void {
    const resumption = this.#asleep;
    if (resumption === undefined) return;
    this.#asleep = undefined;
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
      // Each is an event of its own, however often one attempt is resumed.
      [ATTR.eventKey]: mintMoment().eventId,
    };
    this.emit('workflow_resumed', { from_phase: phase, from_step: step }, { attributes });
  }
}

/** A run from its beginning. */
export function openWorkflow(name: string, start: WorkflowOptions & WorkflowPlace): Workflow {
  const given = start.workflowId;
  const workflowId = given === undefined ? mintWorkflowId(start.workItemId) : checkWorkflowId(given);
  const run = { workflowId, name, progress: new Progress(), knowsAttempts: given === undefined };
  return new Workflow({ ...start, run });
}

/**
 * A run that another process may have begun. What is known to be open goes on, under the ids of its spans; what is not
 * known is told again, under the keys that it has.
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

/** Only names can be planned. */
function namesOf(phases: unknown): JsonValue | undefined {
  return Array.isArray(phases) ? phases.filter((name) => typeof name === 'string') : undefined;
}
