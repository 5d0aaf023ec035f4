import { lutimes } from 'node:fs';
import { taskFile } from '../../layout.ts';
import type { Liveness } from '../liveness.ts';
import { refusalInTask } from './admission.ts';
import type { SortedBatch } from './sorted-batch.ts';

/**
 * Notes the heartbeats of a batch. One is refused where its sender may not write; that of a task that does not run is
 * ignored. Returns the number of refused ones.
 */
export function noteHeartbeats(
  { heartbeats, refused }: Pick<SortedBatch, 'heartbeats' | 'refused'>,
  {
    liveness,
    nowMs,
    logDir,
  }: { readonly liveness: Liveness; readonly nowMs: number; readonly logDir: string },
): number {
  let count = 0;
  for (const { record, taskId, origin } of heartbeats) {
    const task = liveness.get(taskId);
    const owner = task === undefined ? undefined : (task.openedBy ?? 'trail');
    const refusal = refusalInTask(taskId, origin, { owner, isOver: false, taskIds: new Set() });
    if (refusal === undefined) {
      liveness.heartbeat(taskId, nowMs);
      if (task !== undefined) touchFacts(logDir, taskId);
    } else {
      refused.set(record, refusal);
      count += 1;
    }
  }
  return count;
}

/**
 * Leaves the time of a heartbeat on the file of the facts, where every reader finds it: heartbeats are not stored. Not waited
 * for, and without a word when it fails: it is not more than a hint for people.
 */
function touchFacts(logDir: string, taskId: string): void {
  const now = new Date();
  // Not through a link.
  lutimes(taskFile(logDir, taskId, 'facts'), now, now, () => {});
}
