import { basename, dirname } from 'node:path';
import type { Bucket } from '../../archive/bucket.ts';
import { UploadError } from '../../archive/failure.ts';
import { objectKey } from '../../archive/object-key.ts';
import { classifyObject } from '../../archive/stored-document.ts';
import type { Config } from '../../config/config.ts';
import { TasktrailError } from '../../errors.ts';
import { isWorkflowId } from '../../model/ids.ts';
import { isJsonObject, parseObject } from '../../model/json.ts';
import { documentOf } from '../../project/workflow-document.ts';
import { type Finding, Findings } from '../../store/keep/verify/finding.ts';
import { WORKFLOW_FILES } from '../../store/layout.ts';
import { WorkflowPlaces, workflowFile } from '../../store/workflow-place.ts';
import { readText } from '../../system/durable.ts';
import { readableNamesIn } from '../../system/files/optional-files.ts';
import { loadOptional } from '../../system/optional-package.ts';

/**
 * Holds the objects in S3 against themselves and against the documents of the log directory. Changes nothing. Throws
 * `ERR_CONFIG_INVALID` without a bucket.
 */
export async function verifyObjects(
  config: Config,
  onFinding: (finding: Finding) => void,
  wants: (id: string) => Promise<boolean> = async () => true,
): Promise<void> {
  const { s3, workflowDir } = config;
  if (s3 === undefined)
    throw new TasktrailError('ERR_CONFIG_INVALID', '--s3: no bucket is set: TASK_LOGS_S3_BUCKET names it');
  const bucket = await openBucketOf(s3);
  const seen = new Set<string>();
  try {
    const documents = await localDocuments(workflowDir, (id, filed) => objectKey(s3.prefix, id, filed));
    for await (const key of bucket.keys(s3.prefix.split('{', 1).join())) {
      const id = basename(key, '.json');
      if (!key.endsWith('.json') || !isWorkflowId(id) || !(await wants(id))) continue;
      seen.add(key);
      const findings = new Findings({ kind: 's3', id });
      await verifyObject({ bucket, key, id, findings, local: documents.get(key)?.path });
      for (const finding of findings.found) onFinding(finding);
    }
    for (const [key, { id }] of documents) {
      if (seen.has(key) || !(await wants(id))) continue;
      const findings = new Findings({ kind: 's3', id });
      findings.add(
        'not_uploaded',
        `s3://${s3.bucket}/${key}`,
        'there is no object for the document of the workflow',
      );
      for (const finding of findings.found) onFinding(finding);
    }
  } catch (error) {
    throw bucketFailure(s3.bucket, error);
  } finally {
    bucket.close();
  }
}

/** A failure of the bucket, with its name. Other errors stay as they are. */
export function bucketFailure(bucket: string, error: unknown): unknown {
  if (!(error instanceof UploadError)) return error;
  return new TasktrailError(error.code, `s3://${bucket}: ${error.message}`, { cause: error });
}

export async function openBucketOf(s3: NonNullable<Config['s3']>): Promise<Bucket> {
  const { openBucket } = await loadOptional(
    '@aws-sdk/client-s3',
    () => import('../../archive/s3-bucket.ts'),
    'TASK_LOGS_S3_BUCKET',
  );
  return openBucket(s3);
}

interface LocalDocument {
  readonly id: string;
  readonly path: string;
}

/** The documents of the directory by the keys of their objects. */
async function localDocuments(
  workflowDir: string,
  keyOf: (id: string, filed: { readonly year: string; readonly month: string }) => string,
): Promise<ReadonlyMap<string, LocalDocument>> {
  const found = new Map<string, LocalDocument>();
  for (const month of await new WorkflowPlaces(workflowDir).months()) {
    for (const name of await readableNamesIn(month)) {
      const id = basename(name, WORKFLOW_FILES.document);
      if (!name.endsWith(WORKFLOW_FILES.document) || !isWorkflowId(id)) continue;
      const filed = { year: basename(dirname(month)), month: basename(month) };
      found.set(keyOf(id, filed), { id, path: workflowFile(month, id, 'document') });
    }
  }
  return found;
}

interface ObjectCheck {
  readonly bucket: Bucket;
  readonly key: string;
  readonly id: string;
  readonly findings: Findings;
  readonly local: string | undefined;
}

async function verifyObject({ bucket, key, id, findings, local }: ObjectCheck): Promise<void> {
  const object = await bucket.read(key).catch((error: unknown) => {
    if (!(error instanceof UploadError) || error.scope !== 'object') throw error;
    findings.add('unreadable', key, error.message);
    return undefined;
  });
  // Removed meanwhile.
  if (object === undefined) return;
  const content = classifyObject(object.bytes, id);
  if (content.kind === 'broken') findings.add('damaged_document', key, 'the object is empty or not whole');
  if (content.kind === 'foreign') {
    const isNewer = content.what.includes('newer than this program');
    findings.add(isNewer ? 'newer_version' : 'damaged_document', key, `there is ${content.what}`);
  }
  if (content.kind !== 'document') return;
  const { document } = content;
  const own = documentOf(document.events, { revision: document.revision, disagrees: false });
  if (own === undefined || JSON.stringify(own.measured) !== JSON.stringify(document.measured))
    findings.add('disagrees', key, 'what the object counts is not what its events give');
  const stored = local === undefined ? undefined : parseObject(await readText(local));
  if (!Array.isArray(stored?.events)) return;
  const remote = new Set(document.events.map((event) => event.event_id));
  const missing = stored.events.filter((event) => isJsonObject(event) && !remote.has(String(event.event_id)));
  if (missing.length > 0)
    findings.add('not_uploaded', key, `${missing.length} events of the document are not in the object`);
}
