import { basename, dirname } from 'node:path';
import { TasktrailError } from '../../errors.ts';
import { SCHEMA_VERSION } from '../../model/documents.ts';
import { isWorkflowId } from '../../model/ids.ts';
import type { WorkflowDocument } from '../../model/workflow.ts';
import { replaceFile } from '../../system/durable.ts';
import { lstatIfPresent, readableNamesIn } from '../../system/files/optional-files.ts';
import { unlessUnreadable } from '../file-errors.ts';
import { WORKFLOW_FILES } from '../layout.ts';
import { readStoredObject } from '../stored-file.ts';
import { isRealMonth, type WorkflowPlaces, workflowFile } from '../workflow-place.ts';

/** Destination of the documents. */
export interface UploadTarget {
  readonly bucket: string;
  /** Name of a workflow's object, from its id and the year and month (two digits) of its folder. */
  keyOf(workflowId: string, filed: { readonly year: string; readonly month: string }): string;
}

/** `<id>.uploaded`: the revision that was verified in S3. */
interface UploadMark {
  readonly bucket: string;
  readonly key: string;
  readonly revision: number;
  readonly verified_at: string;
  readonly etag?: string;
}

/** Documents of finished workflows and their upload state. */
export class WorkflowUploads {
  readonly #places: WorkflowPlaces;
  readonly #target: UploadTarget;

  constructor(places: WorkflowPlaces, target: UploadTarget) {
    this.#places = places;
    this.#target = target;
  }

  /** Ids of workflows whose current document is not verified in S3, oldest month first. */
  async pending(): Promise<readonly string[]> {
    const ids: string[] = [];
    for (const month of await this.#places.months()) {
      for (const name of (await readableNamesIn(month)).sort()) {
        const id = idOfDocument(name);
        if (id !== undefined && !(await this.#isUploaded(month, id))) ids.push(id);
      }
    }
    return ids;
  }

  /** The document and the name of its object; undefined when there is no document. Throws when it cannot be read. */
  async read(workflowId: string): Promise<{ document: WorkflowDocument; key: string } | undefined> {
    const month = await this.#places.find(workflowId);
    if (month === undefined || !(await isRealMonth(month))) return undefined;
    const document = await readDocument(month, workflowId);
    return document === undefined ? undefined : { document, key: this.#keyOf(month, workflowId) };
  }

  /** Does nothing for a workflow that was removed during the upload. */
  async markVerified(workflowId: string, mark: UploadMark): Promise<void> {
    const month = await this.#places.find(workflowId);
    if (month === undefined || !(await isRealMonth(month))) return;
    if (!(await isFile(workflowFile(month, workflowId, 'document')))) return;
    const { bucket, key, revision, verified_at, etag } = mark;
    const text = JSON.stringify({ bucket, key, revision, verified_at, etag, schema_version: SCHEMA_VERSION });
    await replaceFile(workflowFile(month, workflowId, 'uploaded'), `${text}\n`);
  }

  /** Whether the current document is verified in S3; false when there is no document. */
  async isUploaded(workflowId: string): Promise<boolean> {
    const month = await this.#places.find(workflowId);
    return month !== undefined && (await isRealMonth(month)) && this.#isUploaded(month, workflowId);
  }

  async #isUploaded(month: string, workflowId: string): Promise<boolean> {
    // An unreadable mark counts as none: uploading again is harmless.
    const mark = await unlessUnreadable(readMark(month, workflowId));
    if (mark?.bucket !== this.#target.bucket || mark.key !== this.#keyOf(month, workflowId)) return false;
    try {
      return (await readDocument(month, workflowId))?.revision === mark.revision;
    } catch (error) {
      // The upload meets the same error and reports it.
      if (error instanceof TasktrailError) return false;
      throw error;
    }
  }

  #keyOf(month: string, workflowId: string): string {
    return this.#target.keyOf(workflowId, { year: basename(dirname(month)), month: basename(month) });
  }
}

/** Undefined for a `.json` file that is not named after a workflow. */
function idOfDocument(name: string): string | undefined {
  const id = name.slice(0, -WORKFLOW_FILES.document.length);
  return name.endsWith(WORKFLOW_FILES.document) && isWorkflowId(id) ? id : undefined;
}

async function readDocument(month: string, workflowId: string): Promise<WorkflowDocument | undefined> {
  const path = workflowFile(month, workflowId, 'document');
  const what = `the document of workflow ${workflowId}`;
  const value = await readStoredObject({ path, what });
  if (value?.workflow_id === workflowId && isRevision(value.revision) && Array.isArray(value.events)) {
    // Written by the store; its events are not checked.
    return value as unknown as WorkflowDocument;
  }
  if (value === undefined && !(await isFile(path))) return undefined;
  throw new TasktrailError('ERR_STORE_UNAVAILABLE', `${what} is damaged`);
}

/** Undefined also when it is damaged: uploading again is harmless. */
async function readMark(month: string, workflowId: string): Promise<UploadMark | undefined> {
  const path = workflowFile(month, workflowId, 'uploaded');
  const value = await readStoredObject({ path, what: `the upload of workflow ${workflowId}` });
  const { bucket, key, revision, verified_at } = value ?? {};
  if (typeof bucket !== 'string' || typeof key !== 'string') return undefined;
  if (typeof verified_at !== 'string' || !isRevision(revision)) return undefined;
  return { bucket, key, revision, verified_at };
}

function isRevision(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

async function isFile(path: string): Promise<boolean> {
  return (await lstatIfPresent(path))?.isFile() === true;
}
