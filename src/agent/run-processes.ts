import { endProcesses, findProcesses } from '../system/processes.ts';
import { endRunGroup, processesInGroup } from './run-cgroup.ts';

/**
 * Set for an agent and inherited by everything that it starts. The value is a path of run ids, outermost run first: an
 * agent may start another agent, whose processes belong to both runs.
 */
export const RUN_ID_VARIABLE = 'TASK_LOGS_RUN_ID';

/** The value of the variable for a run that starts in an environment with the value `outer`. */
export function runPath(runId: string, outer: string | undefined): string {
  return outer === undefined || outer === '' ? runId : `${outer}/${runId}`;
}

/** The agent of a run and everything that it started, also what moved to another session or parent. */
export function findRunProcesses(runId: string): readonly number[] {
  return findProcesses(RUN_ID_VARIABLE, (value) => value.split('/').includes(runId));
}

/**
 * Ends the processes of a run, see `endProcesses`: those with its id in their environment, and, where it has a control group,
 * also those that have removed the id and left the session.
 */
export async function endRunProcesses(
  runId: string,
  { group, ...options }: { readonly graceMs?: number; readonly group?: string | undefined } = {},
): Promise<number> {
  const ended = await endProcesses(() => {
    const marked = findRunProcesses(runId);
    return group === undefined ? marked : [...new Set([...marked, ...processesInGroup(group)])];
  }, options);
  if (group !== undefined) await endRunGroup(group);
  return ended;
}
