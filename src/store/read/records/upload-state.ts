import type { JsonObject } from '../../../model/json.ts';
import type { UploadState } from '../../../model/workflow.ts';

/** What the mark of an upload says of a document. Undefined without both. */
export function uploadStateOf(
  uploaded: JsonObject | undefined,
  document: { readonly revision?: unknown } | undefined,
): UploadState | undefined {
  if (uploaded === undefined && document === undefined) return undefined;
  const { bucket, key, revision, verified_at: at } = uploaded ?? {};
  const isUploaded = typeof bucket === 'string' && typeof key === 'string';
  return {
    status: isUploaded && revision === document?.revision ? 'verified' : 'pending',
    url: isUploaded ? `s3://${bucket}/${key}` : null,
    revision: typeof revision === 'number' ? revision : null,
    verified_at: typeof at === 'string' ? at : null,
  };
}
