import { context } from '@opentelemetry/api';
import { activeTask } from '../task/task.ts';
import {
  continueWorkflow,
  openWorkflow,
  type Workflow,
  type WorkflowOptions,
  type WorkflowParent,
} from './workflow.ts';

export interface ResumeOptions extends Omit<WorkflowOptions, 'workflowId'> {
  /** Default: the name from its start, else the id. */
  readonly name?: string;
}

/**
 * Records one run of a workflow: starts it, runs `fn` and ends it in any case. Inside a task the two are linked. Returns
 * the value of `fn` and rethrows its exception unchanged.
 */
export async function recordWorkflow<T>(
  name: string,
  options: WorkflowOptions,
  fn: (workflow: Workflow) => Promise<T> | T,
): Promise<T> {
  return startWorkflow(name, options).run(fn);
}

/** As `recordWorkflow`, without a callback: end it with `.end()`, `.fail(error)` or `.cancel(reason)`. */
export function startWorkflow(name: string, options: WorkflowOptions = {}): Workflow {
  return withParent((parent) => openWorkflow(name, { ...options, ...parent }));
}

/**
 * Resumes a workflow from its stored state. Throws `ERR_ID_INVALID`, and `TypeError` when `known` is not the state of this
 * workflow.
 */
export function resumeKnownWorkflow(id: string, options: ResumeOptions, known: unknown): Workflow {
  return withParent((parent) => continueWorkflow(id, { ...options, ...parent, known }));
}

function withParent(open: (parent: WorkflowParent) => Workflow): Workflow {
  const task = activeTask();
  return task === undefined ? open({ parent: context.active() }) : task.linkWorkflow(open);
}
