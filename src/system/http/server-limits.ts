import type { Server, ServerOptions } from 'node:http';

/** Headers arrive in one packet. */
const HEADERS_TIMEOUT_MS = 10_000;

/** Node looks for late requests at this interval, so a request is at most this much late. */
const CHECK_MS = 1_000;

/** Longer than the export intervals of SDKs (1 to 5 s for logs and spans, 60 s for metrics) and than proxies keep a connection. */
const KEEP_ALIVE_MS = 75_000;

/** Node's own default, whatever `--max-http-header-size` says. Longer ones are answered with 431. */
const HEADER_BYTES_MAX = 16_384;

/** Each connection has a descriptor, and the store needs some, too. Far more than streams and senders of one machine need. */
const CONNECTIONS_MAX = 2_000;

/**
 * Limits on what a client may take before its request is complete. Answers have no limit: a stream may live for days.
 * `requestTimeoutMs` is the time from the first byte of a request to its last one.
 */
export function serverLimits(requestTimeoutMs: number): ServerOptions {
  return {
    headersTimeout: Math.min(HEADERS_TIMEOUT_MS, requestTimeoutMs),
    requestTimeout: requestTimeoutMs,
    connectionsCheckingInterval: Math.min(CHECK_MS, Math.ceil(requestTimeoutMs / 10)),
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: HEADER_BYTES_MAX,
  };
}

/** Connections above the limit are closed at once. */
export function limitConnections(server: Server, connectionsMax: number = CONNECTIONS_MAX): void {
  server.maxConnections = connectionsMax;
}
