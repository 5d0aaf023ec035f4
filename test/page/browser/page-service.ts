import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { MAIN } from '../../support/built.ts';
import { freePort } from '../../support/free-port.ts';
import { findRedis, startRedis } from '../../support/redis.ts';
import { type Env, ServiceProcess } from '../../support/service-process.ts';
import { findVictoriaLogs, startVictoriaLogs } from '../../support/victoria-logs.ts';
import { CONFIG, type Recorded, recordTasks, SECRET } from './recorded.mjs';

/** Over files: `start`. Over rows: `serve` over a VictoriaLogs, and a worker. */
export type PageStore = 'files' | 'rows';

const redis = findRedis();
const victoriaLogs = findVictoriaLogs();

/** Those whose programs are there. */
export const PAGE_STORES: readonly PageStore[] =
  'missing' in redis || 'missing' in victoriaLogs ? ['files'] : ['files', 'rows'];

export interface PageService {
  readonly url: string;
  readonly cwd: string;
  readonly service: ServiceProcess;
  readonly recorded: Recorded;
  /** Kills the service and starts it again on the same port. */
  restart(): Promise<void>;
  /** Runs `tasktrail emit` with these words. */
  emit(...words: readonly string[]): void;
}

/** One service for the tests of a file, with recorded tasks. */
export function usePageService(env: Env = {}, store: PageStore = 'files'): PageService {
  let cwd = '';
  let url = '';
  let service: ServiceProcess | undefined;
  let recorded: Recorded | undefined;
  let all: Env = env;
  /** Of programs beside the service. */
  let recording: Env = {};
  const closers: (() => Promise<unknown>)[] = [];
  const start = async (): Promise<void> => {
    const args = [store === 'files' ? 'start' : 'serve'];
    service = await ServiceProcess.start({ cwd, env: all, args });
    url = service.url;
  };
  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'tasktrail-page-'));
    closers.push(() => rm(cwd, { recursive: true, force: true, maxRetries: 5 }));
    all = {
      PORT: String(await freePort()),
      GITHUB_WEBHOOK_SECRET: SECRET,
      TASK_LOGS_CONCURRENCY: '4',
      ...env,
    };
    recording = { TASK_LOGS_DIR: join(cwd, 'logs') };
    await writeFile(join(cwd, 'tasktrail.config.json'), JSON.stringify(CONFIG));
    if (store === 'rows') {
      const [rows, queue] = await Promise.all([startVictoriaLogs(victoriaLogs), startRedis(redis)]);
      closers.push(
        () => rows.stop(),
        () => queue.stop(),
      );
      const shared = {
        REDIS_URL: queue.url,
        TASK_LOGS_KEY: 'the key of the browser tests, of two processes',
      };
      const otlpPort = String(await freePort());
      all = { ...all, ...shared, TASK_LOGS_STORE_URL: rows.address, TASK_LOGS_OTLP_PORT: otlpPort };
      recording = {
        ...{ ...shared, ...env, TASK_LOGS_DIR: join(cwd, 'logs'), TASK_LOGS_STORE: 'false' },
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${otlpPort}`,
      };
    }
    await start();
    closers.push(async () => service?.stop());
    if (store === 'rows') {
      const worker = await ServiceProcess.start({
        ...{ cwd, args: ['worker'] },
        env: { ...recording, TASK_LOGS_CONCURRENCY: '4' },
      });
      closers.push(() => worker.stop());
    }
    recorded = await recordTasks(url, env.TASK_LOGS_API_TOKEN);
  }, 120_000);
  afterAll(async () => {
    for (const close of closers.reverse()) await close();
  });
  return {
    get url() {
      return url;
    },
    get cwd() {
      return cwd;
    },
    get service() {
      return there(service);
    },
    get recorded() {
      return there(recorded);
    },
    restart: async () => {
      await there(service).stop('SIGKILL');
      await start();
    },
    emit: (...words) => {
      const { status, stderr } = spawnSync(process.execPath, [MAIN, 'emit', ...words], {
        ...{ cwd, encoding: 'utf8' },
        env: { PATH: process.env.PATH, HOME: cwd, ...recording },
      });
      expect([status, stderr]).toEqual([0, '']);
    },
  };
}

function there<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the service has not started');
  return value;
}
