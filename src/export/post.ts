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

/** An answer says little; a stranger's that does not end must not fill the memory. */
const ANSWER_BYTES_MAX = 1024 * 1024;

/** One request and what its answer means. What gets no whole answer is to be sent again. Never rejects. */
export function post(body: Uint8Array, options: PostOptions): Promise<SendResult> {
  return new Promise((resolve) => {
    const retry = (error: unknown): void => resolve({ kind: 'retry', reason: messageOf(error) });
    try {
      const { url, request, agent, headers, timeoutMs } = options;
      const sent = request(
        url,
        { method: 'POST', agent, headers: { ...headers, 'content-length': body.byteLength } },
        (response) => {
          const answered = (text: string): void => {
            clearTimeout(timer);
            resolve(resultOfResponse(response, text));
          };
          readText(response, answered);
        },
      );
      // Of the whole exchange: a stranger that sends a byte now and then does not hold us for ever.
      const timer = setTimeout(() => sent.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      timer.unref();
      sent.on('error', (error) => {
        clearTimeout(timer);
        retry(error);
      });
      sent.on('close', () => {
        clearTimeout(timer);
        retry('the connection was closed before the answer');
      });
      sent.end(body);
    } catch (error) {
      // A header or a URL that node:http refuses.
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
  // Cut off: the request's own `close` follows and speaks for it.
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
