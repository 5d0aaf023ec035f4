import { ANSWER_HEADERS } from './problem.ts';
import { createHandler, type HttpHandler, type RouteOptions } from './routes.ts';

export interface ServeMetricsOptions extends RouteOptions {
  /** Resolves with all metrics in the Prometheus text format 0.0.4. */
  readText(): Promise<string>;
}

/** `GET /metrics`, for Prometheus. */
export function serveMetrics({ readText, ...options }: ServeMetricsOptions): HttpHandler {
  return createHandler(
    {
      '/metrics': {
        GET: async (_req, res) => {
          const text = await readText();
          res.writeHead(200, {
            ...ANSWER_HEADERS,
            'Content-Type': 'text/plain; version=0.0.4; charset=utf-8',
            'Content-Length': Buffer.byteLength(text),
          });
          res.end(text);
        },
      },
    },
    // For a link on the page.
    { ...options, takesCookie: true },
  );
}
