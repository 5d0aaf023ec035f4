import { type Archive, startArchive } from '../archive/archive.ts';
import { objectKey } from '../archive/object-key.ts';
import type { Books } from '../books.ts';
import type { Config } from '../config/config.ts';
import { WorkflowUploads } from '../store/keep/workflow-uploads.ts';
import { WorkflowPlaces } from '../store/workflow-place.ts';

/** The upload of workflow documents to S3. */
export interface Uploads {
  readonly archive: Archive;
  isUploaded(workflowId: string): Promise<boolean>;
}

/** The upload state of the documents in the log directory; undefined without a bucket. */
export function uploadsOf(config: Config): WorkflowUploads | undefined {
  const { s3, workflowDir } = config;
  if (s3 === undefined) return undefined;
  return new WorkflowUploads(new WorkflowPlaces(workflowDir), {
    bucket: s3.bucket,
    keyOf: (id, filed) => objectKey(s3.prefix, id, filed),
  });
}

/**
 * Whether retention may remove a workflow, as far as uploads decide. Undefined: they do not. A file that asks for an upload
 * without consent keeps every workflow: removed before the upload, it would be lost.
 */
export function isUploadedBy(
  config: Config,
  uploads: Pick<Uploads, 'isUploaded'> | undefined,
): ((workflowId: string) => Promise<boolean>) | undefined {
  if (uploads !== undefined) return (id) => uploads.isUploaded(id);
  return config.asksForUpload ? () => Promise.resolve(false) : undefined;
}

export function startUploads(config: Config, books: Books, log: (line: string) => void): Uploads | undefined {
  const outbox = uploadsOf(config);
  if (config.s3 === undefined || outbox === undefined) return undefined;
  return {
    archive: startArchive({ config: config.s3, outbox, books, log }),
    isUploaded: (id) => outbox.isUploaded(id),
  };
}
