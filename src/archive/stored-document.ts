import { TextDecoder } from 'node:util';
import { canonicalJson } from '../model/canonical-json.ts';
import { SCHEMA_VERSION } from '../model/documents.ts';
import { isJsonObject, type JsonValue } from '../model/json.ts';
import type { WorkflowDocument, WorkflowEnvelope } from '../model/workflow.ts';

/** What stands under the name of a workflow's document. */
export type Stored =
  | { readonly kind: 'document'; readonly document: WorkflowDocument }
  /** Nothing, or the beginning of a document of this workflow: what a server leaves that died while it stored it. */
  | { readonly kind: 'broken' }
  /** Somebody else's; `what` completes "there is ...". */
  | { readonly kind: 'foreign'; readonly what: string };

const STRINGS = ['event_id', 'event_type', 'timestamp'] as const;

/** The bytes of a document, in S3 and on the disk. */
export function encodeDocument(document: WorkflowDocument): Uint8Array {
  return Buffer.from(`${JSON.stringify(document)}\n`);
}

/** What bytes under the name of this workflow's document are. Never throws. */
export function readStored(bytes: Uint8Array, workflowId: string): Stored {
  const text = decode(bytes);
  if (text === undefined) return foreign('something that is no text');
  if (text.trim() === '') return { kind: 'broken' };
  const value = parse(text);
  if (value === undefined) return isBeginning(text, workflowId) ? { kind: 'broken' } : foreign('no JSON');
  if (!isJsonObject(value) || value.workflow_id !== workflowId) {
    return foreign('something that is no document of this workflow');
  }
  const { schema_version: version, revision, events } = value;
  if (typeof version === 'number' && version > SCHEMA_VERSION) {
    return foreign(`a document of schema version ${version}, which is newer than this program`);
  }
  if (!Number.isSafeInteger(revision) || !Array.isArray(events) || !isEnvelope(value, workflowId)) {
    return foreign('a document of this workflow that lists no events');
  }
  if (!events.every((event) => isEnvelope(event, workflowId))) {
    return foreign('a document of this workflow with events that are none');
  }
  // Every field that merging reads has been looked at; the rest is carried over as it is.
  return { kind: 'document', document: value as unknown as WorkflowDocument };
}

/** A process that is killed, or a disk that is full, leaves the front of what was to be stored. */
function isBeginning(text: string, workflowId: string): boolean {
  const front = '{"event_type":"workflow_complete","workflow_id":';
  return text.startsWith(`${front}${JSON.stringify(workflowId)},`);
}

function isEnvelope(value: JsonValue | undefined, workflowId: string): boolean {
  if (!isJsonObject(value) || value.workflow_id !== workflowId || value.payload === undefined) return false;
  return STRINGS.every((name) => typeof value[name] === 'string') && Number.isSafeInteger(value.attempt);
}

/** Whether an event of one is in the other with another payload. */
export function contradicts(one: readonly WorkflowEnvelope[], other: readonly WorkflowEnvelope[]): boolean {
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
    // No UTF-8: that is the answer.
    return undefined;
  }
}

function parse(text: string): JsonValue | undefined {
  try {
    // The one thing that JSON.parse gives.
    return JSON.parse(text) as JsonValue;
  } catch {
    // A SyntaxError: that is the answer.
    return undefined;
  }
}

function foreign(what: string): Stored {
  return { kind: 'foreign', what };
}
