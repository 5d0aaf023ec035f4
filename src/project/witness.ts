import { attemptIn } from '../model/attempt.ts';
import { canonicalJson } from '../model/canonical-json.ts';
import { isTerminal, type TerminalStatus } from '../model/documents.ts';
import { EVENT } from '../model/events.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../model/json.ts';
import type { SenderMark } from '../model/sender.ts';
import { readIso } from '../model/time.ts';
import type { FactLine } from './change.ts';
import { COMPUTED, EARLIEST } from './fold.ts';

/** The documents of a task as they are on disk; undefined for one that is missing or damaged. */
export interface StoredDocuments {
  readonly metadata: JsonObject | undefined;
  readonly input: JsonObject | undefined;
  readonly result: JsonObject | undefined;
}

/** The documents on disk beside what the facts on disk give. */
export interface Testimony {
  readonly taskId: string;
  readonly stored: StoredDocuments;
  readonly folded: Pick<StoredDocuments, 'metadata' | 'input'>;
  readonly facts: readonly FactLine[];
  /** Of the sender that opened the task. Absent: the trail. */
  readonly sender?: SenderMark | undefined;
}

/** Fields of the written metadata that come from no record. */
const OWN_FIELDS: ReadonlySet<string> = new Set(['settled', 'dropped_spans']);

const RESULT_LOST = 'the result of this task was lost; metadata.json says how it ended';

/**
 * Facts for what the documents of a task say and its remaining facts do not. A document is written after its facts and
 * outlives them: `facts.jsonl` may be cut, missing or of another version. A value that some fact has is none of these:
 * then the facts decide. None of the results is stored; each opening makes them again.
 */
export function lostFacts(testimony: Testimony): FactLine[] {
  const metadata = ownMetadata(testimony);
  const end = lostEnd(testimony, metadata);
  const fields = metadata === undefined ? [] : lostMetadata(testimony, metadata);
  const lost = [...fields, ...lostInput(testimony), ...(end === undefined ? [] : [end])];
  const { sender } = testimony;
  return sender === undefined ? lost : lost.map((fact) => ({ ...fact, sender }));
}

/** Metadata that belongs to this task: another program may have a file of the same name. */
function ownMetadata({ taskId, stored: { metadata } }: Testimony): JsonObject | undefined {
  return metadata?.task_id === taskId ? metadata : undefined;
}

function lostMetadata({ folded, facts }: Testimony, stored: JsonObject): FactLine[] {
  const known = folded.metadata ?? {};
  const seen = facts.filter(({ event }) => event === EVENT.metadata).map(({ body }) => body ?? {});
  const body: Record<string, JsonValue> = {};
  for (const [name, value] of Object.entries(stored)) {
    if (value === undefined || value === null || COMPUTED.has(name) || OWN_FIELDS.has(name)) continue;
    if (EARLIEST.has(name)) {
      if (isEarlier(value, known[name])) body[name] = value;
    } else if (!isEqual(value, known[name]) && !isIn(seen, name, value)) body[name] = value;
  }
  if (isLonger(stored.workflow_ids, known.workflow_ids)) body.workflow_ids = stored.workflow_ids;
  const attempt = attemptIn(stored.attempt) ?? 1;
  const isAttemptLost = attempt > (attemptIn(known.attempt) ?? 1);
  const isSourceLost = stored.source === null && known.source !== null;
  const out: FactLine[] = [];
  if (isAttemptLost || isSourceLost || Object.keys(body).length > 0) {
    // As late as its attempt: older facts that come again do not undo it, a later record does.
    const timestamp = readIso(stored.completed_at) ?? lastTimestamp(facts);
    out.push(witness({ event: EVENT.metadata, attempt, timestamp, body }));
  }
  // As early as possible: any other state of the attempt that a fact has is newer, or as good.
  if (!isTerminal(stored.status) && stored.status !== known.status && typeof stored.status === 'string') {
    const status = { status: stored.status };
    out.push(witness({ event: EVENT.metadata, attempt, timestamp: '', body: status }));
  }
  return out;
}

function lostInput({ stored, folded, facts }: Testimony): FactLine[] {
  const { input } = stored;
  if (typeof input?.message !== 'string') return [];
  const seen = facts.filter(({ event }) => event === EVENT.input).map(({ body }) => body ?? {});
  const { source_metadata: source, ...fields } = input;
  const body: Record<string, JsonValue> = lostFields(fields, folded.input, seen);
  if (isJsonObject(source)) {
    const sources = seen.flatMap(({ source_metadata: of }) => (isJsonObject(of) ? [of] : []));
    const known = folded.input?.source_metadata;
    const lost = lostFields(source, isJsonObject(known) ? known : undefined, sources);
    if (Object.keys(lost).length > 0) body.source_metadata = lost;
  }
  if (Object.keys(body).length === 0) return [];
  return [witness({ event: EVENT.input, attempt: 1, timestamp: lastTimestamp(facts), body })];
}

function lostFields(
  stored: JsonObject,
  known: JsonObject | undefined,
  seen: readonly JsonObject[],
): Record<string, JsonValue> {
  const lost = Object.entries(stored).filter(
    (entry): entry is [string, JsonValue] =>
      entry[1] !== undefined && !isEqual(entry[1], known?.[entry[0]]) && !isIn(seen, entry[0], entry[1]),
  );
  // From entries: an assignment to `__proto__` would not make a field.
  return Object.fromEntries(lost);
}

/** The end that the documents name, unless a fact has it. */
function lostEnd({ stored, facts }: Testimony, metadata: JsonObject | undefined): FactLine | undefined {
  const ends = facts.filter(({ event }) => event === EVENT.result);
  const said = metadata !== undefined && isTerminal(metadata.status) ? metadata.status : undefined;
  const result = asEnd(stored.result);
  if (result !== undefined) {
    const { timestamp } = result;
    const given = attemptIn(stored.result?.attempt);
    if (ends.some((end) => isSameEnd(end, timestamp) && (given ?? end.attempt) === end.attempt))
      return undefined;
    // A result without a number is of the first attempt, or, from an earlier version, of the attempt in the metadata.
    const attempt = given ?? (said === undefined ? 1 : (attemptIn(metadata?.attempt) ?? 1));
    const receivedAt = receivedAtOf(stored.result?.received_at ?? metadata?.end_received_at);
    return witness({ event: EVENT.result, attempt, ...result, ...receivedAt });
  }
  const timestamp = readIso(metadata?.completed_at);
  if (said === undefined || timestamp === undefined) return undefined;
  const attempt = attemptIn(metadata?.attempt) ?? 1;
  if (ends.some((end) => isSameEnd(end, timestamp))) return undefined;
  const body = endOf(said, timestamp);
  return witness({
    event: EVENT.result,
    attempt,
    timestamp,
    body,
    ...receivedAtOf(metadata?.end_received_at),
  });
}

function receivedAtOf(value: JsonValue | undefined): Pick<FactLine, 'received_at'> {
  const receivedAt = readIso(value);
  return receivedAt === undefined ? {} : { received_at: receivedAt };
}

/** What is left of a result when only the metadata says that the task ended. */
function endOf(status: TerminalStatus, completedAt: string): JsonObject {
  const success = status === 'completed';
  return {
    success,
    status,
    completed_at: completedAt,
    error: success ? null : RESULT_LOST,
    incomplete: true,
  };
}

function asEnd(result: JsonObject | undefined): Pick<FactLine, 'timestamp' | 'body'> | undefined {
  const timestamp = readIso(result?.completed_at);
  if (result === undefined || timestamp === undefined || typeof result.success !== 'boolean')
    return undefined;
  return { timestamp, body: result };
}

function isSameEnd({ body, timestamp }: FactLine, completedAt: string): boolean {
  return (readIso(body?.completed_at) ?? timestamp) === completedAt;
}

/** An empty id sorts first: of two ends of one moment, that of the document stays. */
function witness(fact: Pick<FactLine, 'event' | 'attempt' | 'timestamp' | 'body' | 'received_at'>): FactLine {
  return { event_id: '', trace_id: null, span_id: null, ...fact };
}

function lastTimestamp(facts: readonly FactLine[]): string {
  return facts.reduce((last, { timestamp }) => (timestamp > last ? timestamp : last), '');
}

function isEarlier(value: JsonValue, known: JsonValue | undefined): boolean {
  const time = readIso(value);
  return time !== undefined && !(typeof known === 'string' && known <= time);
}

/** Whether the stored list has an item that the known one lacks. */
function isLonger(
  stored: JsonValue | undefined,
  known: JsonValue | undefined,
): stored is readonly JsonValue[] {
  return Array.isArray(stored) && stored.some((item) => !(Array.isArray(known) && known.includes(item)));
}

function isIn(bodies: readonly JsonObject[], name: string, value: JsonValue): boolean {
  return bodies.some((body) => isEqual(value, body[name]));
}

function isEqual(a: JsonValue, b: JsonValue | undefined): boolean {
  return b !== undefined && canonicalJson(a) === canonicalJson(b);
}
