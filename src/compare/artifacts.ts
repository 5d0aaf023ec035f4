import { isWorkflowId } from '../model/ids.ts';
import { objectOf } from '../model/json.ts';
import type { CompareReader } from './compare-reader.ts';
import type { TaskStep } from './task-step.ts';
import { nameOf } from './values.ts';

/** Workflows of a task that are read. */
const WORKFLOWS_MAX = 20;

/** Artifacts of an attempt in memory. */
const ARTIFACTS_MAX = 2_000;

interface Attempt {
  readonly taskId: string;
  readonly attempt: number;
  readonly newest: number;
  readonly workflowIds: unknown;
}

/** The artifacts that the workflows of a task made during an attempt: kind and place of each. */
export async function readArtifacts(
  reader: CompareReader,
  { taskId, attempt, newest, workflowIds }: Attempt,
  attempts: readonly TaskStep[],
): Promise<{ readonly artifacts: readonly string[]; readonly leftOut: number }> {
  const artifacts: string[] = [];
  let leftOut = 0;
  const ids = (Array.isArray(workflowIds) ? workflowIds : []).filter(isWorkflowId);
  for (const id of ids.slice(0, WORKFLOWS_MAX)) {
    const workflow = await reader.readWorkflow(id);
    for (const event of workflow?.events ?? []) {
      if (event.event_type !== 'artifact_create' || (event.task_id ?? taskId) !== taskId) continue;
      if (attemptAt(event.timestamp, attempts, newest) !== attempt) continue;
      const { type, path, url } = objectOf(objectOf(event.payload).artifact);
      const name = [nameOf(type) ?? 'artifact', nameOf(path) ?? nameOf(url)].filter((word) => word !== null);
      if (artifacts.length < ARTIFACTS_MAX) artifacts.push(name.join(' '));
      else leftOut += 1;
    }
  }
  return { artifacts, leftOut: leftOut + Math.max(0, ids.length - WORKFLOWS_MAX) };
}

/** Events of workflows do not say the attempt of the task: it is the first that ended later. */
function attemptAt(time: string, attempts: readonly TaskStep[], newest: number): number {
  const at = Date.parse(time);
  const ended = attempts.filter((step) => Date.parse(step.at) + 1_000 * step.seconds >= at);
  return Math.min(newest, ...ended.map((step) => step.attempt));
}
