import { isPresent } from '../../../system/files/optional-files.ts';

/**
 * New tasks, workflows and days of deliveries of one request. Each makes several files, for which a sender needs a few
 * bytes. A request of tasktrail's own has at most 512 records, and the collector's usual batch 8,192 of a few programs.
 */
const BEGUN_MAX = 3_000;

export const BEGUN_PROBLEM: string = `a request begins more than ${BEGUN_MAX} new tasks, workflows or days`;

/** Whether a request may store records of `what`, which has files when `path` exists. `begun` is what it has begun. */
export async function mayBegin(what: string, path: string, begun: Set<string>): Promise<boolean> {
  if (begun.has(what) || isPresent(path)) return true;
  if (begun.size >= BEGUN_MAX) return false;
  begun.add(what);
  return true;
}
