import type { Books } from '../books.ts';
import { sendJson } from './json-response.ts';
import { createHandler, type HttpHandler } from './routes.ts';

export interface ServeHealthOptions {
  readonly books: Books;
  /** Shown by both paths when given. */
  readonly version?: string | undefined;
}

/**
 * `GET /healthz`: the process answers. `GET /readyz`: 200 when everything is in order, else 503 with the reason of
 * each part, and the counts of this process either way. Neither needs a token: probes have none.
 */
export function serveHealth(options: ServeHealthOptions): HttpHandler {
  const { books } = options;
  const version = options.version === undefined ? {} : { version: options.version };
  return createHandler(
    {
      '/healthz': {
        GET: (_req, res) => sendJson(res, { status: 200, value: { status: 'ok', ...version } }),
      },
      '/readyz': {
        GET: (_req, res) => {
          const ready = books.reasons.size === 0;
          sendJson(res, {
            status: ready ? 200 : 503,
            value: {
              status: ready ? 'ready' : 'not_ready',
              reasons: Object.fromEntries(books.reasons),
              notices: Object.fromEntries(books.notices),
              books: books.snapshot(),
              ...version,
            },
          });
        },
      },
    },
    {},
  );
}
