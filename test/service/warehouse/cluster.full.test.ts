import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { startCollector } from '../../end-to-end/collector.ts';
import { afterTest } from '../../support/current-test.ts';
import { comment, deliver } from '../../support/deliveries.ts';
import { Fleet, numbered } from '../../support/fleet.ts';
import { freeAddress, freePort } from '../../support/free-port.ts';
import { findRedis, startRedis } from '../../support/redis.ts';
import { startScaleBalancer } from '../../support/scale-balancer.ts';
import { type Env, firstTaskId, type ServiceProcess } from '../../support/service-process.ts';
import { findTool } from '../../support/tool.ts';
import { until } from '../../support/until.ts';
import { findCluster, startVictoriaCluster } from '../../support/victoria-cluster.ts';
import { read } from '../../support/warehouse-fleet.ts';

const redisProgram = findRedis();
const isMissing = ['missing' in redisProgram, 'missing' in findCluster(), 'missing' in findTool('collector')];

const TOKEN = 'the token of the API, for tests';
const AUTHORIZATION: Env = { authorization: `Bearer ${TOKEN}` };
const SHARED: Env = { TASK_LOGS_API_TOKEN: TOKEN, TASK_LOGS_KEY: 'a key of services and workers, for tests' };
const GATEWAY: string = resolve(import.meta.dirname, '../../../collector/scale/gateway.yaml');

const SERVICES = 3;
const WORKERS = 4;
const DELIVERIES = 12;
const ORDERS = 4;
const FOREIGN = 6;
const LINES = 40;
const CONFIG = { agents: { counting: { command: numbered(LINES, 40) } } };

/** What a task is known by in both runs. */
type Name = string;
type Json = Readonly<Record<string, unknown>>;

describe.skipIf(isMissing.includes(true))('the whole of it on a cluster', () => {
  test('while each part is killed in turn, every task becomes what it is on one machine', {
    tags: ['long'],
    timeout: 300_000,
  }, async () => {
    const scaled = await startScaled();
    const sending = sendAll(scaled);
    // The order in which a day goes wrong.
    for (const kill of scaled.kills) {
      await delay(2_500);
      await kill();
    }
    const tasks = await sending;
    const one = await startOne();
    const alone = await sendAll(one);
    expect([...tasks.keys()].sort()).toEqual([...alone.keys()].sort());
    const scaledTasks = await readTasks(scaled, tasks);
    const aloneTasks = await readTasks(one, alone);
    for (const [name, task] of aloneTasks) expect([name, scaledTasks.get(name)]).toEqual([name, task]);
    // No delivery, order or record has made a second task.
    const listed = await readList(scaled);
    expect(listed.length).toBe(DELIVERIES + ORDERS + FOREIGN);
  });

  test('the tasks of a worker that is killed run again elsewhere, each once more', {
    tags: ['long'],
    timeout: 300_000,
  }, async () => {
    const scaled = await startScaled();
    const tasks = await Promise.all(
      Array.from({ length: WORKERS }, (_, number) => order(scaled, `order ${number}`)),
    );
    await until(
      async () => (await statuses(scaled, tasks)).every((status) => status === 'running'),
      'all to run',
    );
    await scaled.workers[0]?.stop('SIGKILL');
    await untilAllEnded(scaled, tasks);
    const attempts = await Promise.all(
      tasks.map(async (id) => (await read(scaled, `/tasks/${id}/logs/metadata`, AUTHORIZATION))?.attempt),
    );
    expect(attempts.map(Number).sort()).toEqual([1, 1, 1, 2]);
    expect(await statuses(scaled, tasks)).toEqual(tasks.map(() => 'completed'));
  });
});

/** A place that takes webhooks, orders and records of others. */
interface System {
  /** REST, page and webhooks. */
  readonly url: string;
  /** OTLP of programs that are not ours. */
  readonly otlp: string;
}

interface Scaled extends System {
  readonly workers: readonly ServiceProcess[];
  /** Each kills a part, and starts it again a moment later. */
  readonly kills: readonly (() => Promise<void>)[];
}

/** Two storage nodes and a vlselect, three services, four workers, two gateways, Redis, and an nginx on each side. */
async function startScaled(): Promise<Scaled> {
  const cluster = await startVictoriaCluster();
  afterTest(() => cluster.stop());
  const redis = await startRedis(redisProgram, { appendOnly: true });
  afterTest(() => redis.stop());
  const fleet = await Fleet.open();
  await fleet.configure(CONFIG);
  const serve = async (env: Env): Promise<ServiceProcess> =>
    fleet.start('serve', {
      ...{ ...SHARED, REDIS_URL: redis.url, TASK_LOGS_STORE_URL: cluster.address, ...env },
    });
  const ports = await Promise.all(
    Array.from({ length: SERVICES }, async () => ({ page: await freePort(), otlp: await freePort() })),
  );
  const envs = ports.map(({ page, otlp }) => ({ PORT: `${page}`, TASK_LOGS_OTLP_PORT: `${otlp}` }));
  const services = await Promise.all(envs.map(serve));
  const otlp = await freeAddress();
  const gateway = async (): ReturnType<typeof startCollector> => {
    const env = { TASKTRAIL_ENDPOINT: `http://${otlp}`, TASK_LOGS_API_TOKEN: TOKEN };
    const collector = await startCollector({ overlays: [GATEWAY], env });
    afterTest(() => collector.server.stop());
    return collector;
  };
  const gateways = [await gateway(), await gateway()];
  const balancer = await startScaleBalancer({
    ...{ otlp, token: TOKEN },
    serve: ports.map(({ page }) => `127.0.0.1:${page}`),
    receivers: ports.map((port) => `127.0.0.1:${port.otlp}`),
    gateways: gateways.map(({ url }) => new URL(url).host),
  });
  const workers = await Promise.all(
    Array.from({ length: WORKERS }, (_, number) =>
      fleet.start('worker', {
        ...{ TASK_LOGS_KEY: SHARED.TASK_LOGS_KEY ?? '', REDIS_URL: redis.url, TASK_LOGS_STORE: 'false' },
        ...{ TASK_LOGS_DIR: `${fleet.logDir}/worker-${number}`, TASK_LOGS_CONCURRENCY: '1' },
        OTEL_EXPORTER_OTLP_ENDPOINT: balancer.otlp,
      }),
    ),
  );
  const again = async (part: Killable, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => {
    await part.kill(signal);
    await delay(500);
    await part.start();
  };
  const kills = [
    async () => {
      await services[0]?.stop('SIGKILL');
      await delay(500);
      await serve(envs[0] ?? {});
    },
    ...gateways.map(
      ({ server }) =>
        () =>
          again(server),
    ),
    // With SIGKILL it loses what came in its last five seconds: docs/victorialogs.md.
    ...cluster.storage.map((node) => () => again(node, 'SIGTERM')),
    () => again(cluster.select),
    () => again({ kill: () => redis.kill(), start: () => redis.start() }),
  ];
  return { url: balancer.page, otlp: balancer.gateway, workers, kills };
}

interface Killable {
  kill(signal: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
}

async function startOne(): Promise<System> {
  const fleet = await Fleet.open();
  await fleet.configure(CONFIG);
  const service = await fleet.start('start', { ...SHARED, TASK_LOGS_CONCURRENCY: '8' });
  return { url: service.url, otlp: service.otlpUrl };
}

/** Sends everything, each until it is taken, as a vendor and an SDK do. Resolves when all tasks have ended. */
async function sendAll(system: System): Promise<ReadonlyMap<Name, string>> {
  const tasks = new Map<Name, string>();
  const send = async (name: Name, work: () => Promise<string>): Promise<void> => {
    tasks.set(name, await untilTaken(work));
  };
  const all: Promise<void>[] = [];
  for (let number = 0; number < Math.max(DELIVERIES, ORDERS, FOREIGN); number += 1) {
    if (number < DELIVERIES) all.push(send(`delivery ${number}`, () => comments(system, number)));
    if (number < FOREIGN) all.push(send(`foreign ${number}`, () => foreign(system, number)));
    await delay(1_000);
  }
  // An order has no id by which a second one would be known: none is sent while parts are away.
  await Promise.all(all);
  await delay(12_000);
  for (let number = 0; number < ORDERS; number += 1)
    tasks.set(`order ${number}`, await order(system, `order ${number}`));
  await untilAllEnded(
    system,
    [...tasks].filter(([name]) => !name.startsWith('foreign')).map(([, id]) => id),
  );
  return tasks;
}

async function untilTaken(work: () => Promise<string>): Promise<string> {
  return until(
    async () => {
      const id = await work().catch(() => '');
      if (id === '') await delay(500);
      return id !== '' && id;
    },
    'it to be taken',
    60_000,
  );
}

async function comments({ url }: System, number: number): Promise<string> {
  const id = `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
  const answer = await deliver(url, comment(`@agent review number ${number}`, {}, number + 1), { id });
  const body: unknown = await answer.json();
  return answer.status === 202 || answer.status === 200 ? firstTaskId(body) : '';
}

async function order({ url }: System, message: string): Promise<string> {
  const headers = { 'content-type': 'application/json', ...AUTHORIZATION };
  const answer = await fetch(`${url}/api/tasks`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ message }),
  });
  return firstTaskId(await answer.json());
}

/** Records of a program that is not ours, which is done with a single request. */
async function foreign({ otlp }: System, number: number): Promise<string> {
  const id = `foreign-${number}`;
  const logRecords = Array.from({ length: 25 }, (_, line) => ({
    timeUnixNano: `${Date.parse('2026-01-02T03:04:05Z') + line}000000`,
    eventName: 'tasktrail.agent.output',
    body: { stringValue: `line ${line} of ${id}` },
    attributes: Object.entries({
      'tasktrail.task.id': id,
      'tasktrail.event.id': `01JY${String(number * 100 + line).padStart(22, '0')}`,
    }).map(([key, value]) => ({ key, value: { stringValue: value } })),
  }));
  const answer = await fetch(`${otlp}/v1/logs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...AUTHORIZATION },
    body: JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] }),
  });
  return answer.status === 200 ? id : '';
}

async function statuses(system: System, ids: readonly string[]): Promise<readonly unknown[]> {
  return Promise.all(
    ids.map(async (id) => (await read(system, `/tasks/${id}/logs/metadata`, AUTHORIZATION))?.status),
  );
}

async function untilAllEnded(system: System, ids: readonly string[]): Promise<void> {
  let last: readonly unknown[] = [];
  const isOver = async (): Promise<boolean> => {
    last = await statuses(system, ids).catch(() => [undefined]);
    if (last.every((status) => status === 'completed')) return true;
    await delay(500);
    return false;
  };
  await until(isOver, 'all tasks to end', 120_000).catch((error: unknown) => {
    throw new Error(`of ${ids.join(', ')}: ${last.map(String).join(', ')}`, { cause: error });
  });
}

async function readList(system: System): Promise<readonly Json[]> {
  const page = await read(system, '/tasks?limit=200', AUTHORIZATION);
  return (page?.items ?? []) as readonly Json[];
}

/** All that is said of each task, without what is chosen or measured again in each run. */
async function readTasks(
  system: System,
  tasks: ReadonlyMap<Name, string>,
): Promise<ReadonlyMap<Name, unknown>> {
  const parts = ['metadata', 'input', 'final-result', 'webhook-flow', 'agent-output'];
  const found = new Map<Name, unknown>();
  // A task has settled ten seconds after its end.
  await delay(14_000);
  for (const [name, id] of tasks) {
    const documents: Record<string, unknown> = {};
    for (const part of parts)
      documents[part] = stable(await read(system, `/tasks/${id}/logs/${part}`, AUTHORIZATION), id);
    // Two pipes have no common order.
    const lines = documents['agent-output'] as readonly Json[];
    documents['agent-output'] = [true, false].map((isError) =>
      lines.filter(({ stream }) => (stream === 'stderr') === isError),
    );
    const spans = (await read(system, `/tasks/${id}/trace`, AUTHORIZATION)) as unknown as readonly Json[];
    documents.trace = (spans ?? []).map((span) => String(span.name)).sort();
    found.set(name, documents);
  }
  return found;
}

/** Ids, times, and what names the machine and its queue. */
const OWN =
  /^(?:.*_ids?|id|timestamp|.*_at|trace_?parent|.*_mac|mac|queue.*|duration.*|.*_seconds|.*_ms|host.*|pid|opened_by)$/;

function stable(value: unknown, taskId: string): unknown {
  if (Array.isArray(value)) return value.map((item) => stable(item, taskId));
  if (typeof value === 'string') return value.replaceAll(taskId, 'this task');
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => !OWN.test(key));
  return Object.fromEntries(kept.map(([key, item]) => [key, stable(item, taskId)]));
}
