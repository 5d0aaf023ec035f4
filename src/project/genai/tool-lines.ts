import { attemptIn } from '../../model/attempt.ts';
import { ATTR } from '../../model/attributes.ts';
import { isPathSafeId } from '../../model/ids.ts';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import type { ReceivedLog, ReceivedSpan } from '../../model/otlp.ts';
import type { Hash } from '../../model/workflow-span.ts';
import { safeContent } from '../../redact/safe-content.ts';
import type { Change } from '../change.ts';
import { foreignEventId } from '../foreign-id.ts';
import { reportTime, type ToolReport, toolsOfLog, toolsOfSpan } from './tool-reports.ts';

/** Limit of the arguments of a tool call as JSON text, as of a content. */
const TOOL_INPUT_LENGTH_MAX = 1024 * 1024;

/** Lines of the tool calls in a foreign span that makes `change`. */
export function toolLinesOfSpan(received: ReceivedSpan, change: Change, hash: Hash): Change[] {
  if (change.kind !== 'span' || !change.isForeign) return [];
  const { taskIds, genAi } = change;
  const attempt = genAi.attempt ?? 1;
  return toolsOfSpan(received).flatMap((report) =>
    taskIds.map((taskId) => toolLine(report, { taskId, attempt, hash })),
  );
}

/** Lines of the tool calls in a foreign log record. */
export function toolLinesOfLog({ record, resource }: ReceivedLog, hash: Hash): Change[] {
  const { eventName, attributes, body, timeUnixNano } = record;
  const taskId = attributes[ATTR.taskId] ?? resource[ATTR.taskId];
  if (eventName === undefined || !isPathSafeId(taskId)) return [];
  const attempt = attemptIn(Number(attributes[ATTR.attempt] ?? resource[ATTR.attempt])) ?? 1;
  const place = { taskId, attempt, hash };
  return toolsOfLog({ eventName, attributes, body, timeUnixNano }).map((report) => toolLine(report, place));
}

interface LinePlace {
  readonly taskId: string;
  readonly attempt: number;
  readonly hash: Hash;
}

function toolLine(report: ToolReport, { taskId, attempt, hash }: LinePlace): Change {
  const { type, toolUseId, toolName, value, isError, timeUnixNano } = report;
  const eventId = foreignEventId({ timeUnixNano, text: `${type}\n${toolUseId}` }, 0, hash);
  const isCall = type === 'tool_call';
  const { text, originalBytes } = safeContent(
    isCall ? `${toolName ?? 'unknown'} ${JSON.stringify(value)}` : value,
  );
  const line = {
    timestamp: reportTime(report),
    type,
    content: text,
    event_id: eventId,
    ...(toolName !== null && { tool_name: toolName }),
    tool_use_id: toolUseId,
    ...(isCall ? inputOf(value) : { is_error: isError }),
    source: 'telemetry',
    ...(originalBytes !== undefined && { truncated: true, original_bytes: originalBytes }),
    ...(attempt > 1 && { attempt }),
  };
  return { kind: 'line', taskId, file: 'agentOutput', line, isReported: true };
}

function inputOf(value: JsonValue): JsonObject {
  if (value === null) return {};
  const isLong = JSON.stringify(value).length > TOOL_INPUT_LENGTH_MAX;
  return { tool_input: isLong ? safeContent(value).text : value };
}
