import { ATTR, PROCESS_LOST } from '../model/attributes.ts';
import type { JsonObject } from '../model/json.ts';
import { keyValuesFromPlain, type OtlpSpan } from '../model/otlp.ts';
import type { FactLine } from './change.ts';

const STATUS_ERROR = 2;

/**
 * Builds the span of a start fact whose process did not send it: from the start and the end fact, or without an end as an
 * error that ends with the last record of the task.
 */
export function spanFromFacts(
  start: FactLine,
  end: FactLine | undefined,
  lastTimestamp: string,
): OtlpSpan | undefined {
  if (start.span === undefined || start.trace_id === null || start.span_id === null) return undefined;
  const attributes: JsonObject = { ...start.span.attributes, ...end?.derive?.attributes };
  const errorType = end === undefined ? PROCESS_LOST : (attributes[ATTR.errorType] ?? undefined);
  const endTimestamp = end?.timestamp ?? lastTimestamp;
  return {
    traceId: start.trace_id,
    spanId: start.span_id,
    ...(start.span.parent_id !== null && { parentSpanId: start.span.parent_id }),
    flags: 1,
    name: start.span.name,
    kind: start.span.kind,
    startTimeUnixNano: nanosFromIso(start.timestamp),
    endTimeUnixNano: laterNanos(start.timestamp, endTimestamp),
    attributes: keyValuesFromPlain(
      errorType === undefined ? attributes : { ...attributes, [ATTR.errorType]: errorType },
    ),
    ...(errorType !== undefined && { status: { code: STATUS_ERROR } }),
  };
}

/** After a clock step backwards the end may be before the start. */
function laterNanos(start: string, end: string): string {
  return nanosFromIso(end > start ? end : start);
}

function nanosFromIso(timestamp: string): string {
  return `${Date.parse(timestamp)}000000`;
}
