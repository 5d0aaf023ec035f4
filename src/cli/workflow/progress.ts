import { TasktrailError } from '../../errors.ts';
import type { WorkflowEventType } from '../../model/events.ts';
import type { JsonObject } from '../../model/json.ts';
import { sha256 } from '../../model/sha256.ts';
import { isProcessAlive, type ProcessIdentity } from '../../system/process-identity.ts';
import type { CurrentWorkflow, OpenPhase, OpenStep, StartCount } from './current-workflow.ts';

export interface RunEvent {
  readonly type: WorkflowEventType;
  readonly payload: JsonObject;
  readonly attempt: number;
  /** Where the payload does not name it. */
  readonly phase?: string | undefined;
  /** Names of the phases that are planned. */
  readonly phases?: readonly string[] | undefined;
}

/** Where a run puts what happens: first the event, then what is known after it. */
export interface RunLog {
  emit(event: RunEvent, state: CurrentWorkflow): void;
  save(state: CurrentWorkflow): void;
}

export interface StepStart {
  readonly name: string;
  readonly skill: string | null;
  readonly owner: ProcessIdentity | null;
}

export interface Outcome {
  readonly status?: string | undefined;
  readonly error?: string | undefined;
}

/** Statuses of a step and a phase that count as well ended. */
const GOOD = new Set(['success', 'warning', 'pending_input', 'skipped']);

const INTERRUPTED = 'interrupted';

/**
 * A workflow between its start and its end, carried on by one command after the other: its phases and steps are ended
 * and begun in their order, each event with its attempt, so that a command that was cut off can be given again.
 */
export class WorkflowRun {
  readonly #log: RunLog;
  #state: CurrentWorkflow;

  constructor(state: CurrentWorkflow, log: RunLog) {
    this.#state = state;
    this.#log = log;
  }

  get state(): CurrentWorkflow {
    return this.#state;
  }

  start(context: JsonObject, phases: readonly string[] | undefined): void {
    const { attempt } = this.#state;
    this.#record({ type: 'workflow_start', payload: { context }, attempt, phases }, this.#state);
  }

  /** Goes on with a workflow that was started before. What was open then was cut off; after an end a new attempt begins. */
  resume(): void {
    this.#endSteps({ status: 'failure', error: INTERRUPTED });
    const isOver = this.#state.status !== 'running';
    const attempt = this.#state.attempt + (isOver ? 1 : 0);
    const again = { attempt, status: 'running', started_at_ms: Date.now(), failed: [] };
    const state = isOver ? { ...this.#state, ...again } : this.#state;
    this.#record({ type: 'workflow_resumed', payload: {}, attempt }, state);
  }

  /** Ends what is open, and begins a phase. */
  beginPhase(name: string, steps: readonly string[]): void {
    this.endPhase();
    const attempt = this.#startsOf(name, null) + 1;
    const phase: OpenPhase = {
      name,
      attempt,
      started_at_ms: Date.now(),
      steps_completed: 0,
      artifacts_created: 0,
      failed: [],
    };
    this.#record(
      { type: 'phase_start', payload: { phase: name, steps }, attempt },
      {
        ...this.#state,
        phase,
        starts: this.#counted(name, null),
        failed: this.#state.failed.filter((failed) => failed !== name),
      },
    );
  }

  /** Ends the steps that nobody runs any more, and begins one. */
  beginStep({ name, skill, owner }: StepStart): OpenStep {
    const { name: phase } = this.#openPhase();
    for (const step of this.#state.steps) {
      if (step.owner === null) this.#endStep(step, {});
      else if (isProcessAlive(step.owner) === false)
        this.#endStep(step, { status: 'failure', error: INTERRUPTED });
    }
    const attempt = this.#startsOf(phase, name) + 1;
    const step: OpenStep = { name, skill, attempt, started_at_ms: Date.now(), artifacts: [], owner };
    const open = this.#openPhase();
    this.#record(
      { type: 'step_start', payload: { phase, step: { name, skill } }, attempt },
      {
        ...this.#state,
        phase: { ...open, failed: open.failed.filter((failed) => failed !== name) },
        steps: [...this.#state.steps, step],
        starts: this.#counted(phase, name),
      },
    );
    return step;
  }

  /** Ends a step if it is still open. False when somebody else has ended it. */
  endOwnStep(step: OpenStep, outcome: Outcome): boolean {
    const open = this.#state.steps.find(
      ({ name, attempt }) => name === step.name && attempt === step.attempt,
    );
    if (open !== undefined) this.#endStep(open, outcome);
    return open !== undefined;
  }

  /** Ends the innermost open step, else the phase. */
  done(outcome: Outcome, within: string | undefined): void {
    const step = this.#innermost(within);
    if (step !== undefined) this.#endStep(step, outcome);
    else if (this.#state.phase !== null) this.endPhase(outcome);
    else throw invalid('no phase or step is open; to end the workflow: tasktrail workflow complete');
  }

  /** One that was told of in the same words at the same place is the same one, and counts once. */
  artifact(artifact: JsonObject, within: string | undefined): void {
    const step = this.#innermost(within);
    const { phase, artifact_keys: keys } = this.#state;
    const attempt = (step ?? phase ?? this.#state).attempt;
    const { metadata, ...summary } = artifact;
    const payload = { artifact: { ...summary, metadata: metadata ?? {} }, step: step?.name ?? null };
    const key = sha256(JSON.stringify([phase?.name, attempt, payload])).slice(0, 32);
    const event: RunEvent = { type: 'artifact_create', payload, attempt, phase: phase?.name };
    const isKnown = keys.includes(key);
    const next = isKnown
      ? this.#state
      : {
          ...this.#state,
          artifacts: [...this.#state.artifacts, summary],
          artifact_keys: [...keys, key],
          phase: phase && { ...phase, artifacts_created: phase.artifacts_created + 1 },
          steps: this.#state.steps.map((open) =>
            open === step ? { ...open, artifacts: [...open.artifacts, summary] } : open,
          ),
        };
    this.#record(event, next);
  }

  endPhase(outcome: Outcome = {}): void {
    if (this.#state.phase === null) return;
    this.#endSteps(outcome);
    const phase = this.#openPhase();
    const status =
      outcome.status ?? (phase.failed.length > 0 || outcome.error !== undefined ? 'failure' : 'success');
    this.#record(
      {
        type: 'phase_complete',
        payload: {
          phase: phase.name,
          status,
          duration_ms: elapsedMs(phase.started_at_ms),
          steps_completed: phase.steps_completed,
          artifacts_created: phase.artifacts_created,
          ...(outcome.error !== undefined && { error: outcome.error }),
        },
        attempt: phase.attempt,
      },
      {
        ...this.#state,
        phase: null,
        failed: GOOD.has(status) ? this.#state.failed : union(this.#state.failed, phase.name),
      },
    );
  }

  complete(status: string | undefined): void {
    this.endPhase(status === undefined || GOOD.has(status) ? {} : { status: 'failure' });
    const state = this.#state;
    const ended = status ?? (state.failed.length > 0 ? 'failure' : 'success');
    this.#record(
      {
        type: 'workflow_complete',
        payload: {
          status: ended,
          duration_ms: elapsedMs(state.started_at_ms),
          summary: summaryOf(state),
          artifacts: state.artifacts,
        },
        attempt: state.attempt,
      },
      { ...state, status: ended },
    );
  }

  /** What runs in the phase when it ends does not end well: whoever ended the phase did not wait for it. */
  #endSteps(outcome: Outcome): void {
    const status = outcome.status === undefined || GOOD.has(outcome.status) ? undefined : 'failure';
    for (const step of this.#state.steps) {
      if (step.owner !== null) this.#endStep(step, { status: 'failure', error: INTERRUPTED });
      else this.#endStep(step, { status, error: outcome.error });
    }
  }

  #endStep(step: OpenStep, { status: given, error }: Outcome): void {
    const phase = this.#openPhase();
    const status = given ?? (error === undefined ? 'success' : 'failure');
    this.#record(
      {
        type: 'step_complete',
        payload: {
          phase: phase.name,
          step: {
            name: step.name,
            skill: step.skill,
            status,
            duration_ms: elapsedMs(step.started_at_ms),
            error: error ?? null,
          },
          artifacts: step.artifacts,
        },
        attempt: step.attempt,
      },
      {
        ...this.#state,
        steps: this.#state.steps.filter((open) => open !== step),
        phase: {
          ...phase,
          steps_completed: phase.steps_completed + 1,
          failed: status === 'failure' ? union(phase.failed, step.name) : phase.failed,
        },
      },
    );
  }

  /** The step that the caller itself runs in, else the one begun last. */
  #innermost(within: string | undefined): OpenStep | undefined {
    const { steps } = this.#state;
    return steps.findLast(({ name }) => name === within) ?? steps.at(-1);
  }

  #openPhase(): OpenPhase {
    const { phase } = this.#state;
    if (phase !== null) return phase;
    throw invalid('no phase is open: tasktrail workflow phase <name>');
  }

  #startsOf(phase: string, step: string | null): number {
    return this.#state.starts.find((start) => start.phase === phase && start.step === step)?.count ?? 0;
  }

  #counted(phase: string, step: string | null): readonly StartCount[] {
    const { starts } = this.#state;
    const count = this.#startsOf(phase, step) + 1;
    if (count === 1) return [...starts, { phase, step, count }];
    return starts.map((start) =>
      start.phase === phase && start.step === step ? { ...start, count } : start,
    );
  }

  /** In this order: cut off in between, the same command says the same event again, which its attempt makes a repeat. */
  #record(event: RunEvent, next: CurrentWorkflow): void {
    this.#log.emit(event, this.#state);
    this.#log.save(next);
    this.#state = next;
  }
}

/** Counted as the store counts the events, so that both say the same. */
function summaryOf({ starts, artifacts }: CurrentWorkflow): JsonObject {
  const steps = starts.filter(({ step }) => step !== null);
  const withSteps = new Set(steps.map(({ phase }) => phase));
  // Of a phase that has steps, the steps are what is done again.
  const again = starts.filter(({ phase, step }) => step !== null || !withSteps.has(phase));
  return {
    phases_executed: starts.length - steps.length,
    steps_executed: steps.length,
    artifacts_created: artifacts.length,
    retries_used: again.reduce((sum, { count }) => sum + count - 1, 0),
  };
}

function union(names: readonly string[], name: string): readonly string[] {
  return names.includes(name) ? names : [...names, name];
}

/** The clock may step back; no time is shorter than none. */
function elapsedMs(sinceMs: number): number {
  return Math.max(0, Date.now() - sinceMs);
}

function invalid(message: string): TasktrailError {
  return new TasktrailError('ERR_INPUT_INVALID', message);
}
