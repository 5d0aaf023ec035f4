import type { DeliveryLine, FinalResult, Metadata } from '../../model/documents.ts';
import type { WorkflowDocument } from '../../model/workflow.ts';

/** A task's end as its documents notify it. */
export interface TaskEnd {
  readonly metadata: Metadata;
  readonly result: FinalResult;
  /**
   * The result of the same attempt that was told before; undefined: this attempt has not ended before. Amounts are those
   * of an attempt, so only what a later result says beyond this one is new.
   */
  readonly before: FinalResult | undefined;
}

/** A workflow's end as its document tells it. */
export interface WorkflowEnd {
  readonly name: string | null;
  readonly document: WorkflowDocument;
  /** The revision that was told before; undefined: it has not ended before. */
  readonly before: WorkflowDocument | undefined;
}

/**
 * Hears what has newly been stored: once each, however often a record comes. What the documents on the disk say already
 * when a task or a workflow is opened is not told again. What it throws is ignored.
 */
export interface StoreObserver {
  taskEnded?(end: TaskEnd): void;
  workflowEnded?(end: WorkflowEnd): void;
  /** How many approvals an open workflow waits for: told again whenever it may have changed, and when it is read back. */
  approvalsWait?(workflowId: string, count: number): void;
  deliveryStored?(line: DeliveryLine): void;
}

/** Tells the observer; nothing that it does becomes a matter of what is stored. */
export function notify(observer: StoreObserver | undefined, news: (observer: StoreObserver) => void): void {
  if (observer === undefined) return;
  try {
    news(observer);
  } catch {
    // A defect of whoever listens, of any kind: the record is stored, and sending it again would mend nothing.
  }
}
