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
}

/** The differences between the signals; a new signal is a new row. */
export interface Signal {
  readonly path: string;
  readonly message: Message;
  /** Name of the count in `partialSuccess`. */
  readonly rejectedField: string;
  read(request: unknown): DecodedRequest;
}

const LOG_LAYOUT: RequestLayout<ReceivedLog['resource'], ReceivedLog> = {
  resources: 'resourceLogs',
  scopes: 'scopeLogs',
  records: 'logRecords',
  resource: plainFromKeyValues,
  read: (raw, { resource, scope }, check) => ({ resource, scope, record: readLogRecord(raw, check) }),
};

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
    read(request) {
      const { items, rejected, reasons } = readRequest(request, LOG_LAYOUT);
      return { batch: { logs: items, spans: [] }, rejected, reasons };
    },
  },
  {
    path: '/v1/traces',
    message: TRACES_REQUEST,
    rejectedField: 'rejectedSpans',
    read(request) {
      const { items, rejected, reasons } = readRequest(request, SPAN_LAYOUT);
      return { batch: { logs: [], spans: items }, rejected, reasons };
    },
  },
];
