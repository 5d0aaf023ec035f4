import { createHash } from 'node:crypto';
import type { WorkflowDocument } from '../model/workflow.ts';
import type { Bucket, StoredObject } from './bucket.ts';
import { UploadError } from './failure.ts';
import { mergeDocuments } from './merge.ts';
import type { OutgoingDocument } from './outbox.ts';
import { classifyObject, encodeDocument, hasConflictingPayload } from './stored-document.ts';

/** Rounds before the upload gives way to other writers of the same object and is retried later. */
const ROUNDS_MAX = 5;

/**
 * Content that a server stored instead of the document it was sent. It is damage and not another writer's, so it may
 * be overwritten.
 */
export interface Damage {
  /** SHA-256 of the stored content. */
  readonly digest: string;
  /** The document that was sent. */
  readonly intended: WorkflowDocument;
}

export class DamageError extends UploadError {
  readonly damage: Damage;

  constructor(damage: Damage) {
    super('object', 'the server accepted the document and stored different content');
    this.name = 'DamageError';
    this.damage = damage;
  }
}

export interface Uploaded {
  readonly etag: string | undefined;
  /** False when the object was complete already. */
  readonly isWritten: boolean;
}

interface Written {
  readonly document: WorkflowDocument;
  readonly bytes: Uint8Array;
  readonly etag: string | undefined;
}

/**
 * Uploads one document: reads the object, merges and writes it, and reads it again until nothing is missing. Throws
 * an `UploadError`; repeating the call is harmless.
 */
export async function uploadDocument(
  bucket: Bucket,
  { document, key }: OutgoingDocument,
  damage: Damage | undefined,
): Promise<Uploaded> {
  let local = document;
  let written: Written | undefined;
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const stored = await bucket.read(key);
    if (written !== undefined) {
      checkWritten(stored, written);
      // Without conditional writes another writer may have overwritten the merged document: all of it is written
      // again.
      local = written.document;
    }
    if (stored !== undefined && written !== undefined && isEqual(stored.bytes, written.bytes)) {
      return { etag: stored.etag, isWritten: true };
    }
    const next = documentToWrite(local, stored, damage);
    if (next === undefined) return { etag: stored?.etag, isWritten: written !== undefined };
    const bytes = encodeDocument(next);
    const outcome = await bucket.write(key, bytes, stored);
    if (outcome.kind === 'written') written = { document: next, bytes, etag: outcome.etag };
  }
  throw new UploadError('object', 'other writers keep changing the object');
}

/** The document to write; undefined when the object is complete. */
function documentToWrite(
  local: WorkflowDocument,
  stored: StoredObject | undefined,
  damage: Damage | undefined,
): WorkflowDocument | undefined {
  if (stored === undefined) return local;
  if (damage !== undefined && digestOf(stored.bytes) === damage.digest) {
    return mergeDocuments(local, damage.intended);
  }
  const content = classifyObject(stored.bytes, local.workflow_id);
  switch (content.kind) {
    case 'broken':
      return local;
    case 'foreign':
      throw new UploadError('object', `there is ${content.what}: move or remove it`);
    case 'document': {
      const merged = mergeDocuments(local, content.document);
      return merged === content.document ? undefined : merged;
    }
  }
}

/** Throws when only the server can have caused the difference; a document of another writer is no error. */
function checkWritten(stored: StoredObject | undefined, written: Written): void {
  if (stored === undefined)
    throw new UploadError('object', 'the server accepted the document and does not have it');
  if (isEqual(stored.bytes, written.bytes)) return;
  const content = classifyObject(stored.bytes, written.document.workflow_id);
  const isOtherWriter =
    content.kind === 'document' &&
    (stored.etag === undefined || stored.etag !== written.etag) &&
    !hasConflictingPayload(content.document.events, written.document.events);
  if (isOtherWriter) return;
  throw new DamageError({ digest: digestOf(stored.bytes), intended: written.document });
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
