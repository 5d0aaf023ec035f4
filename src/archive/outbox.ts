import type { WorkflowDocument } from '../model/workflow.ts';

/** A document that is to be in S3, and the name that it has there. */
export interface Outgoing {
  readonly document: WorkflowDocument;
  readonly key: string;
}

/** What is known to be in S3. */
export interface Verified {
  readonly bucket: string;
  readonly key: string;
  /** Of the local document, all of which is there. */
  readonly revision: number;
  readonly verified_at: string;
  /** As the server gave it, where it gives one. */
  readonly etag?: string;
}

/** Where finished documents wait until they are known to be in S3. */
export interface Outbox {
  /** Ids of workflows whose document is not known to be there in its present revision. */
  pending(): Promise<readonly string[]>;
  /** Undefined when there is no document (any more); throws when it cannot be read. */
  read(workflowId: string): Promise<Outgoing | undefined>;
  markVerified(workflowId: string, verified: Verified): Promise<void>;
}
