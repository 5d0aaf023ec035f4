import { createHash } from 'node:crypto';
import type { WorkflowDocument } from '../model/workflow.ts';
import type { Bucket, StoredObject } from './bucket.ts';
import { UploadError } from './failure.ts';
import { mergeDocuments } from './merge.ts';
import type { Outgoing } from './outbox.ts';
import { contradicts, encodeDocument, readStored } from './stored-document.ts';

/** Others that upload the same workflow get in between at most so often; then it is their turn for a while. */
const ROUNDS_MAX = 5;

/** What a server stored in place of what it was sent: known to be nobody's, so it may be replaced. */
export interface Damage {
  /** SHA-256 of what is there. */
  readonly digest: string;
  /** What was to be there. */
  readonly intended: WorkflowDocument;
}

/** The server accepted a document and stored something else. */
export class DamageError extends UploadError {
  readonly damage: Damage;

  constructor(damage: Damage) {
    super('object', 'the server accepted the document and stored something else');
    this.name = 'DamageError';
    this.damage = damage;
  }
}

export interface Uploaded {
  readonly etag: string | undefined;
  /** False when everything was there already. */
  readonly isWritten: boolean;
}

interface Written {
  readonly document: WorkflowDocument;
  readonly bytes: Uint8Array;
  readonly etag: string | undefined;
}

/**
 * Brings one document to S3: reads what is there, adds what is missing, and reads it again until nothing is missing.
 * Throws an `UploadError`; repeating it does no harm.
 */
export async function uploadDocument(
  bucket: Bucket,
  { document, key }: Outgoing,
  damage: Damage | undefined,
): Promise<Uploaded> {
  let local = document;
  let written: Written | undefined;
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const stored = await bucket.read(key);
    if (written !== undefined) {
      checkWritten(stored, written);
      // Without conditions another writer may have replaced what was merged: all of it goes again.
      local = written.document;
    }
    if (stored !== undefined && written !== undefined && isEqual(stored.bytes, written.bytes)) {
      return { etag: stored.etag, isWritten: true };
    }
    const wanted = wantedOf(local, stored, damage);
    if (wanted === undefined) return { etag: stored?.etag, isWritten: written !== undefined };
    const bytes = encodeDocument(wanted);
    const outcome = await bucket.write(key, bytes, stored);
    if (outcome.kind === 'written') written = { document: wanted, bytes, etag: outcome.etag };
  }
  throw new UploadError('object', 'others keep changing it at the same time');
}

/** What is to be there; undefined when it is. */
function wantedOf(
  local: WorkflowDocument,
  stored: StoredObject | undefined,
  damage: Damage | undefined,
): WorkflowDocument | undefined {
  if (stored === undefined) return local;
  if (damage !== undefined && digestOf(stored.bytes) === damage.digest) {
    return mergeDocuments(local, damage.intended);
  }
  const found = readStored(stored.bytes, local.workflow_id);
  switch (found.kind) {
    case 'broken':
      return local;
    case 'foreign':
      throw new UploadError('object', `there is ${found.what}: move it away or remove it`);
    case 'document': {
      const merged = mergeDocuments(local, found.document);
      return merged === found.document ? undefined : merged;
    }
  }
}

/** Throws when what is there can only be the server's own doing; another writer's document is no fault. */
function checkWritten(stored: StoredObject | undefined, written: Written): void {
  if (stored === undefined) throw new UploadError('object', 'the server accepted it and does not have it');
  if (isEqual(stored.bytes, written.bytes)) return;
  const found = readStored(stored.bytes, written.document.workflow_id);
  const isAnothers =
    found.kind === 'document' &&
    (stored.etag === undefined || stored.etag !== written.etag) &&
    !contradicts(found.document.events, written.document.events);
  if (isAnothers) return;
  throw new DamageError({ digest: digestOf(stored.bytes), intended: written.document });
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
