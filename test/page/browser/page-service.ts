import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { freePort } from '../../support/free-port.ts';
import { type Env, ServiceProcess } from '../../support/service-process.ts';
import { CONFIG, type Recorded, recordTasks, SECRET } from './recorded.mjs';

export interface PageService {
  readonly url: string;
  readonly cwd: string;
  readonly service: ServiceProcess;
  readonly recorded: Recorded;
  /** Kills the service and starts it again on the same port. */
  restart(): Promise<void>;
}

/** One service for the tests of a file, with recorded tasks. */
export function usePageService(env: Env = {}): PageService {
  let cwd = '';
  let url = '';
  let service: ServiceProcess | undefined;
  let recorded: Recorded | undefined;
  let all: Env = env;
  const start = async (): Promise<void> => {
    service = await ServiceProcess.start({ cwd, env: all });
    url = service.url;
  };
  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'tasktrail-page-'));
    all = {
      PORT: String(await freePort()),
      GITHUB_WEBHOOK_SECRET: SECRET,
      TASK_LOGS_CONCURRENCY: '4',
      ...env,
    };
    await writeFile(join(cwd, 'tasktrail.config.json'), JSON.stringify(CONFIG));
    await start();
    recorded = await recordTasks(url, env.TASK_LOGS_API_TOKEN);
  }, 120_000);
  afterAll(async () => {
    await service?.stop();
    await rm(cwd, { recursive: true, force: true, maxRetries: 5 });
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
  };
}

function there<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the service has not started');
  return value;
}
