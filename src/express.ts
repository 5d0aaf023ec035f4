import { STAGES } from './model/documents.ts';
import type { JsonObject } from './model/json.ts';
import { servePage as createPage } from './page/serve-page.ts';
import { serveHealth as createHealth, readinessOf } from './serve/health.ts';
import type { Intake } from './serve/intake.ts';
import { serveLogs as createLogs, type LogsHandler } from './serve/logs.ts';
import type { HttpHandler } from './serve/routes.ts';
import { ensureTrailKey, readTrailKey } from './store/key.ts';
import { readVersion } from './system/version.ts';
import { warn } from './system/warning.ts';
import { readDiskUse } from './trail/metrics/disk-use.ts';
import { activeTrail, type Trail } from './trail/trail.ts';
import {
  receiveWebhooks as createWebhooks,
  type ReceiveWebhooksOptions,
  type WebhookHandler,
} from './webhooks/receive-webhooks.ts';
import { createLedger, type DeliveryLedger } from './webhooks/repeats/ledger.ts';
import { createProofs, type ProofSource, type Proofs } from './webhooks/repeats/proofs.ts';

export type { WebhookPayload } from './webhooks/payload.ts';
export type { Candidate, Claim, SharedClaims } from './webhooks/repeats/shared-claims.ts';
export type { CustomOptions } from './webhooks/senders/custom.ts';
export type { GithubOptions } from './webhooks/senders/github.ts';
export type { JiraOptions } from './webhooks/senders/jira.ts';
export type { SlackOptions } from './webhooks/senders/slack.ts';
export type { WebhookTask } from './webhooks/webhook-tasks.ts';
export type { DeliveryLedger, HttpHandler, Intake, LogsHandler, ReceiveWebhooksOptions, WebhookHandler };

export interface ServeOptions {
  /** Handles `POST /tasks`. Without it that route answers 503. */
  readonly intake?: Intake | undefined;
  /** Default `TASK_LOGS_API_TOKEN`. */
  readonly token?: string | undefined;
  /** Origins whose pages may ask: `['https://app.example']`. Default `TASK_LOGS_CORS_ORIGINS`. */
  readonly corsOrigins?: readonly string[] | undefined;
}

export interface ServePageOptions {
  /** The path of `serveLogs` as the browser sees it. Default `/api`. */
  readonly apiPath?: string | undefined;
  /** The token of `serveLogs`, which the page asks for. Default `TASK_LOGS_API_TOKEN`. */
  readonly token?: string | undefined;
}

/**
 * Handles `POST /github`, `/jira`, `/slack` and `/<custom>`. Mount it in Express 4 or 5 before any body parser:
 * `app.use('/webhooks', receiveWebhooks({ github: { secret }, onTask }))`. It verifies and records each delivery, calls
 * `onTask` for each task that the delivery starts, and answers when the records are durable. Throws `TypeError` for
 * invalid options.
 */
export function receiveWebhooks(options: ReceiveWebhooksOptions): WebhookHandler {
  const proofs = proofsOfTrail(options.onError ?? warn);
  return createWebhooks(options, { ledger: openLedger(options.onError, proofs), proofs });
}

/** Looks up the open trail for each delivery: most handlers are created before the trail is open. */
function openLedger(onError: ((error: unknown) => void) | undefined, proofs: ProofSource): DeliveryLedger {
  const ledgers = new WeakMap<Trail, DeliveryLedger>();
  const current = (): DeliveryLedger | undefined => {
    const trail = activeTrail();
    if (trail === undefined) return undefined;
    const { reader, recovered } = trail;
    const ledger =
      ledgers.get(trail) ??
      createLedger({
        listDeliveries: (query) => reader.listDeliveries(query),
        listTasks: (query) => reader.listTasks(query),
        openWindow: (taskId, flow, query) => reader.openWindow(taskId, flow, query),
        ready: recovered,
        proofs,
        onError,
      });
    ledgers.set(trail, ledger);
    return ledger;
  };
  return {
    find: async (provider, deliveryId) => current()?.find(provider, deliveryId),
    findTask: async (provider, macs, about) => current()?.findTask?.(provider, macs, about),
    readStages: async (taskId) => (await current()?.readStages?.(taskId)) ?? new Set(STAGES),
  };
}

/** Signs with the key of the open trail. Without a key no delivery is known to later processes. */
function proofsOfTrail(onError: (error: unknown) => void): ProofSource {
  const found = new WeakMap<Trail, Promise<Proofs | undefined>>();
  return async () => {
    const trail = activeTrail();
    if (trail === undefined) return undefined;
    const reading =
      found.get(trail) ??
      keyOf(trail).then(
        (key) => (key === undefined ? undefined : createProofs(key)),
        (error: unknown) => void onError(error),
      );
    found.set(trail, reading);
    return reading;
  };
}

/** Only the process that holds the log directory makes its key. */
async function keyOf({ config, otlpUrl }: Trail): Promise<string | undefined> {
  if (config.key !== undefined) return config.key;
  return otlpUrl === undefined ? readTrailKey(config.logDir) : ensureTrailKey(config.logDir);
}

/**
 * The REST API of a trail's log directory. Mount it in Express 4 or 5: `app.use('/api', serveLogs(trail))`. Its `close()` ends
 * the open streams: call it before the server is closed.
 */
export function serveLogs(trail: Trail, options: ServeOptions = {}): LogsHandler {
  // `token: undefined` must not switch off the token of the settings.
  const token = options.token ?? trail.config.apiToken;
  const corsOrigins = options.corsOrigins ?? trail.config.corsOrigins;
  const { traceUrls } = trail.config;
  const openApi = { version: readVersion(), isService: false };
  const readHealth = async (): Promise<JsonObject> => ({
    ...readinessOf(trail.books),
    queue: null,
    disk: await readDiskUse(trail.config),
  });
  const { intake } = options;
  return createLogs({ reader: trail.reader, intake, token, corsOrigins, traceUrls, openApi, readHealth });
}

/**
 * The page that shows a trail in a browser. Mount it beside `serveLogs`, at any path:
 * `app.use('/tasktrail', servePage(trail, { apiPath: '/api' }))`. Its files may be read by anyone: the data come from the
 * API, which asks for the token where one is set.
 */
export function servePage(trail: Trail, options: ServePageOptions = {}): HttpHandler {
  const { apiPath, token = trail.config.apiToken } = options;
  return createPage({ apiPath, token, reader: trail.reader });
}

/** `GET /healthz` and `GET /readyz` of a trail. Mount it at the root. */
export function serveHealth(trail: Trail): HttpHandler {
  return createHealth({ books: trail.books });
}
