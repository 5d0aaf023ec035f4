import { attemptIn } from '../model/attempt.ts';
import { ATTR } from '../model/attributes.ts';
import { type DeliveryLine, OUTPUT_TYPES, type OutputType } from '../model/documents.ts';
import { EVENT, type EventTarget, targetOf, workflowEventType } from '../model/events.ts';
import { isPathSafeId, isWorkflowId } from '../model/ids.ts';
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from '../model/json.ts';
import type { PlainLogRecord, ReceivedLog } from '../model/otlp.ts';
import { severityName } from '../model/severity.ts';
import { isoFromNanos } from '../model/time.ts';
import { nodeOfPayload } from '../model/workflow-node.ts';
import { safeContent } from '../redact/safe-content.ts';
import type { Change, FactLine, WorkflowFact } from './change.ts';

/** A record with the values that every projection needs. */
interface Subject {
  readonly log: ReceivedLog;
  readonly eventId: string;
  readonly timestamp: string;
  readonly taskId: string | undefined;
  /** 1 where the record says none that counts. */
  readonly attempt: number;
  /** The attempt as it was said, where it is none that counts. */
  readonly givenAttempt: JsonValue | undefined;
}

type Projection = (subject: Subject) => Change[];

/** One row per event target. */
const PROJECTIONS: Record<EventTarget, Projection> = {
  metadata: (subject) => factOf(subject, (body) => body),
  input: (subject) => factOf(subject, (body) => (typeof body.message === 'string' ? body : undefined)),
  result: (subject) => factOf(subject, (body) => body),
  stage: stageOf,
  output: (subject) => withTask(subject, outputLine),
  delivery: deliveryOf,
  workflow: workflowFactOf,
  heartbeat: heartbeatOf,
};

/** Names of line fields whose attributes have standard names. */
const OUTPUT_FIELDS: ReadonlyMap<string, string> = new Map([
  [ATTR.genAiToolName, 'tool_name'],
  [ATTR.genAiToolCallId, 'tool_use_id'],
  [ATTR.genAiToolCallArguments, 'tool_input'],
  [ATTR.toolIsError, 'is_error'],
]);

/** The changes that a log record makes. Pure: the same record and id give the same changes. */
export function projectLog(log: ReceivedLog, eventId: string): Change[] {
  const { attributes, eventName, timeUnixNano } = log.record;
  const taskId = attributes[ATTR.taskId] ?? log.resource[ATTR.taskId];
  if (taskId !== undefined && taskId !== null && !isPathSafeId(taskId)) {
    return [{ kind: 'rejected', reason: 'tasktrail.task.id is not a valid id' }];
  }
  const attempt = attributes[ATTR.attempt] ?? log.resource[ATTR.attempt];
  const subject: Subject = {
    log,
    eventId,
    timestamp: isoFromNanos(timeUnixNano),
    taskId: taskId ?? undefined,
    ...readAttempt(attempt),
  };
  const target = targetOf(eventName);
  return target === undefined ? withTask(subject, foreignLine) : PROJECTIONS[target](subject);
}

/** A resource from an environment variable has it as text. */
function readAttempt(value: JsonValue | undefined): Pick<Subject, 'attempt' | 'givenAttempt'> {
  const attempt = attemptIn(typeof value === 'string' ? Number(value) : value);
  const isAbsent = value === undefined || value === null;
  return { attempt: attempt ?? 1, givenAttempt: attempt === undefined && !isAbsent ? value : undefined };
}

/** A heartbeat shows that an attempt is alive; nothing of it is stored. */
function heartbeatOf(subject: Subject): Change[] {
  const { taskId, attempt } = subject;
  return [taskId === undefined ? unattributed(subject) : { kind: 'heartbeat', taskId, attempt }];
}

function withTask(subject: Subject, line: (subject: Subject) => JsonObject): Change[] {
  const { taskId, timestamp, eventId, attempt, givenAttempt } = subject;
  if (taskId === undefined) return [unattributed(subject)];
  // Lines of the first attempt have no number; those of later attempts are in the same file.
  const later = attempt > 1 ? { attempt } : givenAttempt === undefined ? {} : { attempt: givenAttempt };
  const full = { ...line(subject), ...later, timestamp, event_id: eventId };
  return [{ kind: 'line', taskId, file: 'agentOutput', line: full }];
}

function unattributed({ log }: Subject): Change {
  const service = log.resource[ATTR.serviceName];
  return { kind: 'unattributed', service: typeof service === 'string' ? service : 'unknown_service' };
}

function factOf(subject: Subject, check: (body: JsonObject) => JsonObject | undefined): Change[] {
  const { taskId, log } = subject;
  if (taskId === undefined) return [unattributed(subject)];
  const { body, eventName } = log.record;
  const checked = isJsonObject(body) ? check(body) : undefined;
  if (checked === undefined) return [{ kind: 'rejected', reason: `${eventName} has no usable body` }];
  return [{ kind: 'fact', taskId, line: factLine(subject, checked) }];
}

function factLine(subject: Subject, body?: JsonObject): FactLine {
  const { log, eventId, timestamp, attempt, givenAttempt } = subject;
  const { record } = log;
  // A span without ids can be neither expected nor built.
  const named = record.traceId !== undefined && record.spanId !== undefined;
  const { span, derive } = named ? spanFacts(record.attributes) : {};
  return {
    timestamp,
    event_id: eventId,
    event: record.eventName ?? EVENT.metadata,
    attempt,
    trace_id: record.traceId ?? null,
    span_id: record.spanId ?? null,
    ...(body !== undefined && { body }),
    ...(span !== undefined && { span }),
    ...(derive !== undefined && { derive }),
    ...(givenAttempt !== undefined && { given_attempt: givenAttempt }),
  };
}

/** The announced span of a start fact, or the attributes of an end fact whose span must be built. */
function spanFacts(attributes: Readonly<Record<string, JsonValue>>): Pick<FactLine, 'span' | 'derive'> {
  const name = attributes[ATTR.spanName];
  const derive = attributes[ATTR.spanDerive] === true;
  if (typeof name !== 'string' && !derive) return {};
  const kept = Object.fromEntries(
    Object.entries(attributes).filter(([key]) => key !== ATTR.eventId && !key.startsWith('tasktrail.span.')),
  );
  const parent = attributes[ATTR.spanParentId];
  const kind = attributes[ATTR.spanKind];
  return {
    ...(typeof name === 'string' && {
      span: {
        parent_id: typeof parent === 'string' ? parent : null,
        name,
        kind: typeof kind === 'number' ? kind : 1,
        attributes: kept,
      },
    }),
    ...(derive && { derive: { attributes: kept } }),
  };
}

function stageOf(subject: Subject): Change[] {
  const { taskId, timestamp, eventId, log } = subject;
  if (taskId === undefined) return [unattributed(subject)];
  const { attributes, eventName } = log.record;
  const stage = attributes[ATTR.webhookStage] ?? eventName?.slice(ATTR.webhookPrefix.length) ?? '';
  const fields = new Map<string, JsonValue>();
  for (const [key, value] of Object.entries(attributes)) {
    if (!key.startsWith(ATTR.webhookPrefix) || STAGE_IDENTITY.has(key)) continue;
    fields.set(key.slice(ATTR.webhookPrefix.length), value);
  }
  const line = { timestamp, stage, event_id: eventId, ...without(fields, STAGE_KEYS) };
  return [{ kind: 'line', taskId, file: 'webhookFlow', line }];
}

const STAGE_IDENTITY: ReadonlySet<string> = new Set([
  ATTR.webhookProvider,
  ATTR.webhookDeliveryId,
  ATTR.webhookStage,
]);
/** Fields of the line itself; attributes cannot replace them. */
const STAGE_KEYS = ['timestamp', 'stage', 'event_id', 'sender'];
const OUTPUT_KEYS: ReadonlySet<string> = new Set(['timestamp', 'type', 'content', 'event_id', 'sender']);
const NO_FIELDS: JsonObject = {};

function outputLine({ log }: Subject): JsonObject {
  const { attributes, body } = log.record;
  const fields: [string, JsonValue][] = [];
  for (const key of Object.keys(attributes)) {
    const name = OUTPUT_FIELDS.get(key) ?? outputField(key);
    const value = attributes[key];
    if (name === undefined || value === undefined || OUTPUT_KEYS.has(name)) continue;
    fields.push([name, key === ATTR.genAiToolCallArguments ? parsedInput(value) : value]);
  }
  const type = attributes[ATTR.outputType];
  // From entries: an assignment to `__proto__` would not make a field.
  const more = fields.length === 0 ? NO_FIELDS : Object.fromEntries(fields);
  return contentLine(isOutputType(type) ? type : 'output', body ?? '', more);
}

function outputField(key: string): string | undefined {
  return key.startsWith(ATTR.outputPrefix) ? key.slice(ATTR.outputPrefix.length) : undefined;
}

/** Semantic conventions allow a tool's arguments as JSON text; the line has them as JSON. */
function parsedInput(value: JsonValue): JsonValue {
  if (typeof value !== 'string' || !/^\s*[[{]/.test(value)) return value;
  // Text that is no JSON, for example because it was cut, stays text. `parseJson` returns JSON values only.
  return (parseJson(value) as JsonValue | undefined) ?? value;
}

function foreignLine({ log }: Subject): JsonObject {
  const { attributes, body, eventName } = log.record;
  const severity = severityOf(log.record);
  const kept = new Map(Object.entries(attributes));
  return contentLine('system', body ?? eventName ?? '', {
    ...(eventName !== undefined && { event: eventName }),
    ...(severity !== undefined && { severity }),
    attributes: without(kept, [ATTR.taskId, ATTR.attempt, ATTR.eventId]),
  });
}

/** The sender's own text, else the standard name of the number. */
function severityOf({ severityText = '', severityNumber = 0 }: PlainLogRecord): string | undefined {
  return severityText === '' ? severityName(severityNumber) : severityText;
}

function contentLine(type: OutputType, body: JsonValue, more: JsonObject): JsonObject {
  const { text, originalBytes } = safeContent(body);
  const cut = originalBytes === undefined ? {} : { truncated: true, original_bytes: originalBytes };
  // Placeholders that the caller replaces: they fix the order of the keys.
  return { timestamp: '', type, content: text, event_id: '', ...more, ...cut };
}

function deliveryOf({ log, eventId, timestamp }: Subject): Change[] {
  const { attributes, body, traceId } = log.record;
  if (!isJsonObject(body)) return [{ kind: 'rejected', reason: 'a delivery has no usable body' }];
  return [
    {
      kind: 'delivery',
      line: {
        timestamp,
        event_id: eventId,
        provider: text(attributes[ATTR.webhookProvider]) ?? 'unknown',
        delivery_id: text(attributes[ATTR.webhookDeliveryId]),
        event_type: text(body.event_type),
        ...subjectOf(body),
        outcome: text(body.outcome) ?? 'unmatched',
        reason: text(body.reason),
        task_ids: Array.isArray(body.task_ids) ? body.task_ids.filter((id) => typeof id === 'string') : [],
        trace_id: traceId ?? null,
        stages: Array.isArray(body.stages) ? body.stages : [],
        ...(typeof body.mac === 'string' && { mac: body.mac }),
        ...(Number.isSafeInteger(body.tries) && { tries: Number(body.tries) }),
        ...countsOf(body),
      },
    },
  ];
}

function subjectOf({
  subject,
  subject_macs: macs,
}: JsonObject): Pick<DeliveryLine, 'subject' | 'subject_macs'> {
  const named = isJsonObject(macs) ? Object.entries(macs).filter(isText) : [];
  return {
    ...(typeof subject === 'string' && { subject }),
    // From entries: an assignment to `__proto__` would not make a field.
    ...(named.length > 0 && { subject_macs: Object.fromEntries(named) }),
  };
}

function isText(entry: [string, JsonValue | undefined]): entry is [string, string] {
  return typeof entry[1] === 'string';
}

/** The number of deliveries in a line for a flood, and the counts by reason. */
function countsOf({ count, reasons }: JsonObject): Pick<DeliveryLine, 'count' | 'reasons'> {
  const named = isJsonObject(reasons) ? Object.entries(reasons).filter(isCount) : [];
  return {
    ...(typeof count === 'number' && isWhole(count) && { count }),
    // From entries: an assignment to `__proto__` would not make a field.
    ...(named.length > 0 && { reasons: Object.fromEntries(named) }),
  };
}

function isCount(entry: [string, JsonValue | undefined]): entry is [string, number] {
  return typeof entry[1] === 'number' && isWhole(entry[1]);
}

function isWhole(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function workflowFactOf(subject: Subject): Change[] {
  const { log, eventId, timestamp, taskId } = subject;
  const { attributes, body, eventName } = log.record;
  const workflowId = attributes[ATTR.workflowId];
  if (!isWorkflowId(workflowId)) {
    return [{ kind: 'rejected', reason: 'tasktrail.workflow.id is missing or not a valid id' }];
  }
  const fact = factLine(subject);
  const own: WorkflowFact = {
    timestamp,
    event_id: eventId,
    workflow_id: workflowId,
    event_type: workflowEventType(eventName ?? ''),
    attempt: attemptIn(attributes[ATTR.eventAttempt]) ?? null,
    key: text(attributes[ATTR.eventKey]),
    ...nodeOf(attributes, body),
    task_id: taskId ?? null,
    work_item_id: text(attributes[ATTR.workItemId]),
    name: text(attributes[ATTR.genAiWorkflowName]),
    phases: textsOf(attributes[ATTR.workflowPhases]),
    project: text(attributes[ATTR.project] ?? log.resource[ATTR.project]),
    environment: text(attributes[ATTR.environment] ?? log.resource[ATTR.environment]),
    trace_id: fact.trace_id,
    span_id: fact.span_id,
    parent_id: text(attributes[ATTR.spanParentId]),
    payload: body ?? {},
    ...(fact.span !== undefined && { span: fact.span }),
    ...(fact.derive !== undefined && { derive: fact.derive }),
    ...saidAttempt(attributes[ATTR.eventAttempt]),
  };
  const changes: Change[] = [{ kind: 'workflow-fact', fact: own }];
  if (taskId === undefined) return changes;
  // The id of the workflow is added to its task, also when another process sends the event.
  const opens = OPENINGS.has(own.event_type);
  if (opens || fact.span !== undefined || fact.derive !== undefined) {
    const body = opens ? { workflow_ids: [workflowId] } : undefined;
    changes.push({ kind: 'fact', taskId, line: factLine(subject, body) });
  }
  return changes;
}

const OPENINGS: ReadonlySet<string> = new Set(['workflow_start', 'workflow_resumed']);

/** The phase and step of an event: from its attributes, else from its payload. */
function nodeOf(
  attributes: Readonly<Record<string, JsonValue>>,
  body: JsonValue | undefined,
): Pick<WorkflowFact, 'phase' | 'step'> {
  const named = nodeOfPayload(body);
  return {
    phase: text(attributes[ATTR.phaseName]) ?? named.phase,
    step: text(attributes[ATTR.stepName]) ?? named.step,
  };
}

function saidAttempt(value: JsonValue | undefined): Pick<WorkflowFact, 'given_attempt'> {
  const isCounted = value === undefined || value === null || attemptIn(value) !== undefined;
  return isCounted ? {} : { given_attempt: value };
}

function textsOf(value: JsonValue | undefined): readonly string[] | null {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : null;
}

function isOutputType(value: unknown): value is OutputType {
  return OUTPUT_TYPES.some((type) => type === value);
}

function text(value: JsonValue | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

function without(fields: Map<string, JsonValue>, names: readonly string[]): JsonObject {
  for (const name of names) fields.delete(name);
  // From entries: an assignment to `__proto__` would not make a field.
  return Object.fromEntries(fields);
}
