import {
  type OtlpResource,
  plainFromKeyValues,
  type ReceivedLog,
  type ReceivedSpan,
  type TelemetryBatch,
} from '../model/otlp.ts';
import { LOGS_REQUEST, type Message, TRACES_REQUEST } from '../model/otlp-messages.ts';
import { openRequest, type ReadingResult, type RequestLayout, type RequestReader } from './export-request.ts';
import { readLogRecord } from './log-record.ts';
import { ENTRY_PROBLEM } from './outline/limits.ts';
import { type Outline, outlineOf, type RecordPath, type ScopeOutline } from './outline/outline.ts';
import { readSpan } from './span.ts';

/** The valid records of a request, and the number and reasons of the rejected ones. */
export interface DecodedRequest extends ReadingResult {
  readonly batch: TelemetryBatch;
}

/** Reads one request into slices of its records. */
export interface SignalReader extends Omit<RequestReader<unknown>, 'take'> {
  take(): TelemetryBatch;
}

/** The differences between the signals; a new signal is a new row. */
export interface Signal {
  readonly path: string;
  readonly message: Message;
  readonly fields: RecordPath;
  /** Name of the count in `partialSuccess`. */
  readonly rejectedField: string;
  /** A record without a time has that of its receipt, in nanoseconds; without one it keeps 0. */
  open(receivedAtNanos?: string): SignalReader;
  /** Reads a parsed request at once. For small requests: nothing else runs meanwhile. */
  read(request: unknown, receivedAtNanos?: string): DecodedRequest;
}

type Row = Omit<Signal, 'read'>;

function logLayout(receivedAtNanos: string | undefined): RequestLayout<ReceivedLog['resource'], ReceivedLog> {
  return {
    resources: 'resourceLogs',
    scopes: 'scopeLogs',
    records: 'logRecords',
    resource: plainFromKeyValues,
    repeatsResource: false,
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
  repeatsResource: true,
  read: (raw, { resource, scope }, check) => ({ resource, scope, span: readSpan(raw, check) }),
};

const ROWS: readonly Row[] = [
  {
    path: '/v1/logs',
    message: LOGS_REQUEST,
    fields: { resources: 'resourceLogs', scopes: 'scopeLogs', records: 'logRecords' },
    rejectedField: 'rejectedLogRecords',
    open: (receivedAtNanos) =>
      readerOf(openRequest(logLayout(receivedAtNanos)), (logs) => ({ logs, spans: [] })),
  },
  {
    path: '/v1/traces',
    message: TRACES_REQUEST,
    fields: { resources: 'resourceSpans', scopes: 'scopeSpans', records: 'spans' },
    rejectedField: 'rejectedSpans',
    open: () => readerOf(openRequest(SPAN_LAYOUT), (spans) => ({ logs: [], spans })),
  },
];

export const SIGNALS: readonly Signal[] = ROWS.map((row) => ({
  ...row,
  read(request, receivedAtNanos) {
    const reader = row.open(receivedAtNanos);
    const groups = readOutline(outlineOf(request, row.fields), reader);
    while (groups.next().done !== true);
    const rest = reader.finish();
    return { batch: reader.take(), ...rest };
  },
}));

/** Reads the records of an outline; stops after each group of records, with the bytes that it had. */
export function* readOutline({ request, resources }: Outline, reader: SignalReader): Generator<number> {
  reader.begin(request);
  for (const { entry, scopes, rejected } of resources) {
    if (rejected !== undefined) reader.reject(ENTRY_PROBLEM, rejected);
    else if (reader.openResource(entry)) yield* readScopes(scopes, reader);
    yield 0;
  }
}

function* readScopes(scopes: Iterable<ScopeOutline>, reader: SignalReader): Generator<number> {
  for (const { entry, records, rejected } of scopes) {
    if (rejected !== undefined) reader.reject(ENTRY_PROBLEM, rejected);
    else if (reader.openScope(entry)) {
      for (const group of records) {
        if ('rejected' in group) reader.reject(group.rejected, 1);
        else reader.add(group.records);
        yield 'bytes' in group ? group.bytes : 0;
      }
    }
    yield 0;
  }
}

function readerOf<Received>(
  reader: RequestReader<Received>,
  batchOf: (items: Received[]) => TelemetryBatch,
): SignalReader {
  return {
    begin: (request) => reader.begin(request),
    openResource: (entry) => reader.openResource(entry),
    openScope: (entry) => reader.openScope(entry),
    add: (records) => reader.add(records),
    reject: (reason, count) => reader.reject(reason, count),
    get size() {
      return reader.size;
    },
    get repeatedBytes() {
      return reader.repeatedBytes;
    },
    take: () => batchOf(reader.take()),
    finish: () => reader.finish(),
  };
}
