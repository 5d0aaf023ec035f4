import { createServer, type Server, type ServerResponse } from 'node:http';
import { errnoOf, messageOf, TasktrailError } from '../errors.ts';
import { BodyRoom } from '../system/bounded-body.ts';
import { exchange } from './exchange.ts';
import type { Answer } from './otlp-response.ts';
import type { Sink } from './sink.ts';

export interface ReceiverOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly sink: Sink;
  /** Of one request, as sent and as inflated. Default 64 MiB, what the OTLP specification recommends. */
  readonly bodyBytesMax?: number;
  /** When set, every request must carry it as `Authorization: Bearer`. */
  readonly token?: string;
  /** False: a program that has nothing else to do may end, although this listens. Default true. */
  readonly keepsProcessAlive?: boolean;
  /** By then a request must have arrived whole. Default 60 s. */
  readonly requestTimeoutMs?: number;
}

export interface Receiver {
  /** `http://host:port`, to which a sender on this machine can send. */
  readonly url: string;
  readonly port: number;
  /** Takes nothing new, lets requests in flight finish, and cuts them off at the deadline. Safe to call twice. */
  close(deadlineMs: number): Promise<void>;
}

const BODY_BYTES_MAX = 64 * 1024 * 1024;

/** Four of the largest requests at once: a sender has one in flight, and is asked to come again when there is no room. */
const LARGEST_BODIES_AT_ONCE = 4;

/** 64 MiB within a minute is 1 MiB/s: slower than any link to a collector, and nobody holds a socket longer. */
const REQUEST_TIMEOUT_MS = 60_000;

/** Headers are one packet. */
const HEADERS_TIMEOUT_MS = 10_000;

/** SDKs export logs and spans every 1 to 5 s and metrics every 60 s: their connections live from one to the next. */
const KEEP_ALIVE_MS = 75_000;

/** Starts to listen; throws `ERR_PORT_IN_USE`, and `ERR_CONFIG_INVALID` for an address that cannot be listened on. */
export async function startReceiver(options: ReceiverOptions): Promise<Receiver> {
  const bodyBytesMax = options.bodyBytesMax ?? BODY_BYTES_MAX;
  const requestTimeout = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  const room = new BodyRoom(bodyBytesMax * LARGEST_BODIES_AT_ONCE, noRoom);
  const parts = { sink: options.sink, bodyBytesMax, room, token: options.token };
  const server = createServer(
    {
      requestTimeout,
      headersTimeout: Math.min(HEADERS_TIMEOUT_MS, requestTimeout),
      keepAliveTimeout: KEEP_ALIVE_MS,
      // Node looks for late requests at this interval: a timeout is at most a tenth late.
      connectionsCheckingInterval: Math.ceil(requestTimeout / 10),
    },
    (request, response) => {
      void exchange(request, parts).then((answer) => {
        send(response, answer, server.listening);
        // What a refused sender is still sending is thrown away, so that it gets to see the answer.
        request.resume();
      });
    },
  );
  if (options.keepsProcessAlive === false) server.on('connection', (socket) => socket.unref());
  const port = await listen(server, options);
  if (options.keepsProcessAlive === false) server.unref();
  return { url: urlOf(options.host, port), port, close: (deadlineMs) => closeServer(server, deadlineMs) };
}

function noRoom(): TasktrailError {
  return new TasktrailError('ERR_STORE_UNAVAILABLE', 'too many requests at once', { retryable: true });
}

function send(response: ServerResponse, answer: Answer, keepAlive: boolean): void {
  const connection = keepAlive ? undefined : { Connection: 'close' };
  const length = Buffer.byteLength(answer.body);
  response.writeHead(answer.status, { ...answer.headers, 'Content-Length': length, ...connection });
  response.end(answer.body);
}

function listen(server: Server, { host, port }: ReceiverOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    // Stays for good: later errors are those of accept (EMFILE), and the sender that met one comes again.
    server.on('error', (error) => reject(listenError(error, `${host}:${port}`)));
    server.listen(port, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

function listenError(error: Error, where: string): TasktrailError {
  if (errnoOf(error) === 'EADDRINUSE') {
    return new TasktrailError('ERR_PORT_IN_USE', `cannot take OTLP on ${where}: the port is in use`, {
      cause: error,
    });
  }
  return new TasktrailError('ERR_CONFIG_INVALID', `cannot take OTLP on ${where}: ${messageOf(error)}`, {
    cause: error,
  });
}

/** A wildcard is an address to listen on, not one to send to. */
function urlOf(host: string, port: number): string {
  if (host === '0.0.0.0') return `http://127.0.0.1:${port}`;
  if (host === '::') return `http://[::1]:${port}`;
  return host.includes(':') ? `http://[${host}]:${port}` : `http://${host}:${port}`;
}

function closeServer(server: Server, deadlineMs: number): Promise<void> {
  return new Promise((resolve) => {
    const deadline = setTimeout(() => server.closeAllConnections(), deadlineMs);
    server.close(() => {
      clearTimeout(deadline);
      resolve();
    });
  });
}
