import type { IncomingMessage } from 'node:http';
import { messageOf, TasktrailError } from '../errors.ts';
import type { TelemetryBatch } from '../model/otlp.ts';
import type { Sender } from '../model/sender.ts';
import type { BodyLimits, BodyRoom } from '../system/bounded-body.ts';
import { type SenderSecrets, senderOf } from './authorization.ts';
import { decodeJson } from './decode-json.ts';
import { readBody } from './otlp-body.ts';
import {
  type Answer,
  CONTENT_TYPES,
  type Encoding,
  encodingOf,
  errorAnswer,
  successAnswer,
} from './otlp-response.ts';
import { decodeProtobuf } from './protobuf/decode-protobuf.ts';
import { type DecodedRequest, SIGNALS, type Signal } from './signals.ts';
import type { IngestResult, Sink } from './sink.ts';

const PATHS = SIGNALS.map((signal) => signal.path).join(' and ');
const TYPES = Object.values(CONTENT_TYPES).join(' or ');
const NOTHING_REJECTED: IngestResult = { rejected: 0, reasons: [] };

export interface ExchangeOptions {
  readonly sink: Sink;
  readonly bodyBytesMax: number;
  readonly room: BodyRoom;
  readonly secrets: SenderSecrets;
}

/** One OTLP/HTTP request to its answer: written once for all signals and encodings. Never throws. */
export async function exchange(request: IncomingMessage, options: ExchangeOptions): Promise<Answer> {
  const encoding = encodingOf(request.headers['content-type']);
  const lease = options.room.lease();
  try {
    const sender = senderOf(request.headers.authorization, options.secrets);
    const signal = findSignal(request);
    if (encoding === undefined) {
      throw new TasktrailError('ERR_TYPE_UNSUPPORTED', `unsupported Content-Type: send ${TYPES}`);
    }
    const limits = { bytesMax: options.bodyBytesMax, lease };
    const { batch, ...refused } = await decodeBody(request, { signal, encoding, limits });
    return successAnswer(signal, encoding, [refused, await ingest(options.sink, batch, sender)]);
  } catch (error) {
    return errorAnswer(encoding ?? 'json', asTasktrailError(error));
  } finally {
    lease.release();
  }
}

function findSignal(request: IncomingMessage): Signal {
  const path = request.url?.split('?', 1)[0];
  const signal = SIGNALS.find((candidate) => candidate.path === path);
  if (signal === undefined) {
    const what = path === '/v1/metrics' ? 'metrics are not taken here' : 'there is nothing here';
    throw new TasktrailError('ERR_NOT_FOUND', `${what}: this receiver takes ${PATHS}`);
  }
  if (request.method !== 'POST') {
    throw new TasktrailError('ERR_METHOD_NOT_ALLOWED', `${request.method} is not allowed: use POST`);
  }
  return signal;
}

/** Digits of a nanosecond below the millisecond. */
const NANOS_OF_MS = '000000';
const BRACE = 0x7b;
const NO_RECORDS: TelemetryBatch = { logs: [], spans: [] };

interface Form {
  readonly signal: Signal;
  readonly encoding: Encoding;
  readonly limits: BodyLimits;
}

async function decodeBody(
  request: IncomingMessage,
  { signal, encoding, limits }: Form,
): Promise<DecodedRequest> {
  const body = await readBody(request, limits);
  const receivedAtNanos = `${Date.now()}${NANOS_OF_MS}`;
  if (encoding === 'json') return signal.read(decodeJson(body), receivedAtNanos);
  return signal.read(decodeAsProtobuf(body, signal), receivedAtNanos);
}

/** What is malformed as protobuf may be JSON, or the records of the other path. */
function decodeAsProtobuf(body: Buffer, signal: Signal): unknown {
  try {
    return decodeProtobuf(body, signal.message);
  } catch (error) {
    const hint =
      body[0] === BRACE ? 'this is JSON: send Content-Type: application/json' : hintOfOther(body, signal);
    if (hint === undefined) throw error;
    throw new TasktrailError('ERR_INPUT_INVALID', `malformed request: ${hint}`, { cause: error });
  }
}

function hintOfOther(body: Buffer, signal: Signal): string | undefined {
  const other = SIGNALS.find((candidate) => candidate !== signal);
  try {
    const { batch, rejected } = other?.read(decodeProtobuf(body, other.message)) ?? {
      batch: NO_RECORDS,
      rejected: 0,
    };
    const isOther = rejected === 0 && batch.logs.length + batch.spans.length > 0;
    return isOther ? `these records belong to ${other?.path}: send them there` : undefined;
  } catch {
    // It is malformed as well.
    return undefined;
  }
}

/** Whatever the sink throws, the sender may keep its records and come again. */
async function ingest(sink: Sink, batch: TelemetryBatch, sender: Sender): Promise<IngestResult> {
  if (batch.logs.length === 0 && batch.spans.length === 0) return NOTHING_REJECTED;
  try {
    return await sink.ingest(batch, sender);
  } catch (error) {
    throw new TasktrailError('ERR_STORE_UNAVAILABLE', `not stored: ${messageOf(error)}`, {
      retryable: true,
      cause: error,
    });
  }
}

function asTasktrailError(error: unknown): TasktrailError {
  if (error instanceof TasktrailError) return error;
  return new TasktrailError('ERR_UNEXPECTED', messageOf(error), { cause: error });
}
