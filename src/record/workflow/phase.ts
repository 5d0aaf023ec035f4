import { ATTR } from '../../model/attributes.ts';
import { toJsonValue } from '../../model/json.ts';
import { type Failure, failureOf } from '../scope.ts';
import { type Above, checkName, WorkflowNode } from './node.ts';
import { type RetryOptions, retry } from './retry.ts';
import { Step, type StepOptions } from './step.ts';

export interface PhaseOptions {
  /** Names of the steps that are planned. */
  readonly steps?: readonly string[];
}

/** The same event however often it is said: between two starts there is one. */
const RETRY_KEY = 'retry';

/** One phase of a workflow. */
export class Phase extends WorkflowNode {
  readonly name: string;

  /** Opened by `workflow.phase` or `workflow.startPhase`. */
  constructor(name: string, options: PhaseOptions, above: Above) {
    checkName('phase', name);
    super({
      ...above,
      place: { phase: name, step: null },
      title: `phase ${name}`,
      identity: { ...above.identity, [ATTR.phaseName]: name },
    });
    this.name = name;
    if (this.opening.resumed !== undefined) return;
    const payload = { phase: name, steps: toJsonValue(options.steps ?? []) };
    this.emit('phase_start', payload, { attributes: this.scope.announcement() });
  }

  /** Opens a step, runs `fn` with it and closes it whatever happens; `fn`'s own exception comes back unchanged. */
  async step<T>(name: string, options: StepOptions, fn: (step: Step) => Promise<T> | T): Promise<T> {
    return this.startStep(name, options).run(fn);
  }

  /**
   * The pair form of `step`: close it with `.end()` or `.fail(error)`. Several may be open at once; those of one name are
   * attempts of it.
   */
  startStep(name: string, options: StepOptions = {}): Step {
    const { workflowRun: run, identity } = this;
    return new Step(name, options, { run, identity, parent: this.scope.context, phase: this.name });
  }

  /**
   * As `step`, again while it fails (by an exception or by its status): each try is an attempt of the step.
   * Throws what the last one threw, or `ERR_STEP_FAILED` when it failed by its status or in an earlier process.
   */
  async retryStep<T>(
    name: string,
    options: StepOptions & RetryOptions,
    fn: (step: Step) => Promise<T> | T,
  ): Promise<T> {
    const { progress } = this.workflowRun;
    const place = { phase: this.name, step: checkName('step', name) };
    const tries = {
      what: `step ${name}`,
      before: progress.failuresBefore(place),
      attempt: () => progress.attemptOf(place),
      start: () => this.startStep(name, options),
      again: (attempt: number, error: string | null) =>
        this.emit(
          'step_retry',
          { phase: this.name, step: { name }, attempt, error },
          { attempt, attributes: { [ATTR.stepName]: name, [ATTR.eventKey]: RETRY_KEY } },
        ),
    };
    return retry(tries, options, fn);
  }

  /** Leaves a step out; it counts as done. */
  skipStep(name: string, reason?: string): void {
    const attempt = this.workflowRun.progress.skip({ phase: this.name, step: checkName('step', name) });
    const payload = { phase: this.name, step: { name }, reason: toJsonValue(reason) };
    this.emit('step_skip', payload, { attempt, attributes: { [ATTR.stepName]: name } });
  }

  /** Whether the newest attempt of a step ended well or was left out, in this process or before. */
  isDone(step: string): boolean {
    return this.workflowRun.progress.isDone({ phase: this.name, step });
  }

  async run<T>(fn: (phase: Phase) => Promise<T> | T): Promise<T> {
    return this.within(() => fn(this), this);
  }

  end(): void {
    const hasFailed = this.workflowRun.progress.hasFailedBelow(this.place, this.attempt);
    this.#finish(hasFailed ? { errorType: 'step_failed' } : undefined);
  }

  fail(error: unknown): void {
    this.#finish(failureOf(error));
  }

  #finish(failure: Failure | undefined): void {
    if (!this.close()) return;
    const { progress } = this.workflowRun;
    const status = failure === undefined ? 'success' : 'failure';
    const payload = {
      phase: this.name,
      status,
      duration_ms: this.durationMs(),
      steps_completed: progress.completedBelow(this.place, this.attempt),
      artifacts_created: progress.artifactsOf(this.place, this.attempt).length,
    };
    this.conclude({ type: 'phase_complete', status, payload, failure });
  }
}
