import { type Context, createTraceState, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { isSpanId, isTraceId } from '../model/ids.ts';

/**
 * Data that travels with a job for the spans of its attempts: W3C Trace Context under its header names, and attributes of
 * the task under the names of `metadata.json`.
 */
export interface TraceCarrier {
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly source?: string;
  readonly provider?: string;
  readonly assigned_agent?: string;
  readonly model?: string;
}

const NAMES = ['traceparent', 'tracestate', 'source', 'provider', 'assigned_agent', 'model'] as const;

/** The carrier fields of a larger object such as `metadata.json`. Values that are no text are left out. */
export function carrierOf(fields: Readonly<Record<string, unknown>>): TraceCarrier {
  const carrier: { [Name in (typeof NAMES)[number]]?: string } = {};
  for (const name of NAMES) {
    const value = fields[name];
    if (typeof value === 'string') carrier[name] = value;
  }
  return carrier;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/;

/** The remote parent of a carrier; the root context when it is missing or malformed (W3C: start a new trace). */
export function contextFromCarrier(carrier: TraceCarrier): Context {
  const ids = readTraceparent(carrier.traceparent);
  if (ids === undefined) return ROOT_CONTEXT;
  return trace.setSpanContext(ROOT_CONTEXT, {
    ...ids,
    isRemote: true,
    ...(carrier.tracestate ? { traceState: createTraceState(carrier.tracestate) } : {}),
  });
}

export function readTraceparent(
  value: unknown,
): { traceId: string; spanId: string; traceFlags: number } | undefined {
  const match = typeof value === 'string' ? TRACEPARENT.exec(value) : null;
  if (match === null || match[1] === 'ff') return undefined;
  const [, , traceId, spanId, flags] = match;
  if (!isTraceId(traceId) || !isSpanId(spanId)) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags ?? '00', 16) & 1 };
}
