import { ATTR } from '../model/attributes.ts';
import { isPathSafeId, isWorkflowId } from '../model/ids.ts';
import { isJsonObject } from '../model/json.ts';
import { type OtlpKeyValue, plainFromAnyValue, type ReceivedSpan } from '../model/otlp.ts';
import type { Change } from './change.ts';
import { readGenAiSpan } from './genai/call-span.ts';

/** Scope name of the tracers of tasktrail. */
const OWN_SCOPE = 'tasktrail';

/** Most tasks of a span, which is stored in each of them. A delivery makes a few. */
const TASKS_MAX = 100;

/** The changes that a span makes: a line in the trace of each task that the span or its resource names. */
export function projectSpan(received: ReceivedSpan): Change {
  const { resource, scope, span } = received;
  const named = [...namedTasks(span.attributes), ...namedTasks(resource.attributes)];
  const taskIds = [...new Set(named)].filter(isPathSafeId);
  if (named.length > 0 && taskIds.length === 0) {
    return { kind: 'rejected', reason: 'tasktrail.task.id is not a valid id' };
  }
  if (taskIds.length > TASKS_MAX) {
    return { kind: 'rejected', reason: `a span names more than ${TASKS_MAX} tasks` };
  }
  const line = traceLine(received);
  if (taskIds.length > 0) {
    const isOwn = isOwnScope(scope);
    return { kind: 'span', taskIds, isForeign: !isOwn, span, genAi: readGenAiSpan(received, isOwn), line };
  }
  const workflowId = read(span.attributes, ATTR.workflowId);
  if (isWorkflowId(workflowId)) return { kind: 'workflow-span', workflowId, span, line };
  // A delivery without a task is stored as one line below `_webhooks`, without its span.
  if (read(span.attributes, ATTR.webhookProvider) !== undefined) return { kind: 'nothing' };
  const service = read(resource.attributes, ATTR.serviceName);
  return { kind: 'unattributed', service: typeof service === 'string' ? service : 'unknown_service' };
}

/** Whether tasktrail made the span, by the name of its instrumentation scope. */
export function isOwnScope(scope: unknown): boolean {
  return isJsonObject(scope) && scope.name === OWN_SCOPE;
}

/** One line of the OpenTelemetry file format: an ExportTraceServiceRequest with one span. */
export function traceLine({ resource, scope, span }: ReceivedSpan): string {
  return JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ scope, spans: [span] }] }] });
}

function namedTasks(attributes: readonly OtlpKeyValue[]): unknown[] {
  const one = read(attributes, ATTR.taskId);
  const many = read(attributes, ATTR.taskIds);
  return [...(one === undefined ? [] : [one]), ...(Array.isArray(many) ? many : [])];
}

function read(attributes: readonly OtlpKeyValue[], key: string): unknown {
  const found = attributes.find((attribute) => attribute.key === key);
  return found === undefined ? undefined : plainFromAnyValue(found.value);
}
