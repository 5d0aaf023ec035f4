import type { IncomingMessage } from 'node:http';
import type { Books } from '../books.ts';
import { redactValue } from '../redact/redact.ts';
import { sendJson } from './json-response.ts';
import { createHandler, type HttpHandler } from './routes.ts';

export interface ServeHealthOptions {
  readonly books: Books;
  /** Part of both answers when given. */
  readonly version?: string | undefined;
  /** Whether a request may read the reasons, which name files and addresses. Others get the status alone. Default: all may. */
  readonly mayReadReasons?: ((req: IncomingMessage) => boolean) | undefined;
}

/**
 * `GET /healthz`: 200 while the process runs. `GET /readyz`: 200 when the process is ready, else 503; the body has the
 * reason of each part and the counters of this process. Neither needs a token: probes have none.
 */
export function serveHealth(options: ServeHealthOptions): HttpHandler {
  const { books, mayReadReasons = () => true } = options;
  const version = options.version === undefined ? {} : { version: options.version };
  return createHandler(
    {
      '/healthz': {
        GET: (_req, res) => sendJson(res, { status: 200, value: { status: 'ok', ...version } }),
      },
      '/readyz': {
        GET: (req, res) => {
          const ready = books.reasons.size === 0;
          const details = (): object => ({
            reasons: Object.fromEntries(books.reasons),
            notices: Object.fromEntries(books.notices),
            books: books.snapshot(),
          });
          sendJson(res, {
            status: ready ? 200 : 503,
            // Reasons name files and addresses, and counters the names of services.
            value: redactValue({
              status: ready ? 'ready' : 'not_ready',
              ...(mayReadReasons(req) && details()),
              ...version,
            }),
          });
        },
      },
    },
    {},
  );
}
