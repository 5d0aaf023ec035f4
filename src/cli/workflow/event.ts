import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../../config/config.ts';
import { pickEnvironment } from '../../config/environment.ts';
import { TasktrailError } from '../../errors.ts';
import { destinationsOf, endpointsOf } from '../../journal/destination.ts';
import { journalLimitOf } from '../../journal/journal-limit.ts';
import { writeLoneRecord } from '../../journal/lone-record.ts';
import { ATTR } from '../../model/attributes.ts';
import { SCHEMA_VERSION } from '../../model/documents.ts';
import { type WorkflowEventType, workflowEventName } from '../../model/events.ts';
import { checkId, checkWorkflowId, isTraceId } from '../../model/ids.ts';
import { isJsonObject, type JsonObject, type JsonValue, parseObject } from '../../model/json.ts';
import { anyValueFromPlain, keyValuesFromPlain, type OtlpResource } from '../../model/otlp.ts';
import { sha256 } from '../../model/sha256.ts';
import { isoFromMs } from '../../model/time.ts';
import { checkPayload } from '../../model/workflow-payloads.ts';
import { derivedTraceId } from '../../model/workflow-span.ts';
import { readTraceparent } from '../../record/carrier.ts';
import { mintMoment } from '../../record/mint.ts';
import { redactJson } from '../../redact/redact.ts';
import { checkFolders } from '../../system/files/real-folders.ts';
import { readTextSync } from '../../system/files/safe-open.ts';

const RESOURCE = 'OTEL_RESOURCE_ATTRIBUTES';

/** A workflow event to be recorded; it gets its time and its id then. */
export interface EventInput {
  readonly type: WorkflowEventType;
  readonly workflowId: string;
  readonly payload: JsonObject;
  /** Undefined: the store numbers the attempts. */
  readonly attempt?: number | undefined;
  readonly key?: string | undefined;
  readonly taskId?: string | undefined;
  /** Name of the workflow. */
  readonly name?: string | undefined;
  /** For a payload that does not name its phase. */
  readonly phase?: string | undefined;
  /** Names of the planned phases, for `workflow_start`. Default: `phases` of the payload. */
  readonly phases?: readonly string[] | undefined;
  readonly trace: EventTrace;
}

/** The trace of a workflow. */
export interface EventTrace {
  readonly traceId: string;
  /** Span id of the parent of the workflow; undefined when there is none. */
  readonly parentId?: string | undefined;
}

/** The reason why nothing is recorded; undefined when recording is on. */
export function offReason({ enabled, emitWorkflowEvents }: Config): string | undefined {
  if (!enabled) return 'TASK_LOGS_ENABLED is false: nothing is recorded';
  if (!emitWorkflowEvents)
    return 'workflow events are switched off (emit_workflow_events): nothing is recorded';
  return undefined;
}

/**
 * The trace of `TRACEPARENT`, else of the task, else a trace derived from the workflow id. Throws `ERR_ID_INVALID` for a
 * task id that cannot be part of a path.
 */
export function traceOf(config: Config, workflowId: string, taskId: string | undefined): EventTrace {
  const given = readTraceparent(pickEnvironment(['TRACEPARENT']).TRACEPARENT);
  if (given !== undefined) return { traceId: given.traceId, parentId: given.spanId };
  const ofTask = taskId === undefined ? undefined : taskTraceId(config.logDir, taskId);
  return { traceId: ofTask ?? derivedTraceId(workflowId, sha256) };
}

/** Throws `ERR_ID_INVALID` or `ERR_INPUT_INVALID`, with one problem per line, for an event that cannot be recorded. */
export function checkEvent({ type, workflowId, payload, taskId }: Omit<EventInput, 'trace'>): void {
  checkWorkflowId(workflowId);
  if (taskId !== undefined) checkId('task id', taskId);
  const problems = checkPayload(type, payload);
  if (problems.length > 0) throw new TasktrailError('ERR_INPUT_INVALID', `${type}: ${problems.join('\n')}`);
}

/** An event in the journal. */
export interface RecordedEvent {
  /** Its envelope as JSON text. */
  readonly envelope: string;
  /** The id of its segment, which waits for `deliverSegments`. */
  readonly segment: string;
}

/**
 * Appends an event to the journal. Throws as `checkEvent` does, and
 * `ERR_DIRECTORY_UNUSABLE` when the write failed; then nothing is recorded.
 */
export function recordEvent(config: Config, event: EventInput): RecordedEvent {
  checkEvent(event);
  const { type, payload, trace } = event;
  const { timeMs, eventId } = mintMoment();
  const phases = type === 'workflow_start' ? (event.phases ?? textsOf(payload.phases)) : undefined;
  const segment = writeLoneRecord(
    {
      isKept: endpointsOf(config).length > 0,
      logDir: config.logDir,
      fsync: config.fsync,
      limit: journalLimitOf(config),
      destinations: destinationsOf(config),
      source: { resource: resourceOf(config), scope: { name: 'tasktrail' } },
    },
    {
      timeUnixNano: `${timeMs}000000`,
      eventName: workflowEventName(type),
      body: anyValueFromPlain(payload),
      attributes: keyValuesFromPlain({ [ATTR.eventId]: eventId, ...attributesOf(event, phases) }),
      traceId: trace.traceId,
    },
  );
  const envelope = redactJson(
    JSON.stringify({
      event_type: type,
      workflow_id: event.workflowId,
      timestamp: isoFromMs(timeMs),
      project: config.project,
      environment: config.environment,
      payload,
      event_id: eventId,
      task_id: event.taskId,
      trace_id: trace.traceId,
      // Null: the store assigns the number, because it has the other events of the workflow.
      attempt: event.attempt ?? null,
      schema_version: SCHEMA_VERSION,
      key: event.key,
      phases,
    }),
  );
  return { envelope, segment };
}

function attributesOf(
  event: EventInput,
  phases: readonly string[] | undefined,
): Readonly<Record<string, JsonValue | undefined>> {
  const { type, payload, trace } = event;
  const step = isJsonObject(payload.step) ? payload.step : { name: payload.step };
  const artifact = isJsonObject(payload.artifact) ? payload.artifact : {};
  const context = isJsonObject(payload.context) ? payload.context : {};
  const isWorkflowStart = type === 'workflow_start' || type === 'workflow_resumed';
  return {
    [ATTR.workflowId]: event.workflowId,
    [ATTR.workflowPhases]: phases,
    [ATTR.genAiWorkflowName]: event.name,
    [ATTR.workItemId]: textOf(context.work_item_id),
    [ATTR.taskId]: event.taskId,
    [ATTR.phaseName]: textOf(payload.phase) ?? event.phase,
    [ATTR.stepName]: textOf(step.name),
    [ATTR.stepSkill]: textOf(step.skill),
    [ATTR.stepStatus]: textOf(step.status),
    [ATTR.artifactType]: textOf(artifact.type),
    [ATTR.artifactPath]: textOf(artifact.path),
    [ATTR.eventAttempt]: event.attempt,
    [ATTR.eventKey]: event.key,
    [ATTR.spanDerive]: true,
    [ATTR.spanParentId]: isWorkflowStart ? trace.parentId : undefined,
  };
}

function textOf(value: JsonValue | undefined): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function textsOf(value: JsonValue | undefined): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const texts = value.filter((item) => typeof item === 'string');
  return texts.length === value.length ? texts : undefined;
}

function taskTraceId(logDir: string, taskId: string): string | undefined {
  const folder = join(logDir, checkId('task id', taskId));
  try {
    checkFolders(folder, 1);
    // It may not exist yet, or only on another machine: the trace is then derived from the workflow id.
    const traceId = parseObject(readTextSync(join(folder, 'metadata.json')))?.trace_id;
    return isTraceId(traceId) ? traceId : undefined;
  } catch {
    // Any error of the disk: recording goes on without the trace of the task.
    return undefined;
  }
}

/** The resource attributes of a service with the same settings. */
function resourceOf(config: Config): OtlpResource {
  const own = {
    [ATTR.serviceName]: config.serviceName,
    [ATTR.project]: config.project,
    [ATTR.environment]: config.environment,
    'host.name': hostname(),
    'process.pid': process.pid,
  };
  return { attributes: keyValuesFromPlain({ ...givenAttributes(), ...own }) };
}

/** `OTEL_RESOURCE_ATTRIBUTES`: percent-encoded `name=value` pairs. The task attributes in it describe the agent process. */
function givenAttributes(): Record<string, string> {
  const given: [string, string][] = [];
  for (const pair of (pickEnvironment([RESOURCE])[RESOURCE] ?? '').split(',')) {
    const at = pair.indexOf('=');
    const name = pair.slice(0, at).trim();
    if (at > 0 && name !== ATTR.taskId && name !== ATTR.attempt)
      given.push([name, decoded(pair.slice(at + 1))]);
  }
  return Object.fromEntries(given);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.trim());
  } catch {
    // A URIError: the percent sign is meant literally.
    return text.trim();
  }
}
