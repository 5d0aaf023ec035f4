import { isJsonObject, type JsonObject, parseObject } from '../../model/json.ts';
import { isMark, markOfSpan } from '../../model/sender.ts';
import { spanKey } from '../../project/announced-spans.ts';
import type { TaskLine } from '../../project/change.ts';
import { readGenAiSpan } from '../../project/genai/call-span.ts';
import { isOwnScope } from '../../project/span.ts';
import { readDelivery } from '../../store/read/deliveries/delivery-line.ts';
import { isWorkflowFact } from '../../store/workflow-fact-line.ts';
import { isFactLine } from '../../store/write/lines/fact-line.ts';
import { eventKey, isoOfSpan, traceKey } from '../../store/write/lines/line-keys.ts';
import { spanOf } from '../../store/write/lines/sent-span.ts';
import { receivedSpanOf } from '../../store/write/task/task-telemetry.ts';
import type { RowKind } from '../logsql.ts';
import type { NewLine } from '../rows.ts';
import { outputFields, spanFields } from './new-lines.ts';

/** The kinds of rows that are lines of files elsewhere. */
export type LineKind = Exclude<RowKind, 'task'>;

/**
 * A line as it stands in a file, for VictoriaLogs. The text stays as it is. Undefined for one that is damaged, or that belongs to
 * another task, workflow or day.
 */
export function storedLine(kind: LineKind, unit: string, text: string): NewLine | undefined {
  const value = parseObject(text);
  if (value === undefined) return undefined;
  switch (kind) {
    case 'span':
    case 'workflow-span':
      return storedSpan(kind, unit, { text, value });
    case 'fact':
      return isFactLine(value) ? storedRecord(kind, unit, { text, value }) : undefined;
    case 'event':
      return isWorkflowFact(value) && value.workflow_id === unit
        ? storedRecord(kind, unit, { text, value })
        : undefined;
    case 'delivery': {
      const at = readDelivery(text, unit)?.at;
      const line = at === undefined ? undefined : storedRecord(kind, unit, { text, value });
      return line && at !== undefined ? { ...line, timestamp: at } : undefined;
    }
    default:
      return storedRecord(kind, unit, { text, value });
  }
}

interface Stored {
  readonly text: string;
  readonly value: JsonObject;
}

function storedRecord(kind: LineKind, unit: string, { text, value }: Stored): NewLine | undefined {
  const key = eventKey(value);
  if (key === undefined) return undefined;
  const sender = isMark(value.sender) ? value.sender : 'trail';
  const line: NewLine = { kind, unit, id: key.id, timestamp: key.timestamp, sender, text };
  if (kind !== 'output') return line;
  // `eventKey` has read what a line has in any case.
  return { ...line, fields: outputFields(value as unknown as TaskLine, value.source === 'telemetry') };
}

function storedSpan(
  kind: 'span' | 'workflow-span',
  unit: string,
  { text, value }: Stored,
): NewLine | undefined {
  const span = spanOf(value);
  if (span === undefined || traceKey(value) === undefined) return undefined;
  const { traceId, spanId, attributes, startTimeUnixNano } = span;
  const line: NewLine = {
    ...{ kind, unit, id: spanKey(traceId, spanId), timestamp: isoOfSpan(startTimeUnixNano), text },
    sender: markOfSpan(attributes) ?? 'trail',
  };
  const received = kind === 'span' && isJsonObject(value) ? receivedSpanOf(value) : undefined;
  if (received === undefined) return line;
  return { ...line, fields: spanFields(readGenAiSpan(received, isOwnScope(received.scope))) };
}
