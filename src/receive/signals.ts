import {
  type OtlpResource,
  plainFromKeyValues,
  type ReceivedLog,
  type ReceivedSpan,
  type TelemetryBatch,
} from '../model/otlp.ts';
import { LOGS_REQUEST, type Message, TRACES_REQUEST } from '../model/otlp-messages.ts';
import { type RequestLayout, readRequest } from './export-request.ts';
import { readLogRecord } from './log-record.ts';
import type { IngestResult } from './sink.ts';
import { readSpan } from './span.ts';

/** The valid records of a request, and the number and reasons of the rejected ones. */
export interface DecodedRequest extends IngestResult {
  readonly batch: TelemetryBatch;
  /** About records that were kept; absent when there are none. */
  readonly warnings?: readonly string[];
}

/** The differences between the signals; a new signal is a new row. */
export interface Signal {
  readonly path: string;
  readonly message: Message;
  /** Name of the count in `partialSuccess`. */
  readonly rejectedField: string;
  /** A record without a time has that of its receipt, in nanoseconds; without one it keeps 0. */
  read(request: unknown, receivedAtNanos?: string): DecodedRequest;
}

function logLayout(receivedAtNanos: string | undefined): RequestLayout<ReceivedLog['resource'], ReceivedLog> {
  return {
    resources: 'resourceLogs',
    scopes: 'scopeLogs',
    records: 'logRecords',
    resource: plainFromKeyValues,
    read: (raw, { resource, scope }, check) => ({
      resource,
      scope,
      record: readLogRecord(raw, check, receivedAtNanos),
    }),
  };
}

const SPAN_LAYOUT: RequestLayout<OtlpResource, ReceivedSpan> = {
  resources: 'resourceSpans',
  scopes: 'scopeSpans',
  records: 'spans',
  resource: (attributes) => ({ attributes }),
  read: (raw, { resource, scope }, check) => ({ resource, scope, span: readSpan(raw, check) }),
};

export const SIGNALS: readonly Signal[] = [
  {
    path: '/v1/logs',
    message: LOGS_REQUEST,
    rejectedField: 'rejectedLogRecords',
    read(request, receivedAtNanos) {
      const { items, ...rest } = readRequest(request, logLayout(receivedAtNanos));
      return { batch: { logs: items, spans: [] }, ...rest };
    },
  },
  {
    path: '/v1/traces',
    message: TRACES_REQUEST,
    rejectedField: 'rejectedSpans',
    read(request) {
      const { items, ...rest } = readRequest(request, SPAN_LAYOUT);
      return { batch: { logs: [], spans: items }, ...rest };
    },
  },
];
