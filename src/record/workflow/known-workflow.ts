import { canonicalJson } from '../../model/canonical-json.ts';
import { isSpanId, isTraceId } from '../../model/ids.ts';
import { isJsonObject, type JsonObject, type JsonValue, objectOf } from '../../model/json.ts';
import type { WorkflowEnvelope, WorkflowLevel, WorkflowState } from '../../model/workflow.ts';
import { nodeOfPayload, WORKFLOW } from '../../model/workflow-node.ts';
import { artifactIdentity } from '../artifact.ts';
import { Progress } from '../progress.ts';

/** A workflow as a reader or `GET /api/workflows/{id}` returns it. Without events only the number of artifacts is known. */
export type KnownWorkflow = WorkflowState & { readonly events?: readonly WorkflowEnvelope[] };

/** Undefined for null and undefined. Throws `TypeError` for a value that is not the state of this workflow. */
export function checkKnown(value: unknown, workflowId: string): KnownWorkflow | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isKnown(value))
    throw new TypeError('state is not a workflow as GET /api/workflows/{id} or a reader returns it');
  if (value.workflow_id !== workflowId)
    throw new TypeError(`state is of workflow ${value.workflow_id}, not of ${workflowId}`);
  return value;
}

function isKnown(value: unknown): value is KnownWorkflow {
  if (!isJsonObject(value) || typeof value.workflow_id !== 'string') return false;
  const { levels, events } = value;
  if (!Array.isArray(levels) || !levels.every(hasAttempt)) return false;
  return events === undefined || (Array.isArray(events) && events.every(hasAttempt));
}

/** Levels and events both have an attempt. */
function hasAttempt(value: unknown): boolean {
  return isJsonObject(value) && typeof value.attempt === 'number';
}

/** The progress that earlier processes made. */
export function progressOf(known: KnownWorkflow | undefined): Progress {
  const progress = new Progress();
  if (known === undefined) return progress;
  const { measured } = known;
  const { events, levels } = decidingPart(known);
  if (events !== undefined) for (const event of events) replay(event, progress, levels);
  else if (typeof measured?.artifacts === 'number') progress.addArtifactCount(measured.artifacts);
  for (const level of levels) addLevel(level, progress, levels);
  return progress;
}

/** In a workflow of the trail, what an agent has added does not tell what is done. */
function decidingPart(known: KnownWorkflow): {
  readonly events: readonly WorkflowEnvelope[] | undefined;
  readonly levels: readonly WorkflowLevel[];
} {
  const { events, levels, opened_by: opener } = known;
  if (opener !== undefined) return { events, levels };
  const isTrails = ({ sender }: { readonly sender?: unknown }): boolean => sender === undefined;
  return { events: events?.filter(isTrails), levels: levels.filter(isTrails) };
}

/** Without events an attempt counts as a start, although a resumption may have opened it. */
export function isStartKnown(known: KnownWorkflow | undefined, progress: Progress): boolean {
  const { events } = known ?? {};
  if (events === undefined) return progress.attemptOf(WORKFLOW) > 0;
  return events.some(({ event_type: type }) => type === 'workflow_start');
}

/** The trace of the workflow. */
export function traceOf(known: KnownWorkflow | undefined): string | undefined {
  const traceId = known?.levels[0]?.trace_id ?? known?.trace_id;
  return isTraceId(traceId) ? traceId : undefined;
}

function addLevel(level: WorkflowLevel, progress: Progress, levels: readonly WorkflowLevel[]): void {
  const { phase, step, attempt, status, started_at: startedAt, trace_id: traceId, span_id: spanId } = level;
  const node = { phase, step };
  progress.addStartCount(node, attempt - 1);
  const isStarted = typeof startedAt === 'string' || (status !== null && status !== 'skipped');
  if (isStarted) {
    const parent = step === null ? undefined : levels.find((one) => one.phase === phase && one.step === null);
    const firstTime = startedAt ?? level.completed_at ?? '';
    // Only the newest attempt of the phase is listed; an older step belongs to the attempt before it.
    const isOlder = typeof parent?.started_at === 'string' && firstTime < parent.started_at;
    progress.addStart(node, {
      attempt,
      startedAtMs: msOf(startedAt),
      ...(parent !== undefined && { parentAttempt: parent.attempt - (isOlder ? 1 : 0) }),
    });
    if (isTraceId(traceId) && isSpanId(spanId)) progress.setSpanIds(node, attempt, { traceId, spanId });
    if (status !== null && progress.isOpen(node)) progress.addEnd(node, { attempt, status, error: null });
  }
  if (status === 'skipped') progress.skip(node);
}

function replay(event: WorkflowEnvelope, progress: Progress, levels: readonly WorkflowLevel[]): void {
  const payload = objectOf(event.payload);
  const { attempt, event_type: type } = event;
  const node = String(type).startsWith('workflow_') ? WORKFLOW : nodeOfPayload(payload);
  switch (type) {
    case 'workflow_start':
    case 'workflow_resumed':
    case 'phase_start':
    case 'step_start':
      progress.addStart(node, { attempt, startedAtMs: msOf(event.timestamp) });
      break;
    case 'workflow_complete':
    case 'phase_complete':
    case 'step_complete':
      progress.addEnd(node, { attempt, ...endOf(payload) });
      break;
    case 'phase_skip':
    case 'step_skip':
      progress.skip(node);
      break;
    case 'artifact_create':
      replayArtifact(event, payload, { progress, levels });
      break;
  }
}

/**
 * The event of a step names no phase. It belongs to the phase whose step of that name has the attempt of the event, else
 * to the last phase with such a step.
 */
function replayArtifact(
  { attempt }: WorkflowEnvelope,
  payload: JsonObject,
  { progress, levels }: { progress: Progress; levels: readonly WorkflowLevel[] },
): void {
  const { phase: named, step } = nodeOfPayload(payload);
  const phases = levels.filter((level) => level.step === step && step !== null).map(({ phase }) => phase);
  const open = phases.findLast((phase) => progress.attemptOf({ phase, step }) === attempt);
  const node = { phase: named ?? open ?? phases.at(-1) ?? null, step };
  const { metadata: _, ...summary } = objectOf(payload.artifact);
  const key = canonicalJson(artifactIdentity(node, attempt, payload));
  progress.addArtifact(node, { attempt, key, summary });
}

function endOf(payload: JsonObject): { status: string; error: string | null } {
  const { status, error } = isJsonObject(payload.step) ? payload.step : payload;
  return { status: textOrNull(status) ?? 'unknown', error: textOrNull(error) };
}

function textOrNull(value: JsonValue | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

/** Now, for a time that is missing or cannot be read. */
function msOf(timestamp: string | null | undefined): number {
  const ms = Date.parse(timestamp ?? '');
  return Number.isNaN(ms) ? Date.now() : ms;
}
