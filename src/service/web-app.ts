import type { IncomingMessage } from 'node:http';
import type { Express, RequestHandler } from 'express';
import type { Books } from '../books.ts';
import type { Config } from '../config/config.ts';
import { serveMcp } from '../mcp/serve-mcp.ts';
import type { JsonObject } from '../model/json.ts';
import { servePage } from '../page/serve-page.ts';
import type { Queue } from '../queue/queue.ts';
import { readinessOf, serveHealth } from '../serve/health.ts';
import type { Intake } from '../serve/intake.ts';
import { serveLogs } from '../serve/logs.ts';
import { serveMetrics } from '../serve/metrics.ts';
import { allowPartialAnswer } from '../serve/partial-answer.ts';
import { notFound, sendProblem } from '../serve/problem.ts';
import type { Reader } from '../serve/reader.ts';
import { CORS_METHODS } from '../serve/routes.ts';
import { allowOrigin } from '../system/http/cors.ts';
import { checkOrigin } from '../system/http/origin.ts';
import { checkLease } from '../system/lease-guard.ts';
import { loadOptional } from '../system/optional-package.ts';
import { readVersion } from '../system/version.ts';
import { errorLog } from '../system/warning.ts';
import { readDiskUse } from '../trail/metrics/disk-use.ts';
import type { Trail } from '../trail/trail.ts';
import type { WebhookHandler } from '../webhooks/receive-webhooks.ts';
import { createLedger, type LedgerOptions } from '../webhooks/repeats/ledger.ts';
import type { ProofSource } from '../webhooks/repeats/proofs.ts';
import type { SharedClaims } from '../webhooks/repeats/shared-claims.ts';
import { readQueue } from './open-queue.ts';
import type { TaskIntake } from './task-intake.ts';
import { createWebhooks } from './webhooks/create-webhooks.ts';

const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** The path of MCP, whose requests are all POST and only read. */
const MCP_PATH = '/mcp';

/** `express()`. */
export type CreateExpress = () => Express;

/** Express is an optional peer dependency. Throws `ERR_NOT_CONFIGURED` naming `command` when it is not installed. */
export async function loadExpress(command: string): Promise<CreateExpress> {
  return (await loadOptional('express', () => import('express'), command)).default;
}

export interface WebAppParts {
  readonly createExpress: CreateExpress;
  readonly config: Config;
  readonly trail: Trail;
  readonly intake: TaskIntake;
  readonly queue: Queue;
  /** Shared with the other processes that receive the same webhooks. */
  readonly claims?: SharedClaims | undefined;
  /** What makes the deliveries of earlier processes known. */
  readonly memory?: DeliveryMemory | undefined;
  /** The body of `GET /metrics`. */
  readMetrics(): Promise<string>;
  log(line: string): void;
}

export type DeliveryMemory = Pick<LedgerOptions, 'ready' | 'unprovenBefore' | 'readKept'> & {
  readonly proofs: ProofSource;
};

export interface WebApp {
  readonly app: Express;
  readonly webhooks: WebhookHandler;
  /** Ends the streams of all readers. */
  closeStreams(): void;
}

/** The routes of the service: webhooks, REST, health and metrics. */
export function createWebApp(parts: WebAppParts): WebApp {
  const { createExpress, config, trail, intake, queue, readMetrics } = parts;
  const onError = errorLog(parts.log);
  const app = createExpress();
  app.disable('x-powered-by');
  app.use(refuseWithoutLease(onError));
  const { reader, books, recovered } = trail;
  const { claims, memory } = parts;
  const webhooks = createWebhooks({
    ...{ config, intake, claims, onError, proofs: memory?.proofs },
    ledger: createLedger({
      listDeliveries: (query) => reader.listDeliveries(query),
      listTasks: (query) => reader.listTasks(query),
      openWindow: (taskId, flow, query) => reader.openWindow(taskId, flow, query),
      ready: recovered,
      onError,
      ...memory,
    }),
  });
  app.use('/webhooks', webhooks);
  const { closeStreams } = mountReading(app, {
    ...{ config, reader, books, intake, readMetrics, log: parts.log },
    readState: async () => ({ queue: await readQueue(queue, reader), disk: await readDiskUse(config) }),
  });
  return { app, webhooks, closeStreams };
}

export interface ReadingParts {
  readonly config: Config;
  readonly reader: Reader;
  readonly books: Books;
  /** Undefined: tasks are not accepted here. */
  readonly intake?: Intake | undefined;
  readMetrics(): Promise<string>;
  /** What `GET /api/health` shows beside the readiness: the queue, the disk. */
  readState?(): Promise<JsonObject>;
  /** What both show of it that is known without a question. */
  knownState?(): JsonObject;
  log(line: string): void;
}

/** The routes of everything that reads, and 404 for all others: REST, health, metrics, MCP and the page. */
export function mountReading(
  app: Express,
  { config, reader, books, intake, readMetrics, readState, knownState, log }: ReadingParts,
): { closeStreams(): void } {
  const onError = errorLog(log);
  const { apiToken: token, traceUrls, corsOrigins } = config;
  // Probes may use any name for this machine: they get the status. A page that has made its name lead here gets no more.
  const mayReadReasons = (req: IncomingMessage): boolean =>
    token !== undefined || isOfThisMachine(req, corsOrigins);
  const version = readVersion();
  app.use(serveHealth({ books, version, knownState, mayReadReasons }));
  // Before the checks: a page may read why it is refused.
  app.use(['/api', '/metrics', MCP_PATH], (req, res, next) => {
    if (!allowOrigin(req, res, { origins: corsOrigins, methods: CORS_METHODS })) next();
  });
  // MCP has the same check with an answer of its own.
  app.use(['/api', '/metrics'], (req, res, next) => {
    try {
      if (token === undefined) checkOrigin(req, { what: 'the API', origins: corsOrigins });
      next();
    } catch (error) {
      sendProblem(res, error, onError);
    }
  });
  app.use(serveMetrics({ readText: readMetrics, token, onError }));
  const openApi = { version: readVersion(), isService: true };
  const readHealth = async (): Promise<JsonObject> => ({
    ...readinessOf(books),
    ...knownState?.(),
    version,
  });
  const logs = serveLogs({
    ...{ reader, intake, token, traceUrls, onError, openApi },
    readHealth: async () => {
      // Asked first: what it finds may be a reason.
      const state = await readState?.();
      return { ...(await readHealth()), ...state };
    },
  });
  app.use('/api', allowPartialAnswer, logs);
  app.use(serveMcp({ reader, readHealth, token, corsOrigins, version, onError }));
  // As for the API.
  const checkRequest = (req: IncomingMessage): void => {
    if (token === undefined) checkOrigin(req, { what: 'a run', origins: corsOrigins });
  };
  app.use(servePage({ token, reader, checkRequest, isLast: true, onError }));
  app.use(notFound);
  return { closeStreams: () => logs.close() };
}

/** Before anything is read or answered: what changes something is the business of the service that owns the directory. */
function refuseWithoutLease(onError: (error: unknown) => void): RequestHandler {
  return (req, res, next) => {
    try {
      if (!READS.has(req.method) && req.path !== MCP_PATH) checkLease();
      next();
    } catch (error) {
      sendProblem(res, error, onError);
    }
  };
}

function isOfThisMachine(req: IncomingMessage, origins: readonly string[]): boolean {
  try {
    checkOrigin(req, { what: 'the reasons', origins });
    return true;
  } catch {
    // ERR_UNAUTHORIZED or ERR_INPUT_INVALID: the host or the page is another one.
    return false;
  }
}
