import { createServer, type RequestListener } from 'node:http';
import { errnoOf, messageOf, TasktrailError } from '../errors.ts';
import { closeServer, type HostPort, listenOn, originOf } from '../system/http/node-server.ts';
import { limitConnections, serverLimits } from '../system/http/server-limits.ts';

export interface HttpService {
  readonly url: string;
  readonly port: number;
  /** Stops accepting connections, waits for requests in flight, and closes their connections at the deadline. */
  close(deadlineMs: number): Promise<void>;
}

/** A webhook has 10 s for its body, and a task less than 1 MiB. Some time more: their own answers say what was late. */
const REQUEST_TIMEOUT_MS = 15_000;

export interface ListenOptions extends HostPort {
  /** Time for a complete request to arrive. Default 15 s. */
  readonly requestTimeoutMs?: number;
}

/** Throws `ERR_PORT_IN_USE` or `ERR_CONFIG_INVALID`, naming the setting. */
export async function listen(handler: RequestListener, at: ListenOptions): Promise<HttpService> {
  const requestTimeoutMs = at.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  const server = createServer(serverLimits(requestTimeoutMs), handler);
  limitConnections(server);
  try {
    const port = await listenOn(server, at);
    return {
      url: originOf({ host: at.host, port }),
      port,
      close: (deadlineMs) => closeServer(server, deadlineMs),
    };
  } catch (error) {
    throw describe(error, at);
  }
}

function describe(error: unknown, { host, port }: HostPort): TasktrailError {
  switch (errnoOf(error)) {
    case 'EADDRINUSE':
      return new TasktrailError(
        'ERR_PORT_IN_USE',
        `PORT: ${host}:${port} is in use. Stop the program that listens there, or set another PORT (0 selects a free port)`,
        { cause: error },
      );
    case 'EACCES':
      return new TasktrailError('ERR_CONFIG_INVALID', `PORT: this user may not listen on port ${port}`, {
        cause: error,
      });
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new TasktrailError('ERR_CONFIG_INVALID', `HOST: ${host} is not an address of this machine`, {
        cause: error,
      });
    default:
      return new TasktrailError('ERR_UNEXPECTED', `cannot listen on ${host}:${port}: ${messageOf(error)}`, {
        cause: error,
      });
  }
}
