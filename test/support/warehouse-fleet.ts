import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Balancer, startBalancer } from './balancer.ts';
import { afterTest } from './current-test.ts';
import { Fleet } from './fleet.ts';
import { type RedisOptions, type RedisProgram, type RedisServer, startRedis } from './redis.ts';
import type { Env, ServiceProcess } from './service-process.ts';
import { until } from './until.ts';

type Fields = Readonly<Record<string, unknown>>;

/** An agent that leaves a line in `ran` for each run. */
export const COUNTED: readonly string[] = ['sh', '-c', 'echo $TASK_LOGS_TASK_ID >> ran; echo done'];

/** By it the services know the workers. */
const KEY = { TASK_LOGS_KEY: 'a key of services and workers, for tests' };

/** Services without a disk over one VictoriaLogs and one Redis, and their workers. All end with the test. */
export class WarehouseFleet {
  readonly #fleet: Fleet;
  readonly #store: string;
  readonly redis: RedisServer;
  readonly otlp: Balancer;
  readonly services: ServiceProcess[] = [];

  private constructor(fleet: Fleet, store: string, [redis, otlp]: readonly [RedisServer, Balancer]) {
    this.#fleet = fleet;
    this.#store = store;
    this.redis = redis;
    this.otlp = otlp;
  }

  static async open(
    program: RedisProgram,
    { store, ...options }: RedisOptions & { readonly store: string },
  ): Promise<WarehouseFleet> {
    const fleet = await Fleet.open();
    const redis = await startRedis(program, options);
    const otlp = await startBalancer(() => opened.services.map(({ otlpUrl }) => otlpUrl));
    const opened = new WarehouseFleet(fleet, store, [redis, otlp]);
    afterTest(async () => {
      await otlp.close();
      await redis.stop();
    });
    await fleet.configure({ agents: { counted: { command: COUNTED } } });
    return opened;
  }

  configure(config: object): Promise<void> {
    return this.#fleet.configure(config);
  }

  go(): Promise<void> {
    return this.#fleet.go();
  }

  get cwd(): string {
    return this.#fleet.cwd;
  }

  async serve(env: Env = {}): Promise<ServiceProcess> {
    const own = { ...KEY, REDIS_URL: this.redis.url, TASK_LOGS_STORE_URL: this.#store };
    const service = await this.#fleet.start('serve', { ...own, ...env });
    this.services.push(service);
    return service;
  }

  /** Its directory is its own, as on another machine. */
  worker(env: Env = {}): Promise<ServiceProcess> {
    return this.#fleet.start('worker', {
      ...KEY,
      REDIS_URL: this.redis.url,
      TASK_LOGS_DIR: join(this.cwd, 'logs', 'worker'),
      TASK_LOGS_STORE: 'false',
      OTEL_EXPORTER_OTLP_ENDPOINT: this.otlp.url,
      ...env,
    });
  }

  /** Task ids by the number of runs that their agents have left. */
  async runs(): Promise<ReadonlyMap<string, number>> {
    const text = await readFile(join(this.cwd, 'ran'), 'utf8').catch(() => '');
    const runs = new Map<string, number>();
    for (const id of text.split('\n').filter(Boolean)) runs.set(id, (runs.get(id) ?? 0) + 1);
    return runs;
  }
}

/** A JSON answer of a service. Undefined for any status but 200. */
export async function read(
  service: Pick<ServiceProcess, 'url'>,
  path: string,
  headers: Env = {},
): Promise<Fields | undefined> {
  const answer = await fetch(`${service.url}/api${path}`, { headers });
  return answer.ok ? ((await answer.json()) as Fields) : undefined;
}

/** All items of a list, page by page. */
export async function readAll(service: ServiceProcess, path: string, headers: Env = {}): Promise<Fields[]> {
  const items: Fields[] = [];
  for (let cursor = ''; ; ) {
    const at = `${path}${path.includes('?') ? '&' : '?'}limit=200${cursor}`;
    const page = await read(service, at, headers);
    items.push(...((page?.items ?? []) as Fields[]));
    if (typeof page?.next_cursor !== 'string') return items;
    cursor = `&cursor=${encodeURIComponent(page.next_cursor)}`;
  }
}

/** Waits until each of these tasks has ended, and returns their metadata. */
export async function untilEnded(
  service: ServiceProcess,
  ids: readonly string[],
  headers: Env = {},
): Promise<readonly Fields[]> {
  const ended: Fields[] = [];
  for (const id of ids) {
    const metadata = await until(
      async () => {
        const found = await read(service, `/tasks/${id}/logs/metadata`, headers);
        if (found?.completed_at != null) return found;
        // Each look is a query.
        await delay(100);
        return undefined;
      },
      `the end of ${id}`,
      60_000,
    );
    ended.push(metadata);
  }
  return ended;
}

/** The stages of a task. */
export async function stagesOf(service: ServiceProcess, id: string): Promise<readonly unknown[]> {
  const lines = (await read(service, `/tasks/${id}/logs/webhook-flow`)) as readonly Fields[] | undefined;
  return (lines ?? []).map(({ stage }) => stage);
}
