import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { messageOf } from '../errors.ts';
import { resultOfBody, resultOfStatus, type SendResult } from './transport.ts';

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
 * Sends one request and interprets the answer. A request without a complete answer is to be retried. Never rejects.
 */
export function post(body: Uint8Array, options: PostOptions): Promise<SendResult> {
  return new Promise((resolve) => {
    const retry = (error: unknown): void => resolve({ kind: 'retry', reason: messageOf(error) });
    try {
      const { url, request, agent, headers, timeoutMs } = options;
      const clientRequest = request(
        url,
        { method: 'POST', agent, headers: { ...headers, 'content-length': body.byteLength } },
        (response) => {
          const finish = (text: string): void => {
            clearTimeout(timer);
            resolve(resultOfResponse(response, text));
          };
          readText(response, finish);
        },
      );
      // Timeout of the whole exchange, so that a server that sends a byte now and then cannot hold it open.
      const timer = setTimeout(
        () => clientRequest.destroy(new Error(`no answer within ${timeoutMs} ms`)),
        timeoutMs,
      );
      timer.unref();
      clientRequest.on('error', (error) => {
        clearTimeout(timer);
        retry(error);
      });
      clientRequest.on('close', () => {
        clearTimeout(timer);
        retry('the connection was closed before the answer');
      });
      clientRequest.end(body);
    } catch (error) {
      // node:http rejects the URL or a header.
      retry(error);
    }
  });
}

function readText(response: IncomingMessage, done: (text: string) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= ANSWER_BYTES_MAX) chunks.push(chunk);
  });
  response.on('end', () => done(Buffer.concat(chunks).toString('utf8')));
  // The connection broke. The request's `close` event follows and reports it.
  response.on('error', () => undefined);
}

function resultOfResponse(response: IncomingMessage, text: string): SendResult {
  const status = response.statusCode ?? 0;
  if (status >= 200 && status <= 299) return resultOfBody(text);
  return resultOfStatus(status, text, readRetryAfter(response.headers['retry-after'], Date.now()));
}

/** RFC 9110, section 10.2.3: seconds or an HTTP date. Undefined when absent or neither. */
export function readRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\s*\d+\s*$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}
