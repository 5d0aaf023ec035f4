import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { errnoOf, TasktrailError } from '../../errors.ts';
import type { Address, AddressGuard } from './address-guard.ts';
import { isDelivered, retryAfterMs, type SendOutcome } from './send-outcome.ts';

/** For name, connection, TLS, request and the head of the answer together. The specification recommends 15 to 30 s. */
const DEADLINE_MS = 15_000;

/** A polite end of the connection; the status decides, and the body is not read for anything. */
const BODY_MS = 500;
const BODY_BYTES_MAX = 16_384;

/** Of the head of the answer. */
const HEAD_BYTES_MAX = 16_384;

export interface PostOptions {
  readonly guard: AddressGuard;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Default 15 s. */
  readonly deadlineMs?: number;
}

/** Failures of the network by their codes. Other codes are shown as they are: fixed words of Node and OpenSSL. */
const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  ENOTFOUND: 'unknown host',
  EAI_AGAIN: 'the name server does not answer',
  ETIMEDOUT: 'no connection',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  HPE_HEADER_OVERFLOW: 'the head of the answer is too long',
};

/**
 * Sends one request to a receiver and reads the status of the answer. Resolves within the deadline, whatever the receiver does.
 * The name is resolved once, and the connection goes to an address that was checked. No redirect is followed, no proxy is used
 * and no connection is reused. Never rejects.
 */
export async function post(url: URL, body: string, options: PostOptions): Promise<SendOutcome> {
  const { guard, signal, deadlineMs = DEADLINE_MS } = options;
  const ending = new AbortController();
  const end = (): void => ending.abort();
  const timer = setTimeout(end, deadlineMs).unref();
  signal.addEventListener('abort', end, { once: true });
  try {
    const addresses = await withinDeadline(guard.resolve(url.hostname), ending.signal);
    const { status, header } = await exchange(url, body, { ...options, addresses, signal: ending.signal });
    const failure = isDelivered(status) ? undefined : failureOfStatus(status);
    return { status, failure, retryAfterMs: retryAfterMs(header, Date.now()) };
  } catch (error) {
    const failure = failureOf(error, { isLate: ending.signal.aborted, deadlineMs });
    return { status: undefined, failure, retryAfterMs: undefined };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
  }
}

interface Head {
  readonly status: number;
  readonly header: string | undefined;
}

function exchange(
  url: URL,
  body: string,
  { headers, signal, addresses }: PostOptions & { readonly addresses: readonly Address[] },
): Promise<Head> {
  const isTls = url.protocol === 'https:';
  const agent = isTls ? new HttpsAgent({ keepAlive: false }) : new HttpAgent({ keepAlive: false });
  const send = isTls ? httpsRequest : httpRequest;
  return new Promise<Head>((resolve, reject) => {
    const request = send(url, {
      method: 'POST',
      agent,
      lookup: lookupOf(addresses),
      maxHeaderSize: HEAD_BYTES_MAX,
      signal,
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        'user-agent': 'tasktrail',
        ...headers,
      },
    });
    request.on('response', (response) => {
      resolve({ status: response.statusCode ?? 0, header: response.headers['retry-after'] });
      endSoon(response, () => request.destroy());
    });
    // A program that has nothing else to do may end: the notification is sent later.
    request.on('socket', (socket) => socket.unref());
    // After the answer too: a socket that is destroyed may still fail.
    request.on('error', reject);
    // An upgrade that was not asked for would leave the socket open.
    request.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve({ status: response.statusCode ?? 0, header: undefined });
    });
    request.end(body);
  });
}

function endSoon(response: IncomingMessage, destroy: () => void): void {
  let bytes = 0;
  const timer = setTimeout(destroy, BODY_MS).unref();
  response.on('data', (piece: Buffer) => {
    bytes += piece.length;
    if (bytes > BODY_BYTES_MAX) destroy();
  });
  response.on('error', () => {});
  response.on('close', () => clearTimeout(timer));
}

/** Gives the checked addresses for every question: the name is not resolved again. */
function lookupOf(addresses: readonly Address[]): LookupFunction {
  return (_host, options, callback) => {
    const [first] = addresses;
    if (options.all === true) callback(null, [...addresses]);
    else callback(null, first?.address ?? '', first?.family ?? 0);
  };
}

function withinDeadline<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function failureOfStatus(status: number): string {
  if (status >= 300 && status < 400) return `answered ${status}: redirects are not followed`;
  return `answered ${status}`;
}

function failureOf(
  error: unknown,
  { isLate, deadlineMs }: { readonly isLate: boolean; readonly deadlineMs: number },
): string {
  if (error instanceof TasktrailError) return error.message;
  if (isLate) return `no answer within ${deadlineMs / 1_000} s`;
  const code = errnoOf(error) ?? '';
  return WORDS[code] ?? (/^[A-Z][A-Z0-9_]{2,60}$/.test(code) ? code : 'no valid answer');
}
