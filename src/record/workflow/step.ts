import { ATTR } from '../../model/attributes.ts';
import { stepCompletion } from '../completion.ts';
import { failureOf } from '../scope.ts';
import { checkName, type NodeParent, WorkflowNode } from './node.ts';

export interface StepOptions {
  /** The skill or tool that the step uses. */
  readonly skill?: string;
}

export type StepStatus = 'success' | 'warning' | 'failure' | 'pending_input';

/** One step of a phase. */
export class Step extends WorkflowNode {
  readonly name: string;
  readonly #skill: string | null;
  #status: StepStatus = 'success';

  /** Called by `phase.step` and `phase.startStep`. */
  constructor(name: string, options: StepOptions, parent: NodeParent & { readonly phase: string }) {
    checkName('step', name);
    super({
      ...parent,
      node: { phase: parent.phase, step: name },
      spanName: `step ${name}`,
      identity: { ...parent.identity, [ATTR.stepName]: name, [ATTR.stepSkill]: options.skill },
    });
    this.name = name;
    this.#skill = options.skill ?? null;
    if (this.start.resumed !== undefined) return;
    const payload = { phase: parent.phase, step: { name, skill: this.#skill } };
    this.emit('step_start', payload, { attributes: this.scope.announcement() });
  }

  /** Sets the status for an end without an error. Default `success`; `failure` also fails the phase and the workflow. */
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
    const end = { ...this.completion(status), skill: this.#skill, error: thrown?.message ?? null };
    this.conclude({
      type: 'step_complete',
      status,
      payload: stepCompletion(this.workflowRun.progress, this.node, end),
      failure: thrown ?? (status === 'failure' ? { errorType: 'step_failed' } : undefined),
      attributes: { [ATTR.stepStatus]: status },
    });
  }
}
