import type { Liveness } from '../liveness.ts';
import { refusalInTask } from './admission.ts';
import type { SortedBatch } from './sorted-batch.ts';

/**
 * Notes the heartbeats of a batch. One is refused where its sender may not write; that of a task that does not run is
 * ignored. Returns the number of refused ones.
 */
export function noteHeartbeats(
  { heartbeats, refused }: Pick<SortedBatch, 'heartbeats' | 'refused'>,
  liveness: Liveness,
  nowMs: number,
  onHeartbeat?: (taskId: string) => void,
): number {
  let count = 0;
  for (const { record, taskId, origin } of heartbeats) {
    const task = liveness.get(taskId);
    const owner = task === undefined ? undefined : (task.openedBy ?? 'trail');
    const refusal = refusalInTask(taskId, origin, { owner, isOver: false, taskIds: new Set() });
    if (refusal === undefined) {
      liveness.heartbeat(taskId, nowMs);
      if (task !== undefined) onHeartbeat?.(taskId);
    } else {
      refused.set(record, refusal);
      count += 1;
    }
  }
  return count;
}
