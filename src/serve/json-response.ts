import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { errnoOf } from '../errors.ts';
import { ANSWER_HEADERS } from './problem.ts';

const JSON_TYPE = 'application/json; charset=utf-8';

/** Lines are sent in pieces of about this size, so that many lines share one write and one chunk header. */
const PIECE_CHARS = 65_536;

export interface JsonAnswer {
  readonly status: number;
  readonly value: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export function sendJson(res: ServerResponse, answer: JsonAnswer): void {
  const body = JSON.stringify(answer.value);
  res.writeHead(answer.status, {
    ...ANSWER_HEADERS,
    ...answer.headers,
    'Content-Type': JSON_TYPE,
    'Content-Length': Buffer.byteLength(body),
  });
  res.end(body);
}

/** The client has gone while the answer was sent, or, since Node 26, before it began. */
const DISCONNECTED: ReadonlySet<string> = new Set([
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_UNABLE_TO_PIPE',
]);

/**
 * Answers 200 with a JSON text that is produced as fast as the client reads it. A client that disconnects ends it without
 * an error; any other failure closes the connection and is thrown.
 */
export async function streamJson(
  res: ServerResponse,
  text: AsyncIterable<string>,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  await streamText(res, text, { ...headers, 'Content-Type': JSON_TYPE });
}

/** As `streamJson`, for the type that `headers` names. */
export async function streamText(
  res: ServerResponse,
  text: AsyncIterable<string>,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  res.writeHead(200, { ...ANSWER_HEADERS, ...headers });
  if (res.req.method === 'HEAD') {
    res.end();
    return;
  }
  const source = Readable.from(text);
  try {
    await pipeline(source, res);
  } catch (error) {
    source.destroy();
    if (DISCONNECTED.has(errnoOf(error) ?? '')) return;
    throw error;
  }
}

/** Joins JSON texts to the text of one array. */
export async function* arrayText(lines: Iterable<string> | AsyncIterable<string>): AsyncGenerator<string> {
  let piece = '[';
  let separator = '';
  for await (const line of lines) {
    piece += separator + line;
    separator = ',';
    if (piece.length >= PIECE_CHARS) {
      yield piece;
      piece = '';
    }
  }
  yield `${piece}]`;
}

export type JsonEntry = readonly [key: string, text: Iterable<string> | AsyncIterable<string>];

/** Joins keys and the JSON texts of their values to the text of one object. */
export async function* objectText(entries: readonly JsonEntry[]): AsyncGenerator<string> {
  let separator = '{';
  for (const [key, text] of entries) {
    yield `${separator}${JSON.stringify(key)}:`;
    yield* text;
    separator = ',';
  }
  yield entries.length === 0 ? '{}' : '}';
}
