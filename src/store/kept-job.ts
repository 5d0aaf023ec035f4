import { join } from 'node:path';
import { checkId, isPathSafeId } from '../model/ids.ts';
import { lstatIfPresent } from '../system/files/optional-files.ts';
import { OWN_NAMES } from './layout.ts';

/** The file of a task that the service has accepted and not ended. Throws `ERR_ID_INVALID` for an id that is not safe in a path. */
export function keptJobPath(logDir: string, taskId: string): string {
  return join(logDir, OWN_NAMES.queue, `${checkId('task id', taskId)}.json`);
}

/** Whether the service has a job for the task, so that it is not over whatever records say. */
export async function isJobKept(logDir: string, taskId: string): Promise<boolean> {
  return isPathSafeId(taskId) && (await lstatIfPresent(keptJobPath(logDir, taskId))) !== undefined;
}
