import type { JsonObject } from '../model/json.ts';
import type { TaskFacts } from './notification-body.ts';

/** A task or an event of a workflow that may be one to tell. */
export type Candidate =
  | {
      readonly kind: 'task';
      readonly id: string;
      /** The end that was written, where the documents may already say more: `abandoned` is replaced by the next attempt. */
      readonly ended?: JsonObject | undefined;
    }
  | {
      readonly kind: 'workflow';
      readonly id: string;
      readonly event: 'workflow_complete' | 'approval_request';
      readonly eventId: string;
      readonly attempt: number;
      readonly at: string;
      /** Of its completion. */
      readonly status: string | null;
    };

/** A place in the log directory: everything that was written before it is known. */
export interface Mark {
  /** ISO 8601. */
  readonly at: string;
  /** Place in the feed of workflow events; undefined: its beginning. */
  readonly feed: string | undefined;
}

/** A record that a task waits for a person. */
export interface Wait {
  readonly eventId: string;
  /** ISO 8601. */
  readonly at: string;
}

/** What the notifier reads of a log directory. Throws where a file cannot be read now. */
export interface NotifySource {
  /** Undefined for a task that is gone. */
  readTask(taskId: string): Promise<TaskFacts | undefined>;
  /** The newest records by which the task waits for a person. */
  waitsOf(taskId: string): Promise<readonly Wait[]>;
  /** Undefined for a workflow that is gone. */
  readWorkflow(workflowId: string): Promise<JsonObject | undefined>;
  mark(): Promise<Mark>;
  /** Everything that may have been written after a mark, in the order of writing as far as that is known. */
  since(mark: Mark): AsyncIterable<Candidate>;
}
