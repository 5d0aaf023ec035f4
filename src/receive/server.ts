import { createServer, type Server, type ServerResponse } from 'node:http';
import { errnoOf, messageOf, TasktrailError } from '../errors.ts';
import { BodyRoom } from '../system/http/bounded-body.ts';
import { allowOrigin } from '../system/http/cors.ts';
import { authorityOf, closeServer, listenOn, originOf, reachableHost } from '../system/http/node-server.ts';
import { limitConnections, serverLimits } from '../system/http/server-limits.ts';
import type { SenderSecrets } from './authorization.ts';
import { exchange } from './exchange.ts';
import type { Answer } from './otlp-response.ts';
import type { Sink } from './sink.ts';

export interface ReceiverOptions {
  readonly host: string;
  /** 0 selects a free port. */
  readonly port: number;
  readonly sink: Sink;
  /** Limit for one body, compressed and decompressed. Default 64 MiB, as the OTLP specification recommends. */
  readonly bodyBytesMax?: number;
  /** Origins whose pages may send. Default: none. */
  readonly corsOrigins?: readonly string[];
  /** Tokens by which the receiver knows senders. Default: there are none, and every sender is anonymous. */
  readonly secrets?: SenderSecrets;
  /** False: the receiver alone does not keep the process alive. Default true. */
  readonly keepsProcessAlive?: boolean;
  /** Time for a complete request to arrive. Default 60 s. */
  readonly requestTimeoutMs?: number;
}

export interface Receiver {
  /** `http://host:port`, reachable from this machine. */
  readonly url: string;
  readonly port: number;
  /** Stops accepting, waits for requests in flight, closes their connections at the deadline. Safe to call twice. */
  close(deadlineMs: number): Promise<void>;
}

const BODY_BYTES_MAX = 64 * 1024 * 1024;

/** Memory for four bodies of the largest size. Senders have one request in flight, and retry when there is no room. */
const LARGEST_BODIES_AT_ONCE = 4;

/** 64 MiB per minute is 1 MiB/s, slower than any link to a collector. A slow client must not occupy a socket for longer. */
const REQUEST_TIMEOUT_MS = 60_000;

/** Starts to listen. Throws `ERR_PORT_IN_USE`, or `ERR_CONFIG_INVALID` for an unusable address. */
export async function startReceiver(options: ReceiverOptions): Promise<Receiver> {
  const bodyBytesMax = options.bodyBytesMax ?? BODY_BYTES_MAX;
  const requestTimeout = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  const room = new BodyRoom(bodyBytesMax * LARGEST_BODIES_AT_ONCE, noRoom);
  const { sink, secrets = {}, corsOrigins: origins = [] } = options;
  const parts = { sink, bodyBytesMax, room, secrets, origins };
  const server = createServer(serverLimits(requestTimeout), (request, response) => {
    if (allowOrigin(request, response, { origins, methods: ['POST'] })) {
      request.resume();
      return;
    }
    void exchange(request, parts).then((answer) => {
      send(response, answer, server.listening);
      // Discards the rest of a refused body, so that the sender reads the answer.
      request.resume();
    });
  });
  limitConnections(server);
  if (options.keepsProcessAlive === false) server.on('connection', (socket) => socket.unref());
  const port = await listen(server, options);
  if (options.keepsProcessAlive === false) server.unref();
  const url = originOf({ host: reachableHost(options.host), port });
  return { url, port, close: (deadlineMs) => closeServer(server, deadlineMs) };
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

async function listen(server: Server, at: ReceiverOptions): Promise<number> {
  try {
    return await listenOn(server, at);
  } catch (error) {
    throw listenError(error, authorityOf(at));
  }
}

function listenError(error: unknown, where: string): TasktrailError {
  if (errnoOf(error) === 'EADDRINUSE') {
    return new TasktrailError(
      'ERR_PORT_IN_USE',
      `cannot receive OTLP on ${where}: the port is in use. Stop the program that listens there, or choose another port (0 selects a free one)`,
      {
        cause: error,
      },
    );
  }
  return new TasktrailError('ERR_CONFIG_INVALID', `cannot receive OTLP on ${where}: ${messageOf(error)}`, {
    cause: error,
  });
}
