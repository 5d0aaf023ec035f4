import type { TelemetryBatch } from '../../../model/otlp.ts';
import { markOf, type Sender } from '../../../model/sender.ts';
import type { Change, TaskChange } from '../../../project/change.ts';
import { isTurnOver, nextTurn } from '../../../system/turns.ts';
import type { WorkflowChange } from '../workflow/open-workflow.ts';
import { type Origin, refusalInTask, refusalOfKind, type Sent, type Standing } from './admission.ts';
import { changesOf } from './batch-changes.ts';
import type { DeliveryChange } from './filed-delivery.ts';

/** A change and the index of its record in the batch. */
export interface Entry<Of> extends Sent<Of> {
  readonly record: number;
}

/** What a batch has for one task or workflow, and the reasons of all refused records of the batch. */
export interface UnitWrite<Of> {
  readonly id: string;
  readonly entries: readonly Entry<Of>[];
  readonly refused: Map<number, string>;
}

interface Heartbeat {
  readonly record: number;
  readonly taskId: string;
  readonly origin: Origin;
}

/** Changes of a batch by destination. */
export interface SortedBatch {
  readonly byTask: Map<string, Entry<TaskChange>[]>;
  readonly byWorkflow: Map<string, Entry<WorkflowChange>[]>;
  readonly deliveries: Entry<DeliveryChange>[];
  /** Heartbeats are not stored. */
  readonly heartbeats: Heartbeat[];
  /** Whether each record is the trail's, which may say everything. */
  isTrails: boolean;
  /** Reasons of records that are not stored, or not in every task. */
  readonly refused: Map<number, string>;
  /** How many of them their sender may not send. */
  notPermitted: number;
  /** How many of them cannot be read. */
  invalid: number;
  /** Records that no file is for. */
  unattributed: number;
  nothing: number;
}

/** Records between two looks at the clock. */
const STEP_RECORDS = 16;

/** Lets other work run. Calls `onUnattributed` with the service name for each record without a task, workflow or delivery. */
export async function sortBatch(
  { batch, sender }: { readonly batch: TelemetryBatch; readonly sender: Sender },
  onUnattributed: (service: string) => void,
): Promise<SortedBatch> {
  const sorted: SortedBatch = {
    byTask: new Map(),
    byWorkflow: new Map(),
    deliveries: [],
    heartbeats: [],
    isTrails: true,
    refused: new Map(),
    notPermitted: 0,
    invalid: 0,
    unattributed: 0,
    nothing: 0,
  };
  let record = 0;
  for (const { changes, origin } of changesOf(batch, sender)) {
    if (markOf(origin.sender) !== undefined) sorted.isTrails = false;
    const refusal = refusalIn(changes, origin);
    if (refusal === undefined) {
      for (const change of changes) sort({ record, change, origin }, sorted, onUnattributed);
    } else {
      sorted.refused.set(record, refusal);
      sorted.notPermitted += 1;
    }
    record += 1;
    if (record % STEP_RECORDS === 0 && isTurnOver()) await nextTurn();
  }
  return sorted;
}

/** A record with one change that is not permitted is refused whole. */
function refusalIn(changes: readonly Change[], origin: Origin): string | undefined {
  for (const change of changes) {
    const refusal = refusalOfKind(change, origin);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function sort(
  { record, change, origin }: Entry<Change>,
  sorted: SortedBatch,
  onUnattributed: (service: string) => void,
): void {
  const { byTask, byWorkflow, deliveries, heartbeats, refused } = sorted;
  switch (change.kind) {
    case 'line':
    case 'fact':
      push(byTask, change.taskId, { record, change, origin });
      break;
    case 'span':
      for (const taskId of change.taskIds) push(byTask, taskId, { record, change, origin });
      break;
    case 'workflow-fact':
      push(byWorkflow, change.fact.workflow_id, { record, change, origin });
      break;
    case 'workflow-span':
      push(byWorkflow, change.workflowId, { record, change, origin });
      break;
    case 'delivery':
      deliveries.push({ record, change, origin });
      break;
    case 'heartbeat':
      heartbeats.push({ record, taskId: change.taskId, origin });
      break;
    case 'nothing':
      sorted.nothing += 1;
      break;
    case 'unattributed':
      sorted.unattributed += 1;
      onUnattributed(change.service);
      break;
    case 'rejected':
      sorted.invalid += 1;
      refused.set(record, change.reason);
      break;
  }
}

/**
 * Notes at the workflow events that name a task about which their sender may not write, that they are refused. `standingOf`
 * is undefined for an unknown task.
 */
export async function refuseByTask(
  { byWorkflow }: SortedBatch,
  standingOf: (taskId: string) => Promise<Standing | undefined>,
): Promise<void> {
  const standings = new Map<string, Standing | undefined>();
  for (const [id, entries] of byWorkflow) {
    const judged: Entry<WorkflowChange>[] = [];
    for (const entry of entries) {
      const taskId = entry.change.kind === 'workflow-fact' ? entry.change.fact.task_id : null;
      if (taskId !== null && !standings.has(taskId)) standings.set(taskId, await standingOf(taskId));
      const standing = taskId === null ? undefined : standings.get(taskId);
      const refusal = standing && refusalInTask(taskId ?? '', entry.origin, standing);
      judged.push(refusal === undefined ? entry : { ...entry, refusal });
    }
    byWorkflow.set(id, judged);
  }
}

export function push<V>(lists: Map<string, V[]>, key: string, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
