import { setTimeout as delay } from 'node:timers/promises';
import { NodeSDK } from '@opentelemetry/sdk-node';
import type { Config } from '../config/config.ts';
import { messageOf, TasktrailError } from '../errors.ts';
import { idGenerator, logRecordProcessor, spanProcessor } from '../export/otel-recorder.ts';
import type { Queue } from '../queue/queue.ts';
import { installAgentRunner } from '../trail/agent-runner.ts';
import { watchOrphanRuns } from '../trail/orphan-sweep.ts';
import { agentFolder, openTrail, type Trail } from '../trail/trail.ts';
import { checkAgents } from './commands.ts';
import { type HttpService, listen } from './listen.ts';
import { openQueue } from './open-queue.ts';
import { ReasonLines } from './reason-lines.ts';
import { requeueUnfinished } from './requeue.ts';
import { runTask } from './run-task.ts';
import { ServiceMetrics } from './service-metrics.ts';
import { TaskIntake } from './task-intake.ts';
import { createWebApp } from './web-app.ts';

/** At shutdown: answers in flight, then agents that are told to stop, then the journal. Ten seconds are what container engines give. */
const HTTP_DEADLINE_MS = 1_000;
const QUEUE_DEADLINE_MS = 4_000;
const TRAIL_DEADLINE_MS = 4_000;

/** The last metrics get that long: the next process counts anew, and nobody waits for a graph. */
const SDK_DEADLINE_MS = 1_000;

/** After Redis is back, perhaps without its data: at once, and when what was young then is settled. */
const REQUEUE_AFTER_MS = [0, 15_000];

/** `all`: everything in one process. `serve`: all but the work. `worker`: only the work. */
export type Role = 'all' | 'serve' | 'worker';

export interface Service {
  readonly config: Config;
  readonly role: Role;
  readonly trail: Trail;
  /** Where webhooks and the REST API are; undefined for a worker. */
  readonly url: string | undefined;
  /** Resolves with how many tasks of an earlier process were queued again. */
  readonly requeued: Promise<number>;
  /** Webhooks, workers, journal, receiver, store, lock, in this order. Never rejects; safe to call twice. */
  stop(): Promise<void>;
}

export interface ServiceOptions {
  readonly role?: Role;
  log(line: string): void;
}

/**
 * The ready-made service in this process. Throws what `startTasktrail` throws, `ERR_PORT_IN_USE` for `PORT`, and
 * `ERR_CONFIG_INVALID` for a role that needs a Redis and has none.
 */
export async function startService(config: Config, options: ServiceOptions): Promise<Service> {
  const { role = 'all', log } = options;
  if (role !== 'all' && config.redisUrl === undefined) {
    const why = 'a service and its workers share a queue in Redis';
    throw new TasktrailError(
      'ERR_CONFIG_INVALID',
      `REDIS_URL is not set: ${why}; "tasktrail start" needs none`,
    );
  }
  checkAgents(config);
  const metrics = new ServiceMetrics(config);
  const sdk = startSdk(metrics);
  installAgentRunner();
  // What was opened last is closed first.
  const closers: (() => Promise<void>)[] = [() => shutDown(sdk)];
  try {
    return await openService({ config, role, log, metrics, closers });
  } catch (error) {
    await closeAll(closers, log);
    throw error;
  }
}

interface Opening {
  readonly config: Config;
  readonly role: Role;
  readonly metrics: ServiceMetrics;
  readonly closers: (() => Promise<void>)[];
  log(line: string): void;
}

async function openService({ config, role, metrics, closers, log }: Opening): Promise<Service> {
  const isWorker = role === 'worker';
  const trail = await openTrail({ config, hold: isWorker ? 'never' : 'must', log }, metrics.startTrail());
  metrics.watchTrail(trail);
  const lines = new ReasonLines({ books: trail.books, log });
  closers.unshift(() => {
    // From here on the summary at the end says what is left.
    lines.close();
    return trail.shutdown(TRAIL_DEADLINE_MS);
  });
  const opened = await openQueue(config, { books: trail.books, log });
  const { queue } = opened;
  metrics.watchQueue(queue);
  closers.unshift(() => opened.close(QUEUE_DEADLINE_MS));
  const intake = new TaskIntake({ config, queue, reader: trail.reader });
  let http: HttpService | undefined;
  if (!isWorker) {
    const { app, webhooks } = createWebApp({
      config,
      trail,
      intake,
      readMetrics: () => metrics.readText(),
      log,
    });
    const server = await listen(app, config);
    http = server;
    closers.unshift(async () => {
      await server.close(HTTP_DEADLINE_MS);
      webhooks.close();
    });
  }
  if (role !== 'serve') {
    queue.start((job, run) => runTask(job, run, { config, queue, reader: trail.reader }));
  }
  // Whoever holds the directory does it; a worker may be on another machine than that.
  if (isWorker) {
    const left = watchRuns(trail, log);
    closers.unshift(async () => left.close());
  }
  const again = (): Promise<number> =>
    isWorker ? Promise.resolve(0) : requeue({ trail, intake, queue, log });
  opened.onReady(() => {
    for (const ms of REQUEUE_AFTER_MS) setTimeout(() => void again(), ms).unref();
  });
  let stopping: Promise<void> | undefined;
  return {
    config,
    role,
    trail,
    url: http?.url,
    requeued: again(),
    stop: () => {
      stopping ??= closeAll(closers, log);
      return stopping;
    },
  };
}

/** As a user's own SDK would carry us. It exports no spans and records itself: the journal does. */
function startSdk(metrics: ServiceMetrics): NodeSDK {
  const sdk = new NodeSDK({
    resource: metrics.resource,
    autoDetectResources: false,
    idGenerator: idGenerator(),
    spanProcessors: [spanProcessor()],
    logRecordProcessors: [logRecordProcessor()],
    metricReaders: metrics.readers,
    instrumentations: [],
  });
  sdk.start();
  return sdk;
}

/** An endpoint that does not answer holds nothing up. */
async function shutDown(sdk: NodeSDK): Promise<void> {
  const closed = sdk.shutdown();
  closed.catch(() => {});
  await Promise.race([closed, delay(SDK_DEADLINE_MS, undefined, { ref: false })]);
}

function watchRuns(trail: Trail, log: (line: string) => void): { close(): void } {
  return watchOrphanRuns({
    folder: agentFolder(trail.config.logDir),
    onProblem: (reason) => trail.books.setNotice('runs left by dead processes', reason),
    log,
  });
}

interface Requeue {
  readonly trail: Trail;
  readonly intake: TaskIntake;
  readonly queue: Queue;
  log(line: string): void;
}

async function requeue({ trail, intake, queue, log }: Requeue): Promise<number> {
  await trail.recovered;
  if (!trail.config.enabled || !trail.config.store) return 0;
  try {
    return await requeueUnfinished({
      reader: trail.reader,
      queue,
      isVolatile: trail.config.redisUrl === undefined,
      isOwn: (taskId) => intake.has(taskId),
    });
  } catch (error) {
    log(`unfinished tasks could not be queued again: ${messageOf(error)}`);
    return 0;
  }
}

async function closeAll(
  closers: readonly (() => Promise<void>)[],
  log: (line: string) => void,
): Promise<void> {
  for (const close of closers) {
    // One part that fails must not keep the others from ending cleanly.
    await close().catch((error: unknown) => log(`at shutdown: ${messageOf(error)}`));
  }
}
