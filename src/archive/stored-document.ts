import { TextDecoder } from 'node:util';
import { canonicalJson } from '../model/canonical-json.ts';
import { SCHEMA_VERSION } from '../model/documents.ts';
import { isJsonObject, type JsonValue, parseJson } from '../model/json.ts';
import type { WorkflowDocument, WorkflowEnvelope } from '../model/workflow.ts';

/** Content of an object under the name of a workflow's document. */
export type StoredContent =
  | { readonly kind: 'document'; readonly document: WorkflowDocument }
  /** Empty, or the start of a document of this workflow: a server died while it stored the object. */
  | { readonly kind: 'broken' }
  /** Not a document of this workflow; `what` completes "there is ...". */
  | { readonly kind: 'foreign'; readonly what: string };

const STRINGS = ['event_id', 'event_type', 'timestamp'] as const;

/** Bytes of a document, in S3 and on disk. */
export function encodeDocument(document: WorkflowDocument): Uint8Array {
  return Buffer.from(`${JSON.stringify(document)}\n`);
}

/** Classifies the bytes of an object. Never throws. */
export function classifyObject(bytes: Uint8Array, workflowId: string): StoredContent {
  const text = decode(bytes);
  if (text === undefined) return foreign('an object that is not text');
  if (text.trim() === '') return { kind: 'broken' };
  const value = parseJson(text);
  if (value === undefined)
    return isTruncated(text, workflowId) ? { kind: 'broken' } : foreign('text that is not JSON');
  if (!isJsonObject(value) || value.workflow_id !== workflowId) {
    return foreign('an object that is not a document of this workflow');
  }
  const { schema_version: version, revision, events } = value;
  if (typeof version === 'number' && version > SCHEMA_VERSION) {
    return foreign(`a document of schema version ${version}, which is newer than this program`);
  }
  if (!Number.isSafeInteger(revision) || !Array.isArray(events) || !isEnvelope(value, workflowId)) {
    return foreign('a document of this workflow without a list of events');
  }
  if (!events.every((event) => isEnvelope(event, workflowId))) {
    return foreign('a document of this workflow with invalid events');
  }
  // Every field that merging reads is checked; the others are kept unread.
  return { kind: 'document', document: value as unknown as WorkflowDocument };
}

/** A killed process or a full disk leaves the first part of a document. */
function isTruncated(text: string, workflowId: string): boolean {
  const front = '{"event_type":"workflow_complete","workflow_id":';
  return text.startsWith(`${front}${JSON.stringify(workflowId)},`);
}

function isEnvelope(value: JsonValue | undefined, workflowId: string): boolean {
  if (!isJsonObject(value) || value.workflow_id !== workflowId || value.payload === undefined) return false;
  return STRINGS.every((name) => typeof value[name] === 'string') && Number.isSafeInteger(value.attempt);
}

/** Whether both lists have an event with the same id and different payloads. */
export function hasConflictingPayload(
  one: readonly WorkflowEnvelope[],
  other: readonly WorkflowEnvelope[],
): boolean {
  const payloads = new Map(one.map(({ event_id, payload }) => [event_id, canonicalJson(payload)]));
  return other.some(({ event_id, payload }) => {
    const before = payloads.get(event_id);
    return before !== undefined && before !== canonicalJson(payload);
  });
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // Not UTF-8.
    return undefined;
  }
}

function foreign(what: string): StoredContent {
  return { kind: 'foreign', what };
}
