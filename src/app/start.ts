import type { IncomingMessage } from 'node:http';
import { NodeSDK } from '@opentelemetry/sdk-node';
import express from 'express';
import { type Config, isLoopback } from '../config.ts';
import { messageOf, TasktrailError } from '../errors.ts';
import { logRecordProcessor, spanProcessor } from '../export/otel-recorder.ts';
import { InProcessQueue } from '../queue/in-process-queue.ts';
import type { Queue } from '../queue/queue.ts';
import { prepareTask, type QueuedTask } from '../record/queued-task.ts';
import { serveHealth } from '../serve/health.ts';
import type { Intake, TaskOrder } from '../serve/intake.ts';
import { serveLogs } from '../serve/logs.ts';
import { notFound, sendProblem } from '../serve/problem.ts';
import { receiveWebhooks } from '../webhooks/receive-webhooks.ts';
import { installAgentRunner } from './agent-runner.ts';
import { checkAgents, commandNames, planFor } from './commands.ts';
import { type HttpService, listen } from './listen.ts';
import { requeueUnfinished } from './requeue.ts';
import { resourceOf } from './resource.ts';
import { runTask } from './run-task.ts';
import { startTasktrail, type Trail } from './trail.ts';

const QUEUE_NAME = 'agent';

/** At shutdown: answers in flight, then agents that are told to stop, then the journal. Ten seconds are what container engines give. */
const HTTP_DEADLINE_MS = 1_000;
const QUEUE_DEADLINE_MS = 4_000;
const TRAIL_DEADLINE_MS = 4_000;

export interface Service {
  readonly config: Config;
  readonly trail: Trail;
  /** Where webhooks and the REST API are. */
  readonly url: string;
  /** Resolves with how many tasks of an earlier process were queued again. */
  readonly requeued: Promise<number>;
  /** Webhooks, workers, journal, receiver, store, lock, in this order. Never rejects; safe to call twice. */
  stop(): Promise<void>;
}

/** The ready-made service in this process. Throws what `startTasktrail` throws, and `ERR_PORT_IN_USE` for `PORT`. */
export async function startService(config: Config, log: (line: string) => void): Promise<Service> {
  checkAgents(config);
  const sdk = startSdk(config);
  installAgentRunner();
  const trail = await startTasktrail({ config, mustHold: config.store, log }).catch(
    async (error: unknown) => {
      await sdk.shutdown();
      throw error;
    },
  );
  const queue = new InProcessQueue({ name: QUEUE_NAME, concurrency: config.concurrency });
  const desk: Desk = { queue, own: new Set() };
  let http: HttpService;
  try {
    http = await listen(createApp({ config, trail, desk, log }), config);
  } catch (error) {
    await trail.shutdown();
    await sdk.shutdown();
    throw error;
  }
  queue.start((job, run) => runTask(job, run, { config, queue }));
  const requeued = requeue(trail, desk, log);
  let stopping: Promise<void> | undefined;
  return {
    config,
    trail,
    url: http.url,
    requeued,
    stop: () => {
      stopping ??= stopAll({ http, queue, trail, sdk }, log);
      return stopping;
    },
  };
}

/** As a user's own SDK would carry us. It exports nothing itself: the journal does. */
function startSdk(config: Config): NodeSDK {
  const sdk = new NodeSDK({
    resource: resourceOf(config),
    autoDetectResources: false,
    spanProcessors: [spanProcessor()],
    logRecordProcessors: [logRecordProcessor()],
    metricReaders: [],
    instrumentations: [],
  });
  sdk.start();
  return sdk;
}

/** Where tasks come in. */
interface Desk {
  readonly queue: Queue;
  /** Tasks that came in since the start: they are queued, and not left behind by an earlier process. */
  readonly own: Set<string>;
}

interface AppParts {
  readonly config: Config;
  readonly trail: Trail;
  readonly desk: Desk;
  log(line: string): void;
}

function createApp({ config, trail, desk, log }: AppParts): express.Express {
  const onError = (error: unknown): void => log(`unexpected error: ${stackOf(error)}`);
  const app = express();
  app.disable('x-powered-by');
  app.use(
    '/webhooks',
    receiveWebhooks({
      github: { secret: config.githubSecret, token: config.githubToken, apiUrl: config.githubApiUrl },
      trigger: config.trigger,
      commands: commandNames(config),
      onTask: (task) => enqueue(desk, task, { command: task.command, agent: null }),
      onError,
    }),
  );
  app.use(serveHealth({ books: trail.books }));
  if (config.apiToken === undefined) {
    app.use('/api', (req, res, next) => {
      if (isLocalRequest(req)) next();
      else sendProblem(res, foreignHost(req));
    });
  }
  const intake = createIntake(config, desk);
  app.use('/api', serveLogs({ reader: trail.reader, intake, token: config.apiToken, onError }));
  app.use(notFound);
  return app;
}

/** `POST /api/tasks`. An agent or a command that does not exist is refused before there is a task. */
function createIntake(config: Config, desk: Desk): Intake {
  return {
    submit: async (order: TaskOrder) => {
      const wanted = { command: order.command ?? null, agent: order.agent ?? null };
      planFor(config, wanted);
      const task = prepareTask({
        source: 'api',
        message: order.message,
        sourceMetadata: { event_type: 'api', ...(order.command !== undefined && { command: order.command }) },
        metadata: { command: wanted.command, requested_agent: wanted.agent },
      });
      await enqueue(desk, task, wanted);
      return { taskId: task.id };
    },
  };
}

async function enqueue(
  { queue, own }: Desk,
  task: QueuedTask,
  wanted: { readonly command: string | null; readonly agent: string | null },
): Promise<void> {
  const { name, system } = queue;
  own.add(task.id);
  const sourceMetadata = task.input.sourceMetadata ?? {};
  await task.enqueue({ queue: name, system }, (carrier) =>
    queue.push({ taskId: task.id, message: task.message, sourceMetadata, attempt: 1, carrier, ...wanted }),
  );
}

async function requeue(trail: Trail, desk: Desk, log: (line: string) => void): Promise<number> {
  await trail.recovered;
  if (!trail.config.enabled || !trail.config.store) return 0;
  try {
    const { reader, config } = trail;
    return await requeueUnfinished({ reader, ...desk, attemptsMax: config.attemptsMax });
  } catch (error) {
    log(`unfinished tasks could not be queued again: ${messageOf(error)}`);
    return 0;
  }
}

async function stopAll(
  parts: { http: HttpService; queue: Queue; trail: Trail; sdk: NodeSDK },
  log: (line: string) => void,
): Promise<void> {
  const steps: readonly (() => Promise<void>)[] = [
    () => parts.http.close(HTTP_DEADLINE_MS),
    () => parts.queue.close(QUEUE_DEADLINE_MS),
    () => parts.trail.shutdown(TRAIL_DEADLINE_MS),
    () => parts.sdk.shutdown(),
  ];
  for (const step of steps) {
    // One part that fails must not keep the others from ending cleanly.
    await step().catch((error: unknown) => log(`at shutdown: ${messageOf(error)}`));
  }
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
