import { isNewer } from '../../../model/documents.ts';
import { isJsonObject, type JsonObject, type JsonValue, parseObject } from '../../../model/json.ts';
import type { WorkflowDocument, WorkflowEnvelope } from '../../../model/workflow.ts';
import { redactJson } from '../../../redact/redact.ts';
import { isEnvelope } from '../../workflow-fact-line.ts';
import { eventKey, jsonLine } from '../lines/line-keys.ts';

/**
 * The events of a workflow in their order, as the text of their file. `stored` is the present text: a line that has no id
 * stays behind the line before it, and one of a newer version stays as it is.
 */
export function eventsText(envelopes: readonly WorkflowEnvelope[], stored: string | undefined): string {
  const behind = new Map<string, string[]>();
  const newer = new Map<string, string>();
  let last = '';
  for (const text of (stored ?? '').split('\n')) {
    const line = parseObject(text);
    const id = eventKey(line)?.id;
    if (id === undefined) {
      if (line !== undefined) behind.set(last, [...(behind.get(last) ?? []), text]);
      continue;
    }
    last = id;
    if (line !== undefined && isNewer(line)) newer.set(id, text);
  }
  const texts = envelopes.flatMap((envelope) => {
    const { event_id: id } = envelope;
    const own = newer.get(id) ?? jsonLine(envelope).text;
    const more = behind.get(id) ?? [];
    behind.delete(id);
    return [own, ...more];
  });
  // Those whose line before them is no event any more.
  const rest = [...behind.values()].flat();
  return [...texts, ...rest].map((text) => `${text}\n`).join('');
}

/** The text of a document. What a newer version has written in the stored one is kept. */
export function documentText(
  document: WorkflowDocument | undefined,
  stored: JsonObject | undefined,
): string | undefined {
  if (document === undefined) return undefined;
  const kept = stored === undefined ? document : withSaid(document, stored);
  return `${redactJson(JSON.stringify(kept))}\n`;
}

/** The highest revision that a document may have had: from what is left of it, or from the mark of its upload. */
export function revisionIn(document: string | undefined, uploaded: string | undefined): number {
  const whole = parseObject(document)?.revision;
  if (isRevision(whole)) return whole;
  const left = [...(document ?? '').matchAll(/"revision":(\d{1,9})\b/g)].map(([, digits]) => Number(digits));
  const marked = parseObject(uploaded)?.revision;
  return Math.max(0, ...left, isRevision(marked) ? marked : 0);
}

function isRevision(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function withSaid(document: WorkflowDocument, stored: JsonObject): object {
  const events = withEvents(document.events, stored.events);
  const lost = isNewer(stored)
    ? Object.entries(stored).filter(([name]) => !(name in document) || name === 'schema_version')
    : [];
  return { ...document, ...Object.fromEntries(lost), events };
}

function withEvents(events: readonly WorkflowEnvelope[], stored: JsonValue | undefined): readonly unknown[] {
  if (!Array.isArray(stored)) return events;
  const list: readonly JsonValue[] = stored;
  if (list.every((event) => isEnvelope(event) && !isNewer(event as unknown as JsonObject))) return events;
  const lines = list.map((event) => JSON.stringify(event)).join('\n');
  const known = eventsText(events, lines).trimEnd();
  return known.split('\n').flatMap((text) => {
    const event = parseObject(text);
    return isJsonObject(event) ? [event] : [];
  });
}

export type StoredDocument = JsonObject & { readonly event_id?: unknown; readonly revision?: unknown };

/** Undefined when there is no document or it is damaged: then it is written again. */
export function readDocument(text: string | undefined): StoredDocument | undefined {
  return parseObject(text);
}

/** A damaged document is not reported. */
export function isComplete(
  document: StoredDocument | undefined,
): document is StoredDocument & WorkflowDocument {
  return (
    document !== undefined &&
    typeof document.attempt === 'number' &&
    isJsonObject(document.measured) &&
    isJsonObject(document.completeness)
  );
}
