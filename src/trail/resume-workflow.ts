import { setTimeout as delay } from 'node:timers/promises';
import { HOLDER } from '../journal/destination.ts';
import { checkWorkflowId } from '../model/ids.ts';
import type { KnownWorkflow } from '../record/workflow/known-workflow.ts';
import { type ResumeOptions, resumeKnownWorkflow } from '../record/workflow/orchestration.ts';
import type { Workflow } from '../record/workflow/workflow.ts';
import { activeTrail, type Trail } from './trail.ts';

/** What this process recorded a moment ago is stored within some 50 ms; a destination that is away keeps nobody waiting. */
const DELIVERY_MS = 1_000;
const DELIVERY_POLL_MS = 10;

/** Long: it has nothing to do. */
const ALIVE_MS = 60_000;

export interface ResumeWorkflowOptions extends ResumeOptions {
  /**
   * What is known of it, for one that ran on another machine: the answer of its `GET /api/workflows/{id}`. Default: what
   * the log directory knows. Throws `TypeError` for what is no workflow, or another one.
   */
  readonly state?: KnownWorkflow | undefined;
}

/**
 * Goes on with a workflow that an earlier process began, wherever it stopped: what is open is resumed, what ended and is
 * started again is the next attempt, what nobody knows of is told again under the same keys, so that no event is there
 * twice. `.isDone(phase, step)` says what to leave out. An id that nobody knows begins a workflow of that id; after its end
 * a workflow gets another attempt. Rejects with `ERR_ID_INVALID` for an id that could not be part of a path.
 */
export async function resumeWorkflow(id: string, options: ResumeWorkflowOptions = {}): Promise<Workflow> {
  const workflowId = checkWorkflowId(id);
  const { state, ...others } = options;
  return resumeKnownWorkflow(workflowId, others, state ?? (await readKnown(workflowId)));
}

/** Undefined when nothing is known, or when what is known cannot be read: then everything is told again. */
async function readKnown(workflowId: string): Promise<KnownWorkflow | undefined> {
  const trail = activeTrail();
  if (trail === undefined) return undefined;
  // A trail keeps no script alive, not even one that waits for it: the script would end here, and the trail with it.
  const alive = setInterval(() => {}, ALIVE_MS);
  try {
    await trail.recovered;
    await untilDelivered(trail);
    const stored = await trail.reader.readWorkflow(workflowId);
    return stored === undefined ? undefined : { ...stored.state, events: stored.events };
  } catch {
    // Files that cannot be read are in the readiness of whoever serves them; a workflow goes on all the same.
    return undefined;
  } finally {
    clearInterval(alive);
  }
}

/** The workflow may have been stopped in this very process, a moment ago. */
async function untilDelivered(trail: Trail): Promise<void> {
  const { recorded } = trail.books.snapshot();
  const until = Date.now() + DELIVERY_MS;
  trail.flush();
  // Without a store of its own to send to, what this process recorded goes elsewhere.
  while (trail.config.store && settled(trail) < recorded && Date.now() < until) {
    await delay(DELIVERY_POLL_MS);
  }
}

/** Records that the holder of the log directory has, or that nobody will have. */
function settled({ books }: Trail): number {
  const { delivered, dropped } = books.snapshot();
  return Object.values(dropped).reduce((sum, count) => sum + count, delivered[HOLDER] ?? 0);
}
