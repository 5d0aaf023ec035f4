import { TasktrailError } from '../../errors.ts';
import type { WorkflowEventType } from '../../model/events.ts';
import type { JsonObject } from '../../model/json.ts';
import { type NodeId, WORKFLOW } from '../../model/workflow-node.ts';
import { artifactEvent } from '../../record/artifact.ts';
import {
  type Completion,
  phaseCompletion,
  stepCompletion,
  workflowCompletion,
} from '../../record/completion.ts';
import { mintMoment } from '../../record/mint.ts';
import type { Progress } from '../../record/progress.ts';
import { isProcessAlive } from '../../system/process-identity.ts';
import type { CurrentWorkflow } from './current-workflow.ts';
import {
  artifactKeys,
  type OpenNodes,
  openNodes,
  type RunningStep,
  restoreProgress,
  savedState,
} from './saved-progress.ts';

export interface RunEvent {
  readonly type: WorkflowEventType;
  readonly payload: JsonObject;
  readonly attempt: number;
  /** For a payload that does not name its phase. */
  readonly phase?: string | undefined;
  /** Names of the planned phases. */
  readonly phases?: readonly string[] | undefined;
}

/** Where a run writes: each event, and then the state after it. */
export interface RunLog {
  emit(event: RunEvent): void;
  save(state: CurrentWorkflow): void;
}

export interface Outcome {
  readonly status?: string | undefined;
  readonly error?: string | undefined;
}

const INTERRUPTED = { status: 'failure', error: 'interrupted' };

/**
 * A workflow that one command after the other carries on. Phases and steps start and end in order. Each event has its
 * attempt number, so that the store drops the repeat when an interrupted command is given again.
 */
export class WorkflowRun {
  readonly #log: RunLog;
  readonly #progress: Progress;
  #state: CurrentWorkflow;
  #open: OpenNodes;

  constructor(state: CurrentWorkflow, log: RunLog) {
    this.#log = log;
    this.#state = state;
    this.#open = openNodes(state);
    this.#progress = restoreProgress(state);
  }

  get state(): CurrentWorkflow {
    return this.#state;
  }

  start(context: JsonObject, phases: readonly string[] | undefined): void {
    const { attempt } = this.#open;
    this.#record({ type: 'workflow_start', payload: { context }, attempt, phases });
  }

  /** Resumes the workflow. Open steps were interrupted. A workflow that has ended gets a new attempt. */
  resume(): void {
    this.#endSteps(INTERRUPTED);
    if (this.#open.status !== 'running') {
      const { attempt } = this.#progress.start(WORKFLOW, nowMs());
      this.#open = { ...this.#open, attempt, status: 'running' };
    }
    this.#record({ type: 'workflow_resumed', payload: {}, attempt: this.#open.attempt });
  }

  /** Ends the open phase and its steps, and starts a phase. */
  beginPhase(name: string, steps: readonly string[]): void {
    this.endPhase();
    const { attempt } = this.#progress.start({ phase: name, step: null }, nowMs());
    this.#open = { ...this.#open, phase: { name, attempt } };
    this.#record({ type: 'phase_start', payload: { phase: name, steps }, attempt });
  }

  /** Ends the open step and the steps whose process is gone, and starts a step. */
  beginStep({ name, skill, owner }: Omit<RunningStep, 'attempt'>): RunningStep {
    const { name: phase } = this.#openPhase();
    for (const step of this.#open.steps) {
      if (step.owner === null) this.#endStep(step, {});
      else if (isProcessAlive(step.owner) === false) this.#endStep(step, INTERRUPTED);
    }
    const { attempt } = this.#progress.start({ phase, step: name }, nowMs());
    const step: RunningStep = { name, skill, attempt, owner };
    this.#open = { ...this.#open, steps: [...this.#open.steps, step] };
    this.#record({ type: 'step_start', payload: { phase, step: { name, skill } }, attempt });
    return step;
  }

  /** Ends this attempt of a step. False when it is no longer open. */
  endOwnStep(step: RunningStep, outcome: Outcome): boolean {
    const open = this.#open.steps.find(({ name, attempt }) => name === step.name && attempt === step.attempt);
    if (open !== undefined) this.#endStep(open, outcome);
    return open !== undefined;
  }

  /** Ends the innermost open step, else the phase. `ownStep` is the step whose command calls. */
  done(outcome: Outcome, ownStep: string | undefined): void {
    const step = this.#innermostStep(ownStep);
    if (step !== undefined) this.#endStep(step, outcome);
    else if (this.#open.phase !== null) this.endPhase(outcome);
    else throw invalid('no phase or step is open; to end the workflow: tasktrail workflow complete');
  }

  /** Records an artifact of the innermost open node. The same artifact twice in one attempt is one. */
  artifact(artifact: JsonObject, ownStep: string | undefined): void {
    const step = this.#innermostStep(ownStep);
    const { phase } = this.#open;
    const node: NodeId = { phase: phase?.name ?? null, step: step?.name ?? null };
    const { attempt } = step ?? phase ?? this.#open;
    const { payload, summary } = artifactEvent(node, artifact);
    // After the event was checked: the metadata may be nested too deep for what follows.
    this.#record({ type: 'artifact_create', payload, attempt, phase: phase?.name }, () => {
      const { key, earlierKey } = artifactKeys(node, attempt, payload);
      if (!this.#progress.hasArtifact(earlierKey))
        this.#progress.addArtifact(node, { attempt, key, summary });
    });
  }

  endPhase(outcome: Outcome = {}): void {
    if (this.#open.phase === null) return;
    this.#endSteps(outcome);
    const { name, attempt } = this.#open.phase;
    const phase: NodeId = { phase: name, step: null };
    const hasFailed = outcome.error !== undefined || this.#progress.failedChildren(phase, attempt).length > 0;
    const end = completion(attempt, outcome.status ?? statusOf(hasFailed));
    const error = outcome.error === undefined ? {} : { error: outcome.error };
    const payload = { ...phaseCompletion(this.#progress, phase, end), ...error };
    this.#progress.addEnd(phase, { ...end, error: outcome.error ?? null });
    this.#open = { ...this.#open, phase: null };
    this.#record({ type: 'phase_complete', payload, attempt });
  }

  complete(status: string | undefined): void {
    this.endPhase({ status: isBad(status) ? 'failure' : undefined });
    const { attempt } = this.#open;
    const hasFailed = this.#progress.failedChildren(WORKFLOW, attempt).length > 0;
    const end = completion(attempt, status ?? statusOf(hasFailed));
    const payload = workflowCompletion(this.#progress, end);
    this.#progress.addEnd(WORKFLOW, { ...end, error: null });
    this.#open = { ...this.#open, status: end.status };
    this.#record({ type: 'workflow_complete', payload, attempt });
  }

  /** A step whose process still runs when its phase ends is interrupted. */
  #endSteps({ status, error }: Outcome): void {
    for (const step of this.#open.steps) {
      if (step.owner !== null) this.#endStep(step, INTERRUPTED);
      else this.#endStep(step, { status: isBad(status) ? 'failure' : undefined, error });
    }
  }

  #endStep(step: RunningStep, { status, error = null }: Partial<StepOutcome>): void {
    const { skill, attempt } = step;
    const node: NodeId = { phase: this.#openPhase().name, step: step.name };
    const end = { ...completion(attempt, status ?? statusOf(error !== null)), skill, error };
    const payload = stepCompletion(this.#progress, node, end);
    this.#progress.addEnd(node, end);
    this.#open = { ...this.#open, steps: this.#open.steps.filter((open) => open !== step) };
    this.#record({ type: 'step_complete', payload, attempt });
  }

  /** The step whose command calls, else the step that was started last. */
  #innermostStep(ownStep: string | undefined): RunningStep | undefined {
    const { steps } = this.#open;
    return steps.findLast(({ name }) => name === ownStep) ?? steps.at(-1);
  }

  #openPhase(): { readonly name: string; readonly attempt: number } {
    const { phase } = this.#open;
    if (phase !== null) return phase;
    throw invalid('no phase is open: tasktrail workflow phase <name>');
  }

  /**
   * The event comes first. When the process dies before the state is saved, the same command records the event again with
   * the same attempt, and the store drops it.
   */
  #record(event: RunEvent, change?: () => void): void {
    this.#log.emit(event);
    change?.();
    this.#state = savedState(this.#state, this.#open, this.#progress);
    this.#log.save(this.#state);
  }
}

interface StepOutcome {
  readonly status: string | undefined;
  readonly error: string | null | undefined;
}

function completion(attempt: number, status: string): Completion {
  return { attempt, status, nowMs: nowMs() };
}

function statusOf(hasFailed: boolean): string {
  return hasFailed ? 'failure' : 'success';
}

/** Whether a phase and its steps fail with what contains them. */
function isBad(status: string | undefined): boolean {
  return status === 'failure' || status === 'cancelled';
}

function nowMs(): number {
  return mintMoment().timeMs;
}

function invalid(message: string): TasktrailError {
  return new TasktrailError('ERR_INPUT_INVALID', message);
}
