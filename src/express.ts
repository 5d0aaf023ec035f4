import type { Trail } from './app/trail.ts';
import { serveHealth as createHealth } from './serve/health.ts';
import type { Intake } from './serve/intake.ts';
import { serveLogs as createLogs } from './serve/logs.ts';
import type { HttpHandler } from './serve/routes.ts';

export type { GithubOptions, ReceiveWebhooksOptions, WebhookTask } from './webhooks/receive-webhooks.ts';
export { receiveWebhooks } from './webhooks/receive-webhooks.ts';
export type { HttpHandler, Intake };

export interface ServeOptions {
  /** Takes `POST /tasks`; without it that answers 503. */
  readonly intake?: Intake | undefined;
  /** Default `TASK_LOGS_API_TOKEN`. */
  readonly token?: string | undefined;
}

/** The REST API for a trail's log directory, to be mounted in Express 4 or 5: `app.use('/api', serveLogs(trail))`. */
export function serveLogs(trail: Trail, options: ServeOptions = {}): HttpHandler {
  // Not spread over the setting: `token: undefined` must not open what the setting closes.
  const token = options.token ?? trail.config.apiToken;
  return createLogs({ reader: trail.reader, intake: options.intake, token });
}

/** `GET /healthz` and `GET /readyz` of a trail, to be mounted at the root. */
export function serveHealth(trail: Trail): HttpHandler {
  return createHealth({ books: trail.books });
}
