import { setTimeout as delay } from 'node:timers/promises';
import { HOLDER } from '../journal/destination.ts';
import { checkWorkflowId } from '../model/ids.ts';
import type { KnownWorkflow } from '../record/workflow/known-workflow.ts';
import { type ResumeOptions, resumeKnownWorkflow } from '../record/workflow/orchestration.ts';
import type { Workflow } from '../record/workflow/workflow.ts';
import { activeTrail, type Trail } from './trail.ts';

/** Longest wait in milliseconds for this process's records to be stored. It takes about 50 ms, unless the holder is away. */
const DELIVERY_MS = 1_000;
const DELIVERY_POLL_MS = 10;

/** Interval of a timer that does nothing but keep the process alive. */
const KEEP_ALIVE_MS = 60_000;

export interface ResumeWorkflowOptions extends ResumeOptions {
  /**
   * The state of a workflow that ran on another machine: the body of its `GET /api/workflows/{id}`. Default: the state in
   * the log directory. Throws `TypeError` for a value that is not a workflow, or that has another id.
   */
  readonly state?: KnownWorkflow | undefined;
}

/**
 * Continues a workflow of an earlier process. Open phases and steps are resumed; starting one that has ended is its next
 * attempt. Events have the same keys as before, so none is stored twice. Skip steps for which `.isDone(phase, step)` is true.
 * An unknown id starts a workflow with that id, and an ended workflow gets another attempt. Rejects with `ERR_ID_INVALID`
 * for an id that cannot be part of a path.
 */
export async function resumeWorkflow(id: string, options: ResumeWorkflowOptions = {}): Promise<Workflow> {
  const workflowId = checkWorkflowId(id);
  const { state, ...others } = options;
  return resumeKnownWorkflow(workflowId, others, state ?? (await readKnown(workflowId)));
}

/** Undefined for an unknown workflow or unreadable files: every event is then recorded again under its key. */
async function readKnown(workflowId: string): Promise<KnownWorkflow | undefined> {
  const trail = activeTrail();
  if (trail === undefined) return undefined;
  // A trail does not keep the process alive: without this timer a script that waits here would exit.
  const keepAlive = setInterval(() => {}, KEEP_ALIVE_MS);
  try {
    await trail.recovered;
    await waitForDelivery(trail);
    const stored = await trail.reader.readWorkflow(workflowId);
    // What others have recorded under this id must not decide what this process leaves out.
    if (stored === undefined || stored.state.opened_by !== undefined) return undefined;
    return { ...stored.state, events: stored.events };
  } catch {
    // The holder reports unreadable files in `/readyz`. They must not stop the workflow.
    return undefined;
  } finally {
    clearInterval(keepAlive);
  }
}

/** This process may have recorded events of the workflow a moment ago. */
async function waitForDelivery(trail: Trail): Promise<void> {
  const { recorded } = trail.books.snapshot();
  const until = performance.now() + DELIVERY_MS;
  trail.flush();
  // With TASK_LOGS_STORE=false the records do not go to the log directory.
  while (trail.config.store && countSettled(trail) < recorded && performance.now() < until) {
    await delay(DELIVERY_POLL_MS);
  }
}

/** Records that the holder accepted, or that were dropped. */
function countSettled({ books }: Trail): number {
  const { delivered, dropped } = books.snapshot();
  return Object.values(dropped).reduce((sum, count) => sum + count, delivered[HOLDER] ?? 0);
}
