import type { IncomingMessage, ServerResponse } from 'node:http';

/** What a page of a named origin may do. */
export interface CorsOptions {
  /** As browsers write them: `https://app.example`. None: CORS is off. */
  readonly origins: readonly string[];
  readonly methods: readonly string[];
}

/** Headers that a page may send. `Last-Event-ID` resumes a stream, `Prefer` refuses partial answers; the next three come with traced requests, the others with MCP. */
const REQUEST_HEADERS =
  'Authorization, Content-Type, Content-Encoding, Last-Event-ID, Prefer, traceparent, tracestate, baggage, Mcp-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name';

/** Headers of answers that a page may read. */
const ANSWER_HEADERS =
  'Link, Location, Retry-After, Task-Logs-First-Line, Task-Logs-Left-Out, Task-Logs-Lines, Task-Logs-Partial, Task-Logs-Skipped-Lines';

/** Chromium asks again after two hours in any case. */
const MAX_AGE_SECONDS = '7200';

/**
 * Sets the headers of CORS (Fetch Standard, 3.2) that every later answer has, errors too. True when the request was a
 * preflight, which is answered. Credentials are never allowed: the cookie of a login is for the page of this origin, and tokens go in `Authorization`.
 */
export function allowOrigin(req: IncomingMessage, res: ServerResponse, options: CorsOptions): boolean {
  if (options.origins.length === 0) return false;
  // A cache must not give the answer of one origin to another.
  res.appendHeader('Vary', 'Origin');
  const { origin } = req.headers;
  if (origin === undefined || !options.origins.includes(origin)) return false;
  res.setHeader('Access-Control-Allow-Origin', origin);
  if (req.method !== 'OPTIONS' || req.headers['access-control-request-method'] === undefined) {
    res.setHeader('Access-Control-Expose-Headers', ANSWER_HEADERS);
    return false;
  }
  res.setHeader('Access-Control-Allow-Methods', options.methods.join(', '));
  res.setHeader('Access-Control-Allow-Headers', REQUEST_HEADERS);
  res.setHeader('Access-Control-Max-Age', MAX_AGE_SECONDS);
  // Private Network Access: a page on the internet that asks a server on this machine.
  if (req.headers['access-control-request-private-network'] === 'true') {
    res.setHeader('Access-Control-Allow-Private-Network', 'true');
  }
  res.writeHead(204).end();
  return true;
}
