import { serveHealth as createHealth } from './serve/health.ts';
import type { Intake } from './serve/intake.ts';
import { serveLogs as createLogs } from './serve/logs.ts';
import type { HttpHandler } from './serve/routes.ts';
import { activeTrail, type Trail } from './trail/trail.ts';
import { createLedger, type DeliveryLedger } from './webhooks/ledger.ts';
import {
  receiveWebhooks as createWebhooks,
  type ReceiveWebhooksOptions,
  type WebhookHandler,
} from './webhooks/receive-webhooks.ts';

export type { WebhookPayload } from './webhooks/payload.ts';
export type { CustomOptions } from './webhooks/senders/custom.ts';
export type { GithubOptions } from './webhooks/senders/github.ts';
export type { JiraOptions } from './webhooks/senders/jira.ts';
export type { SlackOptions } from './webhooks/senders/slack.ts';
export type { WebhookTask } from './webhooks/webhook-tasks.ts';
export type { DeliveryLedger, HttpHandler, Intake, ReceiveWebhooksOptions, WebhookHandler };

export interface ServeOptions {
  /** Takes `POST /tasks`; without it that answers 503. */
  readonly intake?: Intake | undefined;
  /** Default `TASK_LOGS_API_TOKEN`. */
  readonly token?: string | undefined;
}

/**
 * `POST /github`, `/jira`, `/slack` and `/<custom>`, to be mounted in Express 4 or 5 before any body parser:
 * `app.use('/webhooks', receiveWebhooks({ github: { secret }, onTask }))`. Verifies, records every delivery, and calls
 * `onTask` for each task that one asks for; answers when they are durable. `TypeError` for options that cannot work.
 */
export function receiveWebhooks(options: ReceiveWebhooksOptions): WebhookHandler {
  return createWebhooks(options, { ledger: openLedger(options.onError) });
}

/** Reads the trail that is open when a delivery comes: handlers are mostly made before. */
function openLedger(onError: ((error: unknown) => void) | undefined): DeliveryLedger {
  const ledgers = new WeakMap<Trail, DeliveryLedger>();
  return {
    find: async (provider, deliveryId) => {
      const trail = activeTrail();
      if (trail === undefined) return undefined;
      const { reader, recovered } = trail;
      const ledger =
        ledgers.get(trail) ??
        createLedger({
          listDeliveries: (query) => reader.listDeliveries(query),
          listTasks: (query) => reader.listTasks(query),
          ready: recovered,
          onError,
        });
      ledgers.set(trail, ledger);
      return ledger.find(provider, deliveryId);
    },
  };
}

/** The REST API for a trail's log directory, to be mounted in Express 4 or 5: `app.use('/api', serveLogs(trail))`. */
export function serveLogs(trail: Trail, options: ServeOptions = {}): HttpHandler {
  // Not spread over the setting: `token: undefined` must not open what the setting closes.
  const token = options.token ?? trail.config.apiToken;
  const { traceUrls } = trail.config;
  return createLogs({ reader: trail.reader, intake: options.intake, token, traceUrls });
}

/** `GET /healthz` and `GET /readyz` of a trail, to be mounted at the root. */
export function serveHealth(trail: Trail): HttpHandler {
  return createHealth({ books: trail.books });
}
