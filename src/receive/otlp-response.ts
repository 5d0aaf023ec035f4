import type { ErrorCode, TasktrailError } from '../errors.ts';
import { bytesField, varintField } from './protobuf/wire-writer.ts';
import type { Signal } from './signals.ts';
import type { IngestResult } from './sink.ts';

export type Encoding = 'json' | 'protobuf';

export const CONTENT_TYPES: Readonly<Record<Encoding, string>> = {
  json: 'application/json',
  protobuf: 'application/x-protobuf',
};

/** Undefined for a missing type, or one that OTLP/HTTP does not define. */
export function encodingOf(contentType: string | undefined): Encoding | undefined {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase();
  if (type === CONTENT_TYPES.json) return 'json';
  return type === CONTENT_TYPES.protobuf ? 'protobuf' : undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

interface Rpc {
  readonly status: number;
  /** google.rpc.Code in the body of an error (OTLP specification, "Failures"). */
  readonly code: number;
}

const INVALID_ARGUMENT = 3;
const MALFORMED: Rpc = { status: 400, code: INVALID_ARGUMENT };
const UNAUTHENTICATED: Rpc = { status: 401, code: 16 };
const BROKEN: Rpc = { status: 500, code: 13 };
const UNAVAILABLE: Rpc = { status: 503, code: 14 };

/** An unsupported Content-Encoding is 400, as in the collector. */
const RPC: Readonly<Record<ErrorCode, Rpc>> = {
  ERR_AGENT_FAILED: BROKEN,
  ERR_CONFIG_INVALID: BROKEN,
  ERR_BUSY: BROKEN,
  ERR_CONFLICT: BROKEN,
  ERR_DIRECTORY_HELD: UNAVAILABLE,
  ERR_DIRECTORY_UNUSABLE: UNAVAILABLE,
  ERR_ENCODING_UNSUPPORTED: MALFORMED,
  ERR_GONE: { status: 410, code: 5 },
  ERR_ID_INVALID: MALFORMED,
  ERR_INPUT_INVALID: MALFORMED,
  ERR_METHOD_NOT_ALLOWED: { status: 405, code: 12 },
  ERR_NOT_CONFIGURED: BROKEN,
  ERR_NOT_FOUND: { status: 404, code: 5 },
  ERR_PORT_IN_USE: BROKEN,
  ERR_QUEUE_UNAVAILABLE: UNAVAILABLE,
  ERR_SIGNATURE_INVALID: UNAUTHENTICATED,
  ERR_STEP_FAILED: BROKEN,
  ERR_STORE_UNAVAILABLE: UNAVAILABLE,
  ERR_TOO_LARGE: { status: 413, code: INVALID_ARGUMENT },
  ERR_TYPE_UNSUPPORTED: { status: 415, code: INVALID_ARGUMENT },
  ERR_UNAUTHORIZED: UNAUTHENTICATED,
  ERR_UNEXPECTED: BROKEN,
};

/** Asks senders that know the key of the log directory for its token. */
const TOKEN_ASKED: Readonly<Record<string, string>> = { 'WWW-Authenticate': 'Bearer realm="tasktrail"' };

/** An answer to a sender without a token, some of whose records were refused: with the token they may be accepted. */
export function askingForToken(answer: Answer): Answer {
  return { ...answer, headers: { ...answer.headers, ...TOKEN_ASKED } };
}

/** Headers that HTTP requires for a status. Retry-After is five seconds: a full disk or a restart takes longer than one. */
const HEADERS: ReadonlyMap<number, Readonly<Record<string, string>>> = new Map([
  [401, TOKEN_ASKED],
  [405, { Allow: 'POST' }],
  [503, { 'Retry-After': '5' }],
]);

/** A sink may give a reason per record; the message is for a person reading a log. */
const REASONS_MAX = 10;

/**
 * The Export*ServiceResponse: empty when every record was accepted, else with the partial success. Warnings without
 * rejected records are a partial success with the count 0 (OTLP specification, "Partial Success").
 */
export function successAnswer(
  signal: Signal,
  encoding: Encoding,
  results: readonly (IngestResult & { readonly warnings?: readonly string[] })[],
): Answer {
  const rejected = results.reduce((sum, result) => sum + result.rejected, 0);
  const reasons = new Set(results.flatMap((result) => [...result.reasons, ...(result.warnings ?? [])]));
  const errorMessage = [...reasons].slice(0, REASONS_MAX).join('; ');
  const headers = { 'Content-Type': CONTENT_TYPES[encoding] };
  if (encoding === 'protobuf') {
    return { status: 200, headers, body: encodeSuccess(rejected, errorMessage) };
  }
  const partialSuccess = { [signal.rejectedField]: String(rejected), errorMessage };
  return {
    status: 200,
    headers,
    body: rejected === 0 && errorMessage === '' ? '{}' : JSON.stringify({ partialSuccess }),
  };
}

/** Logs and traces have the same field numbers (logs_service.proto, trace_service.proto). */
function encodeSuccess(rejected: number, errorMessage: string): Buffer {
  if (rejected === 0 && errorMessage === '') return Buffer.alloc(0);
  const count = rejected === 0 ? [] : [varintField(1, rejected)];
  return bytesField(1, Buffer.concat([...count, bytesField(2, errorMessage)]));
}

/** A google.rpc.Status in the encoding of the request. */
export function errorAnswer(encoding: Encoding, error: TasktrailError): Answer {
  const { status, code } = RPC[error.code];
  const body =
    encoding === 'json'
      ? JSON.stringify({ code, message: error.message })
      : Buffer.concat([varintField(1, code), bytesField(2, error.message)]);
  return { status, headers: { 'Content-Type': CONTENT_TYPES[encoding], ...HEADERS.get(status) }, body };
}
