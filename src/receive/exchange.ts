import type { IncomingMessage } from 'node:http';
import { messageOf, TasktrailError } from '../errors.ts';
import type { TelemetryBatch } from '../model/otlp.ts';
import type { Sender } from '../model/sender.ts';
import type { BodyLimits, BodyRoom } from '../system/http/bounded-body.ts';
import { checkOrigin } from '../system/http/origin.ts';
import { finished, isTurnOver, nextTurn } from '../system/turns.ts';
import { type SenderSecrets, senderOf } from './authorization.ts';
import { decodeJson } from './json/decode-json.ts';
import { outlineJson } from './json/outline-json.ts';
import { readBody } from './otlp-body.ts';
import {
  type Answer,
  askingForToken,
  CONTENT_TYPES,
  type Encoding,
  encodingOf,
  errorAnswer,
  successAnswer,
} from './otlp-response.ts';
import { type Outline, outlineOf } from './outline/outline.ts';
import { decodeProtobuf } from './protobuf/decode-protobuf.ts';
import { outlineProtobuf } from './protobuf/outline-protobuf.ts';
import { SIGNALS, type Signal } from './signals.ts';
import type { IngestResult, Sink } from './sink.ts';
import { readSlices } from './slices.ts';

const PATHS = SIGNALS.map((signal) => signal.path).join(' and ');
const TYPES = Object.values(CONTENT_TYPES).join(' or ');

export interface ExchangeOptions {
  readonly sink: Sink;
  readonly bodyBytesMax: number;
  readonly room: BodyRoom;
  /** Origins whose pages may send. */
  readonly origins: readonly string[];
  readonly secrets: SenderSecrets;
}

/** One OTLP/HTTP request to its answer: written once for all signals and encodings. Never throws. */
export async function exchange(request: IncomingMessage, options: ExchangeOptions): Promise<Answer> {
  const encoding = encodingOf(request.headers['content-type']);
  const lease = options.room.lease();
  try {
    const sender = senderOf(request.headers.authorization, options.secrets);
    // A page knows no token.
    if (sender.kind === 'anonymous') {
      checkOrigin(request, { what: 'the OTLP receiver', origins: options.origins });
    }
    const signal = findSignal(request);
    if (encoding === undefined) {
      throw new TasktrailError('ERR_TYPE_UNSUPPORTED', `unsupported Content-Type: send ${TYPES}`);
    }
    const limits = { bytesMax: options.bodyBytesMax, lease };
    const store = (batch: TelemetryBatch): Promise<IngestResult> => ingest(options.sink, batch, sender);
    const { outcomes, isEmpty } = await storeBody(request, { signal, encoding, limits }, store);
    const answer = successAnswer(signal, encoding, outcomes);
    // An empty request asks whether this receiver knows senders by a token.
    const isAsked = outcomes.some(({ rejected }) => rejected > 0) || isEmpty;
    return sender.kind === 'anonymous' && isAsked ? askingForToken(answer) : answer;
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

/** A body of this size is read in about a millisecond: it does not wait for its turn. */
const SMALL_BYTES = 65_536;

/** JSON up to this size is parsed at once, within a few milliseconds. */
const PARSED_BYTES_MAX = 262_144;

/** Reasons may name a task each; the answer has the first ones. */
const REASONS_MAX = 100;

type Outcome = IngestResult & { readonly warnings?: readonly string[] };

interface Form {
  readonly signal: Signal;
  readonly encoding: Encoding;
  readonly limits: BodyLimits;
}

/** Reads, checks and stores a request: some of its records at a time, with room for other work between them. */
async function storeBody(
  request: IncomingMessage,
  form: Form,
  store: (batch: TelemetryBatch) => Promise<IngestResult>,
): Promise<{ readonly outcomes: readonly Outcome[]; readonly isEmpty: boolean }> {
  const body = await readBody(request, form.limits);
  const receivedAtNanos = `${Date.now()}${NANOS_OF_MS}`;
  if (body.length > SMALL_BYTES && isTurnOver()) await nextTurn();
  const outline = await finished(outlineBody(body, form));
  const reader = form.signal.open(receivedAtNanos);
  let rejected = 0;
  let isEmpty = true;
  const reasons = new Set<string>();
  for await (const batch of readSlices(outline, reader)) {
    if (batch.logs.length + batch.spans.length > 0) isEmpty = false;
    const result = await store(batch);
    rejected += result.rejected;
    for (const reason of result.reasons) if (reasons.size < REASONS_MAX) reasons.add(reason);
  }
  return { outcomes: [reader.finish(), { rejected, reasons: [...reasons] }], isEmpty };
}

function* outlineBody(body: Buffer, { signal, encoding }: Form): Generator<void, Outline> {
  if (encoding === 'json') {
    if (body.length > PARSED_BYTES_MAX) return yield* outlineJson(body, signal.fields);
    return outlineOf(decodeJson(body), signal.fields);
  }
  try {
    return yield* outlineProtobuf(body, signal.message, signal.fields);
  } catch (error) {
    const hint = hintOf(body, signal);
    if (hint === undefined || isTooLarge(error)) throw error;
    throw new TasktrailError('ERR_INPUT_INVALID', `malformed request: ${hint}`, { cause: error });
  }
}

/** What is malformed as protobuf may be JSON, or the records of the other path. */
function hintOf(body: Buffer, signal: Signal): string | undefined {
  if (body[0] === BRACE) return 'this is JSON: send Content-Type: application/json';
  const other = SIGNALS.find((candidate) => candidate !== signal);
  if (other === undefined || body.length > SMALL_BYTES) return undefined;
  try {
    const { batch, rejected } = other.read(decodeProtobuf(body, other.message));
    const isOther = rejected === 0 && batch.logs.length + batch.spans.length > 0;
    return isOther ? `these records belong to ${other.path}: send them there` : undefined;
  } catch {
    // It is malformed as well.
    return undefined;
  }
}

function isTooLarge(error: unknown): boolean {
  return error instanceof TasktrailError && error.code === 'ERR_TOO_LARGE';
}

/** Whatever the sink throws, the sender may keep its records and come again. */
async function ingest(sink: Sink, batch: TelemetryBatch, sender: Sender): Promise<IngestResult> {
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
