import { ATTR } from '../../model/attributes.ts';
import { failureOf } from '../scope.ts';
import { type Above, checkName, WorkflowNode } from './node.ts';

export interface StepOptions {
  readonly skill?: string;
}

export type StepStatus = 'success' | 'warning' | 'failure' | 'pending_input';

/** One step of a phase. */
export class Step extends WorkflowNode {
  readonly name: string;
  readonly #phase: string;
  readonly #skill: string | null;
  #status: StepStatus = 'success';

  /** Opened by `phase.step` or `phase.startStep`. */
  constructor(name: string, options: StepOptions, above: Above & { readonly phase: string }) {
    checkName('step', name);
    super({
      ...above,
      place: { phase: above.phase, step: name },
      title: `step ${name}`,
      identity: { ...above.identity, [ATTR.stepName]: name, [ATTR.stepSkill]: options.skill },
    });
    this.name = name;
    this.#phase = above.phase;
    this.#skill = options.skill ?? null;
    if (this.opening.resumed !== undefined) return;
    const payload = { phase: above.phase, step: { name, skill: this.#skill } };
    this.emit('step_start', payload, { attributes: this.scope.announcement() });
  }

  /** What the step came to when it ends without an error; `failure` shows in phase and workflow as well. */
  status(status: StepStatus): void {
    this.#status = status;
  }

  async run<T>(fn: (step: Step) => Promise<T> | T): Promise<T> {
    return this.within(() => fn(this), this);
  }

  end(): void {
    this.#finish(this.#status);
  }

  fail(error: unknown): void {
    this.#finish('failure', error);
  }

  #finish(status: StepStatus, error?: unknown): void {
    if (!this.close()) return;
    const thrown = error === undefined ? undefined : failureOf(error);
    const step = {
      name: this.name,
      skill: this.#skill,
      status,
      duration_ms: this.durationMs(),
      error: thrown?.message ?? null,
    };
    const artifacts = this.workflowRun.progress.artifactsOf(this.place, this.attempt);
    this.conclude({
      type: 'step_complete',
      status,
      payload: { phase: this.#phase, step, artifacts },
      failure: thrown ?? (status === 'failure' ? { errorType: 'step_failed' } : undefined),
      attributes: { [ATTR.stepStatus]: status },
    });
  }
}
