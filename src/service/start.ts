import type { Config } from '../config/config.ts';
import { messageOf, TasktrailError } from '../errors.ts';
import { JobStore } from '../queue/job-store.ts';
import { readTrailKey } from '../store/key.ts';
import { writePageAddress } from '../store/page-address.ts';
import { closeAll } from '../system/closers.ts';
import { setFileMode } from '../system/files/modes.ts';
import { requireInstalled } from '../system/optional-package.ts';
import { installAgentRunner } from '../trail/agent-runner.ts';
import { leftRecordsTarget } from '../trail/agents/holder-receiver.ts';
import { sendAllLeftRecords } from '../trail/agents/send-left-records.ts';
import { watchOrphanRuns } from '../trail/orphan-sweep.ts';
import { activeTrail, agentFolder, openTrail, type Trail } from '../trail/trail.ts';
import { checkAgentUsers } from './agent-access.ts';
import { AgentSpans } from './agent-spans.ts';
import { checkAgents } from './commands.ts';
import { checkConfigFiles, rememberConfigFiles } from './config-guard.ts';
import { guardLease } from './lease-watch.ts';
import { type HttpService, listen } from './listen.ts';
import { openQueue } from './open-queue.ts';
import { ReasonLines } from './reason-lines.ts';
import { openKeptJobs, Requeueing } from './requeue/kept-jobs.ts';
import { runTask } from './run-task.ts';
import { ServiceMetrics } from './service-metrics.ts';
import { TaskIntake } from './task-intake.ts';
import { startTelemetry } from './telemetry.ts';
import { type CreateExpress, createWebApp, loadExpress } from './web-app.ts';
import { openDeliveryMemory } from './webhooks/delivery-memory.ts';
import { createWebhookClaims } from './webhooks/webhook-claims.ts';
import { checkWebhooks } from './webhooks/webhook-senders.ts';

/**
 * Milliseconds for each part at shutdown: requests in flight, then running agents, then the journal. Their sum and the
 * second for metrics fit into the ten seconds that container engines wait before SIGKILL.
 */
const HTTP_DEADLINE_MS = 1_000;
const QUEUE_DEADLINE_MS = 4_000;
const TRAIL_DEADLINE_MS = 4_000;

/**
 * Milliseconds after the start, and after Redis is back, at which lost tasks are queued again: at once, and when the tasks that were too young
 * for the first pass (10 s, see requeue.ts) are old enough.
 */
const REQUEUE_AFTER_MS = [0, 15_000];

/** `all`: everything in one process. `serve`: webhooks, REST and store. `worker`: runs tasks only. */
export type Role = 'all' | 'serve' | 'worker';

export interface Service {
  readonly config: Config;
  readonly role: Role;
  readonly trail: Trail;
  /** Base address of webhooks and the REST API; undefined for a worker. */
  readonly url: string | undefined;
  /** Resolves with the number of tasks of an earlier process that were queued again. */
  readonly requeued: Promise<number>;
  /** Closes webhooks, workers, journal, receiver, store and lock, in this order. Never rejects; safe to call twice. */
  stop(): Promise<void>;
}

export interface ServiceOptions {
  readonly role?: Role;
  log(line: string): void;
  /**
   * Called once when another process has taken over the log directory: the process must end at once, as if it was killed.
   * Default: it stays, and refuses what only one service may do.
   */
  onLost?(line: string): void;
}

/**
 * Starts the ready-made service in this process. Throws what `startTasktrail` throws, `ERR_PORT_IN_USE` for `PORT`,
 * `ERR_CONFIG_INVALID` for a role that needs Redis without `REDIS_URL`, and `ERR_NOT_CONFIGURED` for a missing optional
 * package.
 */
export async function startService(config: Config, options: ServiceOptions): Promise<Service> {
  const { role = 'all', log, onLost = log } = options;
  if (role !== 'all' && config.redisUrl === undefined) {
    const why = 'a service and its workers share a queue in Redis';
    throw new TasktrailError(
      'ERR_CONFIG_INVALID',
      `REDIS_URL is not set: ${why}; "tasktrail start" needs none`,
    );
  }
  checkAgents(config);
  if (role !== 'serve') checkAgentUsers(config);
  checkWebhooks(config);
  await checkConfigFiles(config);
  // Before the log directory is locked: a missing package must leave nothing to close.
  if (config.s3 !== undefined && role !== 'worker')
    requireInstalled('@aws-sdk/client-s3', 'TASK_LOGS_S3_BUCKET');
  const createExpress =
    role === 'worker' ? undefined : await loadExpress(`tasktrail ${role === 'all' ? 'start' : role}`);
  const metrics = new ServiceMetrics(config);
  const telemetry = startTelemetry(metrics);
  installAgentRunner({ isSilent: true });
  const closers: (() => Promise<void>)[] = [() => telemetry.shutdown()];
  try {
    return await openService({ config, role, log, onLost, metrics, closers, createExpress });
  } catch (error) {
    await closeAll(closers, log);
    throw error;
  }
}

interface ServiceParts {
  readonly config: Config;
  readonly role: Role;
  readonly metrics: ServiceMetrics;
  /** Called from the first to the last; each part that is opened is put in front. */
  readonly closers: (() => Promise<void>)[];
  /** Undefined for a worker, which has no HTTP server. */
  readonly createExpress: CreateExpress | undefined;
  log(line: string): void;
  onLost(line: string): void;
}

async function openService(parts: ServiceParts): Promise<Service> {
  const { config, role, metrics, closers, createExpress, log } = parts;
  const isWorker = role === 'worker';
  // The first folder may be made here.
  setFileMode(config.fileMode);
  // Where that fails, opening the trail says why.
  if (config.enabled && config.store && !isWorker) await JobStore.prepare(config.logDir).catch(() => {});
  const trail = await openTrail({ config, hold: isWorker ? 'never' : 'must', log }, metrics.startTrail());
  metrics.watchTrail(trail);
  const lease = guardLease(activeTrail(), parts.onLost);
  const reasonLines = new ReasonLines({ books: trail.books, log });
  closers.unshift(() => {
    // The summary after the shutdown names the reasons that remain.
    reasonLines.close();
    lease.close();
    return trail.shutdown(TRAIL_DEADLINE_MS);
  });
  // Not earlier: a start that is refused leaves nothing behind.
  await rememberConfigFiles(config);
  const openedQueue = await openQueue(config, { books: trail.books, log });
  const { queue, claims } = openedQueue;
  metrics.watchQueue(queue);
  closers.unshift(() => openedQueue.close(QUEUE_DEADLINE_MS));
  const kept = await openKeptJobs(config, { isWorker });
  const jobs = kept?.jobs;
  const intake = new TaskIntake({ config, queue, reader: trail.reader, jobs, home: kept?.home });
  const requeueing =
    kept?.home === undefined
      ? undefined
      : new Requeueing({ jobs: kept.jobs, home: kept.home, trail, queue, intake, log });
  let http: HttpService | undefined;
  if (createExpress !== undefined) {
    const { app, webhooks, closeStreams } = createWebApp({
      createExpress,
      config,
      trail,
      intake,
      queue,
      claims: claims && createWebhookClaims({ claims, reader: trail.reader }),
      memory: await openDeliveryMemory(config, {
        jobs,
        ready: Promise.all([trail.recovered, requeueing?.adopted]),
      }),
      readMetrics: () => metrics.readText(),
      log,
    });
    const server = await listen(app, config);
    http = server;
    await tellPageAddress(trail, server.url, log);
    closers.unshift(async () => {
      // The server would wait for them until its deadline.
      closeStreams();
      await server.close(HTTP_DEADLINE_MS);
      webhooks.close();
    });
  }
  if (role !== 'serve') {
    const spans = AgentSpans.of(config, (reason) => trail.books.setNotice('times of agents', reason));
    queue.start((job, run) => runTask(job, run, { config, queue, reader: trail.reader, spans, jobs }));
  }
  // The holder sweeps its own machine; a worker may run on another one.
  if (isWorker) {
    const orphanWatch = watchOrphans(trail, log);
    closers.unshift(async () => orphanWatch.close());
  }
  closers.unshift(async () => requeueing?.close());
  const requeueLater = (): void => {
    for (const ms of REQUEUE_AFTER_MS) setTimeout(() => void requeueing?.run(), ms).unref();
  };
  openedQueue.onReady(requeueLater);
  if (config.redisUrl !== undefined) requeueLater();
  let stopping: Promise<void> | undefined;
  return {
    config,
    role,
    trail,
    url: http?.url,
    requeued: requeueing?.run() ?? Promise.resolve(0),
    stop: () => {
      stopping ??= closeAll(closers, log);
      return stopping;
    },
  };
}

/** For `tasktrail open`. Without it the service works as well. */
async function tellPageAddress(
  { config, otlpUrl }: Trail,
  url: string,
  log: (line: string) => void,
): Promise<void> {
  // Another process holds the directory, or none does.
  if (otlpUrl === undefined) return;
  try {
    const key = config.key ?? (await readTrailKey(config.logDir));
    if (key !== undefined) await writePageAddress(config.logDir, key, url);
  } catch (error) {
    log(`"tasktrail open" will not find this service: ${messageOf(error)}`);
  }
}

function watchOrphans(trail: Trail, log: (line: string) => void): { close(): void } {
  const folder = agentFolder(trail.config.logDir);
  return watchOrphanRuns({
    folder,
    sendLeftRecords: async () => {
      const active = activeTrail();
      if (active !== undefined) await sendAllLeftRecords(folder, leftRecordsTarget(active));
    },
    onProblem: (reason) => trail.books.setNotice('runs left by dead processes', reason),
    log,
  });
}
