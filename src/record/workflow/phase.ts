import { ATTR } from '../../model/attributes.ts';
import { toJsonValue } from '../../model/json.ts';
import { phaseCompletion } from '../completion.ts';
import { type Failure, failureOf } from '../scope.ts';
import { checkName, type NodeParent, WorkflowNode } from './node.ts';
import { type RetryOptions, retry } from './retry.ts';
import { Step, type StepOptions } from './step.ts';

export interface PhaseOptions {
  /** Names of the planned steps. */
  readonly steps?: readonly string[];
}

/** One constant key: between two starts of a step there is at most one `step_retry` event, however often it is recorded. */
const RETRY_KEY = 'retry';

/** One phase of a workflow. */
export class Phase extends WorkflowNode {
  readonly name: string;

  /** Called by `workflow.phase` and `workflow.startPhase`. */
  constructor(name: string, options: PhaseOptions, parent: NodeParent) {
    checkName('phase', name);
    super({
      ...parent,
      node: { phase: name, step: null },
      spanName: `phase ${name}`,
      identity: { ...parent.identity, [ATTR.phaseName]: name },
    });
    this.name = name;
    if (this.start.resumed !== undefined) return;
    const payload = { phase: name, steps: toJsonValue(options.steps ?? []) };
    this.emit('phase_start', payload, { attributes: this.scope.announcement() });
  }

  /** Starts a step, runs `fn` and ends the step in any case. Rethrows the exception of `fn` unchanged. */
  async step<T>(name: string, options: StepOptions, fn: (step: Step) => Promise<T> | T): Promise<T> {
    return this.startStep(name, options).run(fn);
  }

  /**
   * Starts a step; end it with `.end()` or `.fail(error)`. Several steps may be open at once. Steps of the same name are
   * attempts of one step.
   */
  startStep(name: string, options: StepOptions = {}): Step {
    const { workflowRun: run, identity } = this;
    return new Step(name, options, { run, identity, parent: this.scope.context, phase: this.name });
  }

  /**
   * As `step`, and again while it fails (by an exception or by its status): each try is an attempt of the step.
   * Throws the exception of the last try, or `ERR_STEP_FAILED` when it failed by its status or in an earlier process.
   */
  async retryStep<T>(
    name: string,
    options: StepOptions & RetryOptions,
    fn: (step: Step) => Promise<T> | T,
  ): Promise<T> {
    const { progress } = this.workflowRun;
    const node = { phase: this.name, step: checkName('step', name) };
    const tries = {
      what: `step ${name}`,
      earlier: progress.earlierFailures(node),
      newestAttempt: () => progress.attemptOf(node),
      start: () => this.startStep(name, options),
      onRetry: (attempt: number, error: string | null) =>
        this.emit(
          'step_retry',
          { phase: this.name, step: { name }, attempt, error },
          { attempt, attributes: { [ATTR.stepName]: name, [ATTR.eventKey]: RETRY_KEY } },
        ),
    };
    return retry(tries, options, fn);
  }

  /** Skips a step; it counts as done. */
  skipStep(name: string, reason?: string): void {
    const attempt = this.workflowRun.progress.skip({ phase: this.name, step: checkName('step', name) });
    const payload = { phase: this.name, step: { name }, reason: toJsonValue(reason) };
    this.emit('step_skip', payload, { attempt, attributes: { [ATTR.stepName]: name } });
  }

  /** Whether the newest attempt of a step ended well or was skipped, in this process or an earlier one. */
  isDone(step: string): boolean {
    return this.workflowRun.progress.isDone({ phase: this.name, step });
  }

  async run<T>(fn: (phase: Phase) => Promise<T> | T): Promise<T> {
    return this.within(() => fn(this), this);
  }

  /** Ends the phase; as failed when one of its steps failed and was neither started again nor skipped. */
  end(): void {
    const failed = this.workflowRun.progress.failedChildren(this.node, this.attempt);
    this.#finish(failed.length > 0 ? { errorType: 'step_failed' } : undefined);
  }

  fail(error: unknown): void {
    this.#finish(failureOf(error));
  }

  #finish(failure: Failure | undefined): void {
    if (!this.close()) return;
    const status = failure === undefined ? 'success' : 'failure';
    const payload = phaseCompletion(this.workflowRun.progress, this.node, this.completion(status));
    this.conclude({ type: 'phase_complete', status, payload, failure });
  }
}
