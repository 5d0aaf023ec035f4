import type { Server } from 'node:http';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/**
 * Starts to listen and resolves with the port, which the system selects for 0. Rejects with the error of the operating
 * system (`EADDRINUSE`, `EACCES`, ...).
 */
export function listenOn(server: Server, { host, port }: HostPort): Promise<number> {
  return new Promise((resolve, reject) => {
    // The listener stays: later errors come from accept (EMFILE) and must not end the process. The client retries.
    server.on('error', reject);
    server.listen(port, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

/** Stops accepting, waits for requests in flight, and closes their connections at the deadline. Safe to call twice. */
export function closeServer(server: Server, deadlineMs: number): Promise<void> {
  return new Promise((resolve) => {
    const deadline = setTimeout(() => server.closeAllConnections(), deadlineMs);
    server.close(() => {
      clearTimeout(deadline);
      resolve();
    });
  });
}

/** `host:port`, with brackets around an IPv6 address. */
export function authorityOf({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** `http://host:port`. */
export function originOf(at: HostPort): string {
  return `http://${authorityOf(at)}`;
}

/** A wildcard address can be listened on, but not connected to: the loopback address in its place. */
export function reachableHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}
