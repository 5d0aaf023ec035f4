import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { errnoOf, messageOf } from '../errors.ts';
import { resultOfAnswer } from './answer.ts';
import type { SendResult } from './transport.ts';

/** `http.request` or `https.request`. */
type RequestFunction = (
  url: string,
  options: RequestOptions,
  onResponse: (response: IncomingMessage) => void,
) => ClientRequest;

export interface PostOptions {
  readonly url: string;
  readonly request: RequestFunction;
  readonly agent: Agent;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly timeoutMs: number;
}

/** Answers are short. The limit protects the memory from a server that never ends its answer. */
const ANSWER_BYTES_MAX = 1024 * 1024;

/**
 * Sends one request and interprets the answer. A request without an answer is to be retried, also when the connection
 * breaks in its body. An answer whose body does not end within the time or the limit counts by its status: a retry would
 * only repeat it. Never rejects.
 */
export function post(body: Uint8Array, options: PostOptions): Promise<SendResult> {
  return new Promise((resolve) => {
    try {
      const { url, request, agent, headers, timeoutMs } = options;
      let reading: AnswerReading | undefined;
      const finish = (result: SendResult): void => {
        clearTimeout(timer);
        resolve(result);
      };
      const clientRequest = request(
        url,
        { method: 'POST', agent, headers: { ...headers, 'content-length': body.byteLength } },
        (response) => {
          reading = readAnswer(response, (isWhole) => {
            finish(resultOf(response, reading));
            if (!isWhole) clientRequest.destroy();
          });
        },
      );
      // Timeout of the whole exchange, so that a server that sends a byte now and then cannot hold it open.
      const timer = setTimeout(() => {
        if (reading !== undefined) finish(resultOf(reading.response, reading));
        clientRequest.destroy(new Error(`no answer within ${timeoutMs} ms`));
      }, timeoutMs);
      timer.unref();
      clientRequest.on('error', (error) => finish(retry(explain(error))));
      clientRequest.on('close', () => finish(retry('the connection was closed before the answer')));
      clientRequest.end(body);
    } catch (error) {
      // node:http rejects the URL or a header.
      resolve(retry(messageOf(error)));
    }
  });
}

function retry(reason: string): SendResult {
  return { kind: 'retry', reason };
}

/** HTTP/2 without TLS, as on gRPC ports, and TLS begin with bytes that are no HTTP/1.1. */
function explain(error: unknown): string {
  const isForeign = errnoOf(error)?.startsWith('HPE_') === true;
  return isForeign
    ? `it does not speak HTTP/1.1: use its OTLP/HTTP port, usually 4318 (${messageOf(error)})`
    : messageOf(error);
}

interface AnswerReading {
  readonly response: IncomingMessage;
  readonly chunks: Buffer[];
}

/** Calls `done` at the end of the body, or at the limit. */
function readAnswer(response: IncomingMessage, done: (isWhole: boolean) => void): AnswerReading {
  const chunks: Buffer[] = [];
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= ANSWER_BYTES_MAX) chunks.push(chunk);
    else done(false);
  });
  response.on('end', () => done(true));
  // The connection broke. The request's `close` event follows and reports it.
  response.on('error', () => undefined);
  return { response, chunks };
}

function resultOf(
  { statusCode = 0, headers }: IncomingMessage,
  reading: AnswerReading | undefined,
): SendResult {
  const afterMs = readRetryAfter(headers['retry-after'], Date.now());
  return resultOfAnswer({ status: statusCode, headers, body: Buffer.concat(reading?.chunks ?? []) }, afterMs);
}

/** RFC 9110, section 10.2.3: seconds or an HTTP date. Undefined when absent or neither. */
export function readRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\s*\d+\s*$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}
