import type { DeliveryLine, FinalResult, Metadata } from '../../model/documents.ts';
import type { JsonObject } from '../../model/json.ts';
import type { WorkflowDocument, WorkflowEnvelope } from '../../model/workflow.ts';

/** End of a task as its documents state it. */
export interface TaskEnd {
  readonly metadata: Metadata;
  readonly result: FinalResult;
  /**
   * Previously reported result of the same attempt; undefined: this is its first end. Amounts are totals of the
   * attempt, so only the difference is new.
   */
  readonly before: FinalResult | undefined;
}

/** End of a workflow as its document states it. */
export interface WorkflowEnd {
  readonly name: string | null;
  readonly document: WorkflowDocument;
  /** Previously reported revision; undefined: this is the first end. */
  readonly before: WorkflowDocument | undefined;
}

/**
 * Receives newly stored items, each once, however often its record arrives. Ends that are on disk when a task or
 * workflow is opened are not reported again. Exceptions are ignored.
 */
export interface StoreObserver {
  taskEnded?(end: TaskEnd): void;
  workflowEnded?(end: WorkflowEnd): void;
  /**
   * Number of approvals that an open workflow waits for. Called after each change and when the workflow is read back.
   */
  approvalsWait?(workflowId: string, count: number): void;
  deliveryStored?(line: DeliveryLine): void;
  /** A record with metadata of a task is in its files. Called often: it must return at once. */
  metadataStored?(taskId: string, metadata: JsonObject): void;
  /** An event of a workflow is in its file and in the feed. */
  eventStored?(envelope: WorkflowEnvelope): void;
  /** The files of a task may have changed, or are gone. Called often: it must return at once. */
  taskChanged?(taskId: string): void;
  /** The same for a workflow. */
  workflowChanged?(workflowId: string): void;
  /** Deliveries were added to the file of this day. */
  deliveriesChanged?(day: string): void;
}

/** Calls the observer. Its errors do not affect storing. */
export function notify(observer: StoreObserver | undefined, call: (observer: StoreObserver) => void): void {
  if (observer === undefined) return;
  try {
    call(observer);
  } catch {
    // A defect of the observer, of any kind. The record is stored, and sending it again would not help.
  }
}
