import type { WorkflowDocument } from '../model/workflow.ts';

/** A document to upload and the name of its object. */
export interface OutgoingDocument {
  readonly document: WorkflowDocument;
  readonly key: string;
}

/** The revision that was verified in S3. */
export interface VerifiedUpload {
  readonly bucket: string;
  readonly key: string;
  /** Revision of the local document. S3 has all of its events. */
  readonly revision: number;
  readonly verified_at: string;
  /** ETag of the object, if the server sends one. */
  readonly etag?: string;
}

/** Finished documents that wait for their upload. */
export interface Outbox {
  /** Ids of workflows whose document is not verified in its current revision. */
  pending(): Promise<readonly string[]>;
  /** Undefined when the document does not exist (any more); throws when it cannot be read. */
  read(workflowId: string): Promise<OutgoingDocument | undefined>;
  markVerified(workflowId: string, verified: VerifiedUpload): Promise<void>;
}
