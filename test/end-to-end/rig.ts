import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trailTokenOf } from '../../src/model/trail-token.ts';
import { numbered } from '../support/fleet.ts';
import { freePort } from '../support/free-port.ts';
import { findRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { type Env, killProcessesWith, readDocument, ServiceProcess } from '../support/service-process.ts';
import { pathOf } from '../support/tool.ts';
import { until } from '../support/until.ts';
import {
  ACCESS_KEY,
  findVersitygw,
  type S3Server,
  SECRET_KEY,
  startVersitygw,
} from '../support/versitygw.ts';
import { type Collector, scraped, startCollector } from './collector.ts';
import { type Jaeger, startJaeger } from './jaeger.ts';
import { type Prometheus, startPrometheus } from './prometheus.ts';

/** Shared by the machines. */
const KEY = 'a key that all services of the rig share';

/** The bucket names of docker-compose.yml. */
export const RAW_BUCKET = 'tasktrail-raw';
export const WORKFLOW_BUCKET = 'tasktrail-workflows';

/** Agents with deterministic output, and an agent that fails. */
const CONFIG = {
  agents: {
    numbered: { command: numbered(40, 5), dialect: 'claude', type: 'coding' },
    slow: { command: numbered(400, 10), dialect: 'claude', type: 'coding' },
    broken: { command: ['sh', '-c', 'echo begun; exit 3'] },
  },
  commands: {
    review: {
      agent: 'numbered',
      workflow: 'review',
      phases: [
        { name: 'architect', steps: ['plan'] },
        { name: 'build', steps: ['write', 'check'] },
      ],
    },
    count: { agent: 'slow', workflow: 'count' },
    break: { agent: 'broken', workflow: 'break' },
  },
};

export interface RigOptions {
  readonly jaeger?: boolean;
  readonly prometheus?: boolean;
  readonly s3?: boolean;
  /** Overrides of the collector's environment and configuration values. */
  readonly env?: Env;
  readonly set?: Readonly<Record<string, string>>;
}

/**
 * The whole system as processes on loopback: a producer and a holder with separate directories, Redis, and between them the
 * collector with its backends. `close` ends all processes and removes their files.
 */
export class Rig {
  readonly root: string;
  readonly redis: RedisServer;
  readonly collector: Collector;
  readonly jaeger: Jaeger | undefined;
  readonly prometheus: Prometheus | undefined;
  readonly s3: S3Server | undefined;
  /** OTLP port of the holder, also after a restart. */
  readonly holderPort: number;
  readonly #services: ServiceProcess[] = [];

  private constructor(parts: Parts) {
    this.root = parts.root;
    this.redis = parts.redis;
    this.collector = parts.collector;
    this.jaeger = parts.jaeger;
    this.prometheus = parts.prometheus;
    this.s3 = parts.s3;
    this.holderPort = parts.holderPort;
  }

  static async open(options: RigOptions = {}): Promise<Rig> {
    const root = await mkdtemp(join(tmpdir(), 'tasktrail-rig-'));
    const redis = await startRedis(findRedis());
    const jaeger = options.jaeger === true ? await startJaeger() : undefined;
    const s3 = options.s3 === true ? await startVersitygw(pathOf(findVersitygw())) : undefined;
    for (const bucket of [RAW_BUCKET, WORKFLOW_BUCKET]) await s3?.makeBucket(bucket);
    const holderPort = await freePort();
    const collector = await startCollector({
      env: {
        TASKTRAIL_ENDPOINT: `http://127.0.0.1:${holderPort}`,
        // What it passes on are the records of our own services: it needs a token that the holder takes for theirs.
        TASK_LOGS_API_TOKEN: trailTokenOf(KEY),
        ...(jaeger !== undefined && { JAEGER_ENDPOINT: jaeger.grpc }),
        ...(s3 !== undefined && s3Env(s3)),
        // The default of 30 s would slow the tests.
        S3_FLUSH_INTERVAL: '1s',
        ...options.env,
      },
      set: { ...settingsFor({ jaeger, s3 }), ...options.set },
    });
    const prometheus = options.prometheus === true ? await startPrometheus(scraped(collector)) : undefined;
    return new Rig({ root, redis, jaeger, s3, holderPort, collector, prometheus });
  }

  /** Starts `tasktrail serve`, which stores the records from the collector and runs no agents. */
  async holder(env: Env = {}): Promise<ServiceProcess> {
    return this.start('holder', 'serve', {
      TASK_LOGS_OTLP_PORT: String(this.holderPort),
      ...this.#archive(),
      ...env,
    });
  }

  /** Starts a service that receives webhooks and runs agents but stores no records. */
  async producer(env: Env = {}): Promise<ServiceProcess> {
    return this.start('producer', 'start', { TASK_LOGS_STORE: 'false', ...env });
  }

  /** Starts a service with its own directory that exports to the collector. */
  async start(name: string, role: 'start' | 'serve', env: Env): Promise<ServiceProcess> {
    const cwd = join(this.root, name);
    await mkdir(cwd, { recursive: true });
    await writeFile(join(cwd, 'tasktrail.config.json'), JSON.stringify(CONFIG));
    const service = await ServiceProcess.start({
      cwd,
      args: [role],
      env: {
        REDIS_URL: this.redis.url,
        TASK_LOGS_KEY: KEY,
        OTEL_EXPORTER_OTLP_ENDPOINT: this.collector.url,
        OTEL_METRIC_EXPORT_INTERVAL: '1000',
        ...env,
      },
    });
    this.#services.push(service);
    return service;
  }

  logDir(name: string): string {
    return join(this.root, name, 'logs');
  }

  /**
   * Waits until the task is settled, which means that no more records are expected, and returns its metadata. The
   * manifest is written last.
   */
  async settled(name: string, taskId: string, deadlineMs = 90_000): Promise<Record<string, unknown>> {
    const what = `${taskId} to be settled in ${name}`;
    return until(
      async () => {
        const metadata = await readDocument(this.logDir(name), taskId, 'metadata.json');
        const manifest = await readDocument(this.logDir(name), taskId, 'manifest.json');
        return metadata?.settled === true && manifest !== undefined ? metadata : undefined;
      },
      what,
      deadlineMs,
    );
  }

  async close(): Promise<void> {
    for (const service of this.#services) await service.dispose();
    await killProcessesWith(`TASK_LOGS_DIR=${this.root}`);
    const servers = [
      this.prometheus?.server,
      this.collector.server,
      this.jaeger?.server,
      this.s3,
      this.redis,
    ];
    for (const server of servers) await server?.stop();
    await rm(this.root, { recursive: true, force: true, maxRetries: 5 });
  }

  #archive(): Env {
    if (this.s3 === undefined) return {};
    return {
      TASK_LOGS_S3_BUCKET: WORKFLOW_BUCKET,
      TASK_LOGS_S3_ENDPOINT: this.s3.endpoint,
      AWS_ACCESS_KEY_ID: ACCESS_KEY,
      AWS_SECRET_ACCESS_KEY: SECRET_KEY,
    };
  }
}

interface Parts {
  readonly root: string;
  readonly redis: RedisServer;
  readonly collector: Collector;
  readonly jaeger: Jaeger | undefined;
  readonly prometheus: Prometheus | undefined;
  readonly s3: S3Server | undefined;
  readonly holderPort: number;
}

function s3Env({ endpoint }: S3Server): Env {
  return {
    S3_BUCKET: RAW_BUCKET,
    S3_ENDPOINT: endpoint,
    S3_PATH_STYLE: 'true',
    S3_DISABLE_SSL: 'true',
    AWS_ACCESS_KEY_ID: ACCESS_KEY,
    AWS_SECRET_ACCESS_KEY: SECRET_KEY,
  };
}

/** Removes missing backends from the pipelines, as a user would. */
function settingsFor({ jaeger, s3 }: Pick<Parts, 'jaeger' | 's3'>): Readonly<Record<string, string>> {
  const archives = s3 === undefined ? [] : ['awss3'];
  const views = jaeger === undefined ? [] : ['otlp_grpc/jaeger'];
  return {
    'service::pipelines::logs/loki::exporters': '[nop]',
    'service::pipelines::logs/copies::exporters': `[${['file/logs', ...archives].join(', ')}]`,
    'service::pipelines::traces::exporters': `[${['otlp_http/spans', 'file/traces', ...views, ...archives].join(', ')}]`,
    'connectors::span_metrics::metrics_flush_interval': '1s',
  };
}
