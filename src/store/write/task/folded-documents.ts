import { type FinalResult, SCHEMA_VERSION, type TaskInput } from '../../../model/documents.ts';
import { isMark, type Sender } from '../../../model/sender.ts';
import type { TaskFold } from '../../../project/fold.ts';
import { DROPPED_SPANS } from './foreign-spans.ts';
import type { TaskTelemetry } from './task-telemetry.ts';

/** What the files of a task say, read. */
export interface FoldedTask {
  readonly fold: TaskFold;
  readonly telemetry: TaskTelemetry;
  /** The earliest time of a line. */
  readonly firstTimestamp: string | null;
  readonly owner: Sender['kind'] | undefined;
  readonly droppedSpans: number;
  readonly isSettled: boolean;
  /** That of the stored metadata when a newer program wrote it. */
  readonly schemaVersion?: number | undefined;
}

export interface FoldedDocuments {
  readonly input: TaskInput | undefined;
  readonly finalResult: FinalResult | undefined;
  readonly metadata: object;
  /** The result without the amounts of telemetry. */
  readonly stated: FinalResult | undefined;
}

/** The three documents of a task, as its lines give them. */
export function foldedDocuments(task: FoldedTask): FoldedDocuments {
  const { fold, telemetry, firstTimestamp, owner, droppedSpans, isSettled } = task;
  const stated = fold.result();
  const { metadata, finalResult } = telemetry.complete(
    fold.metadata(firstTimestamp),
    stated,
    droppedSpans > 0,
  );
  return {
    input: fold.input(),
    finalResult,
    metadata: {
      ...metadata,
      schema_version: task.schemaVersion ?? SCHEMA_VERSION,
      ...(isMark(owner) && { opened_by: owner }),
      ...(droppedSpans > 0 && { [DROPPED_SPANS]: droppedSpans }),
      ...(isSettled && { settled: true }),
    },
    stated,
  };
}
