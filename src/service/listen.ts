import type { RequestListener, Server } from 'node:http';
import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf, messageOf, TasktrailError } from '../errors.ts';

export interface HttpService {
  readonly url: string;
  readonly port: number;
  /** Stops accepting connections, waits for requests in flight, and closes their connections at the deadline. */
  close(deadlineMs: number): Promise<void>;
}

/** Throws `ERR_PORT_IN_USE` or `ERR_CONFIG_INVALID`, naming the setting. */
export async function listen(
  handler: RequestListener,
  at: { readonly host: string; readonly port: number },
): Promise<HttpService> {
  const server = createServer(handler);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(describe(error, at)));
    server.listen(at.port, at.host, () => resolve());
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : at.port;
  return {
    url: `http://${at.host.includes(':') ? `[${at.host}]` : at.host}:${port}`,
    port,
    close: (deadlineMs) => close(server, deadlineMs),
  };
}

async function close(server: Server, deadlineMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  await Promise.race([closed, delay(deadlineMs, undefined, { ref: false })]);
  server.closeAllConnections();
}

function describe(error: Error, { host, port }: { host: string; port: number }): TasktrailError {
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
