import { ATTR } from '../../model/attributes.ts';
import { EVENT } from '../../model/events.ts';
import type { JsonObject } from '../../model/json.ts';
import type { SenderMark } from '../../model/sender.ts';
import { isoFromMs } from '../../model/time.ts';
import type { TraceCarrier } from '../carrier.ts';
import { type Moment, mintMoment } from '../mint.ts';
import { activeRecorder } from '../recorder.ts';
import { quietly } from '../scope.ts';
import { UsageTotal } from './usage.ts';

interface AbsentTask {
  readonly taskId: string;
  readonly attempt: number;
  /** The record keeps the mark of the sender that has opened the task, so that it does not become the trail's. */
  readonly openedBy?: SenderMark | undefined;
}

/** Ends a task without an open attempt: its worker is gone, it was never queued, or it was cancelled. */
export function closeTask(
  task: AbsentTask,
  end: { readonly status: 'abandoned' | 'cancelled' | 'failed'; readonly error: string },
): void {
  const moment = mintMoment();
  emitFor(task, EVENT.result, {
    moment,
    body: {
      success: false,
      result: null,
      error: end.error,
      metrics: new UsageTotal().metrics(null),
      completed_at: isoFromMs(moment.timeMs),
      status: end.status,
    },
  });
}

/** Records that a task whose worker was lost is queued for this attempt. */
export function describeRequeue(task: { readonly taskId: string; readonly attempt: number }): void {
  emitFor(task, EVENT.metadata, {
    moment: mintMoment(),
    body: { status: 'queued', attempt: task.attempt },
  });
}

export interface LostTask {
  readonly taskId: string;
  readonly message: string;
  readonly sourceMetadata: JsonObject;
  readonly command: string | null;
  readonly agent: string | null;
  readonly attempt: number;
  readonly carrier: TraceCarrier;
}

/**
 * Records the first facts of a queued task again: those of the process that accepted it were lost. A task that a worker has
 * begun keeps its status.
 */
export function describeAgain(
  task: LostTask,
  createdAt: string,
  { isBegun = false }: { readonly isBegun?: boolean } = {},
): void {
  const { source = null, provider = null, assigned_agent = null, model = null } = task.carrier;
  emitFor(task, EVENT.metadata, {
    moment: mintMoment(),
    body: {
      ...{ source, provider, assigned_agent, model },
      command: task.command,
      requested_agent: task.agent,
      created_at: createdAt,
      ...(!isBegun && { status: 'queued', attempt: task.attempt }),
    },
  });
  const input = { message: task.message, source_metadata: { provider, ...task.sourceMetadata } };
  emitFor(task, EVENT.input, { moment: mintMoment(), body: input });
}

/** Records a fact of a task that is not open in this process. */
function emitFor(
  task: AbsentTask,
  eventName: string,
  { moment, body }: { readonly moment: Moment; readonly body: JsonObject },
): void {
  const recorder = activeRecorder();
  if (recorder === undefined) return;
  const { taskId, attempt, openedBy } = task;
  const mark = openedBy === undefined ? {} : { [ATTR.sender]: openedBy };
  const attributes = { [ATTR.taskId]: taskId, [ATTR.attempt]: attempt, ...mark };
  quietly(() => recorder.emit({ eventName, ...moment, body, attributes }));
}
