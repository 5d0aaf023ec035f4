import { EVENT } from '../../model/events.ts';
import { markOfSpan, type SenderMark } from '../../model/sender.ts';
import { sha256 } from '../../model/sha256.ts';
import { spanKey } from '../../project/announced-spans.ts';
import type { Change, TaskChange, TaskLine } from '../../project/change.ts';
import type { GenAiSpan } from '../../project/genai/call-span.ts';
import { loggedCall } from '../../project/genai/logged-call.ts';
import { type DeliveryChange, filedDelivery } from '../../store/write/batch/filed-delivery.ts';
import { isoOfSpan, spanLine } from '../../store/write/lines/line-keys.ts';
import { recordLine } from '../../store/write/lines/line-limit.ts';
import type { SentLine } from '../../store/write/lines/sent-line.ts';
import { receivedAt } from '../../store/write/task/received-at.ts';
import type { RowKind } from '../logsql.ts';
import type { NewLine } from '../rows.ts';

type SpanChange = Extract<Change, { kind: 'span' | 'workflow-span' }>;
type Fields = Readonly<Record<string, string>>;

/** Values of other fields than the text, in UTF-16 units: a row has 256 KiB, and its text takes most of them. */
const FIELD_UNITS_MAX = 8_192;

/** Ids of calls are only compared. */
const CALL_UNITS_MAX = 200;

/** The line of a change of a task. Undefined when readers would skip it for its length. */
export function taskLine(taskId: string, change: TaskChange, nowMs: number): NewLine | undefined {
  if (change.kind === 'span') return spanOf('span', taskId, change, spanFields(change.genAi));
  if (change.kind === 'fact') {
    const { line } = change;
    const isResult = line.event === EVENT.result;
    const fields = bounded({ event: line.event });
    return lineOf(
      'fact',
      taskId,
      isResult ? { ...line, received_at: receivedAt(line, nowMs) } : line,
      fields,
    );
  }
  return change.file === 'webhookFlow'
    ? lineOf('stage', taskId, change.line)
    : lineOf('output', taskId, change.line, outputFields(change.line, change.isReported));
}

export function workflowLine(
  workflowId: string,
  change: Extract<Change, { kind: 'workflow-fact' | 'workflow-span' }>,
): NewLine | undefined {
  if (change.kind === 'workflow-span') return spanOf('workflow-span', workflowId, change);
  return lineOf('event', workflowId, change.fact);
}

/** The unit is its day. */
export function deliveryLine(change: DeliveryChange, nowMs: number): NewLine | undefined {
  const filed = filedDelivery(change, nowMs);
  const line = lineOf('delivery', filed.day, filed.change.line);
  // Where lists have it.
  return line && { ...line, timestamp: filed.change.line.received_at ?? line.timestamp };
}

/** Id and kind of a change, as its line has them. */
export function nameOf(change: TaskChange | Extract<Change, { kind: 'workflow-fact' | 'workflow-span' }>): {
  readonly kind: RowKind;
  readonly id: string;
} {
  switch (change.kind) {
    case 'line':
      return { kind: change.file === 'webhookFlow' ? 'stage' : 'output', id: change.line.event_id };
    case 'fact':
      return { kind: 'fact', id: change.line.event_id };
    case 'workflow-fact':
      return { kind: 'event', id: change.fact.event_id };
    default: {
      const { traceId, spanId } = change.span;
      return {
        kind: change.kind === 'span' ? 'span' : 'workflow-span',
        id: spanKey(traceId, spanId),
      };
    }
  }
}

function lineOf(kind: RowKind, unit: string, line: SentLine, fields?: Fields): NewLine | undefined {
  const stored = recordLine(line);
  if (stored === undefined) return undefined;
  const { timestamp, event_id: id, sender = 'trail' } = line;
  return { kind, unit, id, timestamp, sender, text: stored.text, ...(fields && { fields }) };
}

function spanOf(
  kind: RowKind,
  unit: string,
  { span, line }: SpanChange,
  fields?: Fields,
): NewLine | undefined {
  const stored = spanLine(span, line);
  if (stored === undefined) return undefined;
  const mark: SenderMark | undefined = markOfSpan(span.attributes);
  const { traceId, spanId, startTimeUnixNano } = span;
  const timestamp = isoOfSpan(startTimeUnixNano);
  const id = spanKey(traceId, spanId);
  return { kind, unit, id, timestamp, sender: mark ?? 'trail', text: stored.text, ...(fields && { fields }) };
}

/** Decides which one of several lines of a tool call stands for the others, and which lines report tokens. */
export function outputFields(line: TaskLine, isReported = false): Fields {
  const { type, tool_use_id: call, tool_name: name } = line;
  return {
    ...(isReported && { reported: '1' }),
    ...(type === 'system' && loggedCall(line) !== undefined && { logged: '1' }),
    ...(typeof call === 'string' && {
      call: call.length > CALL_UNITS_MAX ? sha256(call) : call,
      type: String(type),
      ...(typeof name === 'string' && bounded({ name })),
    }),
  };
}

/** What documents need of a span. */
export function spanFields(span: GenAiSpan): Fields {
  return bounded({ genai: JSON.stringify(span) });
}

function bounded(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, text]) => text.length <= FIELD_UNITS_MAX));
}
