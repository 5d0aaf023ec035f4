import type { RequestListener, Server } from 'node:http';
import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf, messageOf, TasktrailError } from '../errors.ts';

export interface HttpService {
  readonly url: string;
  readonly port: number;
  /** Takes nothing new, lets requests in flight finish, and cuts them off at the deadline. */
  close(deadlineMs: number): Promise<void>;
}

/** Throws `ERR_PORT_IN_USE` naming the setting. */
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
        `PORT: ${host}:${port} is in use. Stop what listens there, or set another PORT (0 takes a free one)`,
        { cause: error },
      );
    case 'EACCES':
      return new TasktrailError('ERR_CONFIG_INVALID', `PORT: this user may not listen on port ${port}`, {
        cause: error,
      });
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new TasktrailError('ERR_CONFIG_INVALID', `HOST: ${host} is no address of this machine`, {
        cause: error,
      });
    default:
      return new TasktrailError('ERR_UNEXPECTED', `cannot listen on ${host}:${port}: ${messageOf(error)}`, {
        cause: error,
      });
  }
}
