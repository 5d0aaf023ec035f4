import type { TelemetryBatch } from '../../model/otlp.ts';
import type { Change } from '../../project/change.ts';
import { isTurnOver, nextTurn } from '../../system/turns.ts';
import { changesOf } from './batch-changes.ts';
import type { DeliveryChange } from './delivery-files.ts';
import type { TaskChange } from './open-task.ts';
import type { WorkflowChange } from './open-workflow.ts';

/** A change and the index of its record in the batch. */
export interface Entry<Of> {
  readonly record: number;
  readonly change: Of;
}

/** Changes of a batch by destination. */
export interface SortedBatch {
  readonly byTask: Map<string, Entry<TaskChange>[]>;
  readonly byWorkflow: Map<string, Entry<WorkflowChange>[]>;
  readonly deliveries: Entry<DeliveryChange>[];
  /** Tasks with a heartbeat, which is not stored. */
  readonly heartbeats: Set<string>;
  /** Reasons of records that are not stored, or not in every task. */
  readonly refused: Map<number, string>;
}

/** Records between two looks at the clock. */
const STEP_RECORDS = 16;

/** Lets other work run. Calls `onUnattributed` with the service name for each record without a task, workflow or delivery. */
export async function sortBatch(
  batch: TelemetryBatch,
  onUnattributed: (service: string) => void,
): Promise<SortedBatch> {
  const sorted: SortedBatch = {
    byTask: new Map(),
    byWorkflow: new Map(),
    deliveries: [],
    heartbeats: new Set(),
    refused: new Map(),
  };
  let record = 0;
  for (const changes of changesOf(batch)) {
    for (const change of changes) sort({ record, change }, sorted, onUnattributed);
    record += 1;
    if (record % STEP_RECORDS === 0 && isTurnOver()) await nextTurn();
  }
  return sorted;
}

function sort(
  { record, change }: Entry<Change>,
  { byTask, byWorkflow, deliveries, heartbeats, refused }: SortedBatch,
  onUnattributed: (service: string) => void,
): void {
  switch (change.kind) {
    case 'line':
    case 'fact':
      push(byTask, change.taskId, { record, change });
      break;
    case 'span':
      for (const taskId of change.taskIds) push(byTask, taskId, { record, change });
      break;
    case 'workflow-fact':
      push(byWorkflow, change.fact.workflow_id, { record, change });
      break;
    case 'workflow-span':
      push(byWorkflow, change.workflowId, { record, change });
      break;
    case 'delivery':
      deliveries.push({ record, change });
      break;
    case 'heartbeat':
      heartbeats.add(change.taskId);
      break;
    case 'nothing':
      break;
    case 'unattributed':
      onUnattributed(change.service);
      break;
    case 'rejected':
      refused.set(record, change.reason);
      break;
  }
}

export function push<V>(lists: Map<string, V[]>, key: string, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
