import { context } from '@opentelemetry/api';
import { activeTask } from '../task/task.ts';
import {
  continueWorkflow,
  openWorkflow,
  type Workflow,
  type WorkflowOptions,
  type WorkflowPlace,
} from './workflow.ts';

export interface ResumeOptions extends Omit<WorkflowOptions, 'workflowId'> {
  /** Default: as it was started, else the id. */
  readonly name?: string;
}

/**
 * Records one run of a workflow: opens it, runs `fn` with it and closes it whatever happens. Inside a task both are
 * linked. Gives back what `fn` gives; `fn`'s own exception comes back unchanged.
 */
export async function recordWorkflow<T>(
  name: string,
  options: WorkflowOptions,
  fn: (workflow: Workflow) => Promise<T> | T,
): Promise<T> {
  return startWorkflow(name, options).run(fn);
}

/** The pair form of `recordWorkflow`: close it with `.end()`, `.fail(error)` or `.cancel(reason)`. */
export function startWorkflow(name: string, options: WorkflowOptions = {}): Workflow {
  return placeWorkflow((place) => openWorkflow(name, { ...options, ...place }));
}

/** Goes on with a workflow of which this is known; throws `ERR_ID_INVALID`, and `TypeError` for what is no workflow. */
export function resumeKnownWorkflow(id: string, options: ResumeOptions, known: unknown): Workflow {
  return placeWorkflow((place) => continueWorkflow(id, { ...options, ...place, known }));
}

function placeWorkflow(open: (place: WorkflowPlace) => Workflow): Workflow {
  const task = activeTask();
  return task === undefined ? open({ parent: context.active() }) : task.linkWorkflow(open);
}
