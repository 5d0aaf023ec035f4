import type { IncomingMessage } from 'node:http';
import type { Books } from '../books.ts';
import { TasktrailError } from '../errors.ts';
import { type JsonObject, objectOf } from '../model/json.ts';
import { redactValue } from '../redact/redact.ts';
import { sendJson } from './json-response.ts';
import { checkNoQuery } from './query.ts';
import { createHandler, type HttpHandler, type Methods } from './routes.ts';

/** Reads what `/readyz` says, and `queue` and `disk`, each null where there is none, and `store` where several services share one. */
export type HealthReader = () => Promise<JsonObject>;

export interface ServeHealthOptions {
  readonly books: Books;
  /** Part of both answers when given. */
  readonly version?: string | undefined;
  /** Part of `/readyz`, with the reasons. It must answer at once. */
  readonly knownState?: (() => JsonObject) | undefined;
  /** Whether a request may read the reasons, which name files and addresses. Others get the status alone. Default: all may. */
  readonly mayReadReasons?: ((req: IncomingMessage) => boolean) | undefined;
}

/**
 * `GET /healthz`: 200 while the process runs. `GET /readyz`: 200 when the process is ready, else 503; the body has the
 * reason of each part and the counters of this process. Neither needs a token: probes have none.
 */
export function serveHealth(options: ServeHealthOptions): HttpHandler {
  const { books, knownState, mayReadReasons = () => true } = options;
  const version = options.version === undefined ? {} : { version: options.version };
  return createHandler(
    {
      '/healthz': {
        GET: (_req, res) => sendJson(res, { status: 200, value: { status: 'ok', ...version } }),
      },
      '/readyz': {
        GET: (req, res) => {
          const { status, ...details } = readinessOf(books);
          const shown = mayReadReasons(req) ? { ...details, ...knownState?.() } : {};
          sendJson(res, { status: status === 'ready' ? 200 : 503, value: { status, ...shown, ...version } });
        },
      },
    },
    {},
  );
}

/** `GET /health`: where the API is mounted, for a page or a client that knows no other address. Its `status` says whether it is ready. */
export function healthRoutes(readHealth: HealthReader | undefined): Readonly<Record<string, Methods>> {
  return {
    '/health': {
      GET: async (req, res) => {
        checkNoQuery(req);
        if (readHealth === undefined)
          throw new TasktrailError('ERR_NOT_CONFIGURED', 'this server does not say how it is');
        sendJson(res, { status: 200, value: await readHealth() });
      },
    },
  };
}

/** The state of the process, redacted: reasons name files and addresses, and counters the names of services. */
export function readinessOf(books: Books): JsonObject {
  const details = redactValue({
    reasons: Object.fromEntries(books.reasons),
    notices: Object.fromEntries(books.notices),
    books: books.snapshot(),
  });
  return { status: books.reasons.size === 0 ? 'ready' : 'not_ready', ...objectOf(details) };
}
