import type { IncomingMessage } from 'node:http';
import express from 'express';
import type { Config } from '../config/config.ts';
import { isLoopback } from '../config/values/loopback.ts';
import { TasktrailError } from '../errors.ts';
import { serveHealth } from '../serve/health.ts';
import { serveLogs } from '../serve/logs.ts';
import { serveMetrics } from '../serve/metrics.ts';
import { notFound, sendProblem } from '../serve/problem.ts';
import type { Trail } from '../trail/trail.ts';
import { createLedger } from '../webhooks/ledger.ts';
import { receiveWebhooks, type WebhookHandler } from '../webhooks/receive-webhooks.ts';
import { commandNames, planFor } from './commands.ts';
import type { TaskIntake } from './task-intake.ts';

export interface WebAppParts {
  readonly config: Config;
  readonly trail: Trail;
  readonly intake: TaskIntake;
  /** What `/metrics` answers. */
  readMetrics(): Promise<string>;
  log(line: string): void;
}

export interface WebApp {
  readonly app: express.Express;
  readonly webhooks: WebhookHandler;
}

/** Webhooks, REST and health: everything that the service answers. */
export function createWebApp({ config, trail, intake, readMetrics, log }: WebAppParts): WebApp {
  const onError = (error: unknown): void => log(`unexpected error: ${stackOf(error)}`);
  const app = express();
  app.disable('x-powered-by');
  const webhooks = createWebhooks({ config, trail, intake }, onError);
  app.use('/webhooks', webhooks);
  app.use(serveHealth({ books: trail.books }));
  if (config.apiToken === undefined) {
    app.use(['/api', '/metrics'], (req, res, next) => {
      if (isLocalRequest(req)) next();
      else sendProblem(res, foreignHost(req));
    });
  }
  const { apiToken: token, traceUrls } = config;
  app.use(serveMetrics({ readText: readMetrics, token, onError }));
  app.use('/api', serveLogs({ reader: trail.reader, intake: intake, token, traceUrls, onError }));
  app.use(notFound);
  return { app, webhooks };
}

function createWebhooks(
  { config, trail, intake }: Pick<WebAppParts, 'config' | 'trail' | 'intake'>,
  onError: (error: unknown) => void,
): WebhookHandler {
  const { reader, recovered } = trail;
  return receiveWebhooks(
    {
      github: { secret: config.githubSecrets, token: config.githubToken, apiUrl: config.githubApiUrl },
      jira: { secret: config.jiraSecrets },
      slack: { secret: config.slackSecrets },
      custom: config.webhooks,
      trigger: config.trigger,
      commands: commandNames(config),
      agentOf: (command) => planFor(config, { command, agent: null }).agentName,
      onTask: (task) => intake.enqueue(task, { command: task.command, agent: null }),
      onError,
    },
    {
      ledger: createLedger({
        listDeliveries: (query) => reader.listDeliveries(query),
        listTasks: (query) => reader.listTasks(query),
        ready: recovered,
        onError,
      }),
    },
  );
}

/** A page in a browser can make any name point to this machine; the name that it then sends gives it away. */
function isLocalRequest(req: IncomingMessage): boolean {
  const host = (req.headers.host ?? 'localhost')
    .toLowerCase()
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '');
  return isLoopback(host);
}

function foreignHost(req: IncomingMessage): TasktrailError {
  const host = (req.headers.host ?? '').slice(0, 100);
  return new TasktrailError(
    'ERR_UNAUTHORIZED',
    `${JSON.stringify(host)} is not a name of this machine alone: set TASK_LOGS_API_TOKEN to serve the API under it`,
  );
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
