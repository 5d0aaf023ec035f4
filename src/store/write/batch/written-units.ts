import type { SortedBatch } from './sorted-batch.ts';

/** Names of what is synced beside tasks and workflows. */
export const DELIVERIES = 'deliveries';
export const FEED = 'feed';

/** What a batch may have written, as its files are named when they are synced. */
export function unitsOf({ byTask, byWorkflow, deliveries }: SortedBatch): ReadonlySet<string> {
  const units = new Set<string>();
  for (const id of byTask.keys()) units.add(`task ${id}`);
  for (const id of byWorkflow.keys()) units.add(`workflow ${id}`);
  if (byWorkflow.size > 0) units.add(FEED);
  if (deliveries.length > 0) units.add(DELIVERIES);
  return units;
}
