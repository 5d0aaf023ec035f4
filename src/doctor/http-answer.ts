import {
  type Agent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as requestHttp,
} from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import { type JsonObject, parseObject } from '../model/json.ts';
import type { NetworkFailure } from './network-failure.ts';

/** Milliseconds. A server in the same network answers in a few, one on another continent in half a second. */
export const ANSWER_MS = 1_500;

/** Enough to recognise a program; the answer of an unknown server may be endless. */
const ANSWER_BYTES_MAX = 65_536;

export interface HttpQuestion {
  readonly url: string;
  /** Sent with POST; a GET without it. */
  readonly body?: Uint8Array | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** For its TLS settings. */
  readonly agent?: Agent | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The first 64 KiB. A shorter body without an end is not an answer: a sender would wait for it too. */
  readonly text: string;
}

/** Sends one request and resolves with the answer of any status, or with the failure. Never rejects. */
export function askHttp(question: HttpQuestion): Promise<HttpAnswer | NetworkFailure> {
  const { url, body, headers = {}, agent } = question;
  return new Promise((resolve) => {
    let phase: NetworkFailure['phase'] = isIP(hostOf(url)) === 0 ? 'lookup' : 'connect';
    const fail = (error: unknown): void => resolve({ phase, error });
    try {
      const request = url.startsWith('https:') ? requestHttps : requestHttp;
      const length = body === undefined ? {} : { 'content-length': String(body.byteLength) };
      const options = {
        method: body === undefined ? 'GET' : 'POST',
        headers: { ...headers, ...length },
        ...(agent !== undefined && { agent }),
      };
      const sent = request(url, options, (response) => {
        readStart(response, (text) => {
          clearTimeout(timer);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
          sent.destroy();
        });
      });
      let isLate = false;
      const timer = setTimeout(() => {
        isLate = true;
        sent.destroy();
      }, ANSWER_MS);
      sent.on('socket', (socket) => {
        socket.once('lookup', (error: Error | null) => {
          if (error === null) phase = 'connect';
        });
        socket.once('connect', () => {
          phase = 'answer';
        });
      });
      sent.on('error', (error) => {
        clearTimeout(timer);
        fail(isLate ? undefined : error);
      });
      // Without effect after an error or an answer.
      sent.on('close', () => {
        clearTimeout(timer);
        fail(isLate ? undefined : new Error('the connection was closed before the answer'));
      });
      sent.end(body);
    } catch (error) {
      // A URL or a header that node:http refuses.
      fail(error);
    }
  });
}

export function isAnswer(found: HttpAnswer | NetworkFailure): found is HttpAnswer {
  return 'status' in found;
}

/** The text as a JSON object; undefined for anything else. */
export function jsonOf({ text }: HttpAnswer): JsonObject | undefined {
  return parseObject(text);
}

/** The host of a URL, an IPv6 address without brackets; empty for a text that is not a URL. */
export function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, '') : '';
}

/** Scheme, host, port and path, without user, password and query, which may hold a key. */
export function placeOfUrl(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}

/** Calls `done` with the body at its end or at the limit. */
function readStart(response: IncomingMessage, done: (text: string) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const end = (): void => done(Buffer.concat(chunks).subarray(0, ANSWER_BYTES_MAX).toString('utf8'));
  response.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= ANSWER_BYTES_MAX) end();
  });
  response.on('end', end);
  // An aborted body: the request emits the error too.
  response.on('error', () => undefined);
}
