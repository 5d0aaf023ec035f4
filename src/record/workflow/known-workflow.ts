import { isSpanId, isTraceId } from '../../model/ids.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../model/json.ts';
import type { WorkflowEnvelope, WorkflowLevel, WorkflowState } from '../../model/workflow.ts';
import { type Place, Progress, WORKFLOW } from '../progress.ts';

/** A workflow as a reader or `GET /api/workflows/{id}` gives it; without events it knows numbers, and no artifacts. */
export type KnownWorkflow = WorkflowState & { readonly events?: readonly WorkflowEnvelope[] };

/** Undefined for nothing; throws `TypeError` for what is no workflow, or another one. */
export function checkKnown(value: unknown, workflowId: string): KnownWorkflow | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isKnown(value))
    throw new TypeError('state is not a workflow as GET /api/workflows/{id} or a reader gives it');
  if (value.workflow_id !== workflowId)
    throw new TypeError(`state is of workflow ${value.workflow_id}, not of ${workflowId}`);
  return value;
}

function isKnown(value: unknown): value is KnownWorkflow {
  if (!isJsonObject(value) || typeof value.workflow_id !== 'string') return false;
  const { levels, events } = value;
  if (!Array.isArray(levels) || !levels.every(isNumbered)) return false;
  return events === undefined || (Array.isArray(events) && events.every(isNumbered));
}

/** Both levels and events have one. */
function isNumbered(value: unknown): boolean {
  return isJsonObject(value) && typeof value.attempt === 'number';
}

/** Everything that earlier processes did, as far as it is known. */
export function progressOf(known: KnownWorkflow | undefined): Progress {
  const progress = new Progress();
  if (known === undefined) return progress;
  const { events, levels, measured } = known;
  if (events !== undefined) for (const event of events) replay(event, progress, levels);
  else if (typeof measured?.artifacts === 'number') progress.countArtifacts(measured.artifacts);
  for (const level of levels) addLevel(level, progress, levels);
  return progress;
}

/** A resumption opens an attempt as well, and is no start. */
export function isStartKnown(known: KnownWorkflow | undefined, progress: Progress): boolean {
  const { events } = known ?? {};
  if (events === undefined) return progress.attemptOf(WORKFLOW) > 0;
  return events.some(({ event_type: type }) => type === 'workflow_start');
}

/** The trace that the workflow is in. */
export function traceOf(known: KnownWorkflow | undefined): string | undefined {
  const traceId = known?.levels[0]?.trace_id ?? known?.trace_id;
  return isTraceId(traceId) ? traceId : undefined;
}

function addLevel(level: WorkflowLevel, progress: Progress, levels: readonly WorkflowLevel[]): void {
  const { phase, step, attempt, status, started_at: startedAt, trace_id: traceId, span_id: spanId } = level;
  const place = { phase, step };
  progress.countStarts(place, attempt - 1);
  const isStarted = typeof startedAt === 'string' || (status !== null && status !== 'skipped');
  if (isStarted) {
    const around = step === null ? undefined : levels.find((one) => one.phase === phase && one.step === null);
    const spokenAt = startedAt ?? level.completed_at ?? '';
    const isEarlier = typeof around?.started_at === 'string' && spokenAt < around.started_at;
    progress.begin(place, {
      attempt,
      startedAtMs: msOf(startedAt),
      ...(around !== undefined && { above: around.attempt - (isEarlier ? 1 : 0) }),
    });
    if (isTraceId(traceId) && isSpanId(spanId)) progress.name(place, attempt, { traceId, spanId });
    if (status !== null && progress.isOpen(place)) progress.finish(place, { attempt, status, error: null });
  }
  if (status === 'skipped') progress.skip(place);
}

function replay(event: WorkflowEnvelope, progress: Progress, levels: readonly WorkflowLevel[]): void {
  const payload = isJsonObject(event.payload) ? event.payload : {};
  const { attempt, event_type: type } = event;
  const isWorkflow = String(type).startsWith('workflow_');
  const place: Place = isWorkflow ? WORKFLOW : { phase: text(payload.phase), step: nameOf(payload.step) };
  const start = { attempt, startedAtMs: msOf(event.timestamp) };
  switch (type) {
    case 'workflow_start':
    case 'workflow_resumed':
    case 'phase_start':
    case 'step_start':
      progress.begin(place, start);
      break;
    case 'workflow_complete':
    case 'phase_complete':
    case 'step_complete':
      progress.finish(place, { attempt, ...endOf(payload) });
      break;
    case 'phase_skip':
    case 'step_skip':
      progress.skip(place);
      break;
    case 'artifact_create':
      replayArtifact(event, payload, { progress, levels });
      break;
  }
}

/** The event names its step and not the phase of it: it is the one that has such a step, the last one if several. */
function replayArtifact(
  { attempt }: WorkflowEnvelope,
  payload: JsonObject,
  { progress, levels }: { progress: Progress; levels: readonly WorkflowLevel[] },
): void {
  const step = nameOf(payload.step);
  const phases = levels.filter((level) => level.step === step && step !== null).map(({ phase }) => phase);
  const open = phases.findLast((phase) => progress.attemptOf({ phase, step }) === attempt);
  const phase = text(payload.phase) ?? open ?? phases.at(-1) ?? null;
  const { metadata: _, ...summary } = isJsonObject(payload.artifact) ? payload.artifact : {};
  progress.addArtifact({ phase, step }, { attempt, payload, summary });
}

function endOf(payload: JsonObject): { status: string; error: string | null } {
  const of = isJsonObject(payload.step) ? payload.step : payload;
  return { status: text(of.status) ?? 'unknown', error: text(of.error) };
}

/** `"lint"` or `{"name": "lint"}`. */
function nameOf(step: JsonValue | undefined): string | null {
  return text(isJsonObject(step) ? step.name : step);
}

function text(value: JsonValue | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

function msOf(timestamp: string | null | undefined): number {
  const ms = Date.parse(timestamp ?? '');
  return Number.isNaN(ms) ? Date.now() : ms;
}
