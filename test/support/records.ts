import type { JsonValue } from '../../src/model/json.ts';
import type { OtlpKeyValue, OtlpSpan, ReceivedLog, ReceivedSpan } from '../../src/model/otlp.ts';
import { keyValuesFromPlain } from '../../src/model/otlp.ts';
import type { FactLine } from '../../src/project/change.ts';

/** Start of time in tests, 2026-01-02T03:04:05.000Z. */
export const T0: number = Date.parse('2026-01-02T03:04:05.000Z');

export const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';

/** An event id that sorts by number. */
export function eventId(number: number): string {
  return `01KDY${String(number).padStart(21, '0')}`;
}

export function spanId(number: number): string {
  return number.toString(16).padStart(16, '0');
}

export interface LogOptions {
  readonly event?: string;
  readonly id?: string;
  readonly atMs?: number;
  readonly body?: JsonValue;
  readonly attributes?: Readonly<Record<string, JsonValue>>;
  readonly resource?: Readonly<Record<string, JsonValue>>;
  readonly spanId?: string;
}

/** A log record, by default of task `task-1`. */
export function log(options: LogOptions): ReceivedLog {
  const { event, id, atMs = 0, body, attributes, resource, spanId } = options;
  return {
    resource: resource ?? { 'service.name': 'test' },
    scope: { name: 'test' },
    record: {
      timeUnixNano: `${T0 + atMs}000000`,
      ...(event !== undefined && { eventName: event }),
      ...(body !== undefined && { body }),
      attributes: {
        ...(id !== undefined && { 'tasktrail.event.id': id }),
        ...(attributes ?? { 'tasktrail.task.id': 'task-1' }),
      },
      ...(spanId !== undefined && { traceId: TRACE_ID, spanId }),
    },
  };
}

export function span(options: {
  readonly id: string;
  readonly attributes?: Readonly<Record<string, JsonValue>>;
  readonly resource?: readonly OtlpKeyValue[];
  readonly more?: Partial<OtlpSpan>;
}): ReceivedSpan {
  return {
    resource: { attributes: options.resource ?? keyValuesFromPlain({ 'service.name': 'test' }) },
    scope: { name: 'test' },
    span: {
      traceId: TRACE_ID,
      spanId: options.id,
      name: 'work',
      kind: 1,
      startTimeUnixNano: `${T0}000000`,
      endTimeUnixNano: `${T0 + 5}000000`,
      attributes: keyValuesFromPlain(options.attributes ?? { 'tasktrail.task.id': 'task-1' }),
      ...options.more,
    },
  };
}

/** A line of agent output, ordered by its number. */
export function outputLog(number: number, content = `line ${number}\n`, taskId = 'task-1'): ReceivedLog {
  return log({
    event: 'tasktrail.agent.output',
    id: eventId(number),
    atMs: number,
    body: content,
    attributes: { 'tasktrail.task.id': taskId, 'tasktrail.agent.output.type': 'output' },
  });
}

export function fact(options: Partial<FactLine> & { readonly number?: number }): FactLine {
  const { number = 0, ...more } = options;
  return {
    timestamp: new Date(T0 + number).toISOString(),
    event_id: eventId(number),
    event: 'tasktrail.task.metadata',
    attempt: 1,
    trace_id: TRACE_ID,
    span_id: null,
    ...more,
  };
}
