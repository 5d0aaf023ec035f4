import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { freePort } from '../support/free-port.ts';
import { findRedis, type RedisServer, startRedis } from '../support/redis.ts';
import type { StoreKind } from './options.ts';
import { Disk } from './parts/disk.ts';
import { FakeEndpoint } from './parts/endpoint.ts';
import { NOTIFY_SECRET, NotifySink } from './parts/notify-sink.ts';
import { Power } from './parts/power.ts';
import { CutProxy } from './parts/proxy.ts';
import { Victoria } from './parts/victoria.ts';
import { Random } from './random.ts';
import type { Group, Need } from './schedule.ts';

export const MAIN: string = resolve(import.meta.dirname, '../../dist/cli/main.js');
export const AGENT: string = resolve(import.meta.dirname, 'parts/agent.sh');
export const RECORDER: string = resolve(import.meta.dirname, 'parts/recorder.mjs');

export const WEBHOOK_SECRET = 'a secret of the storm tests';
export const LINES_A_RUN = 12;

/** Each service has ports of its own, so that one may start while the other hangs. */
export interface Ports {
  readonly web: number;
  readonly otlp: number;
}

/** Everything that a round has in common: folders, ports, proxies, Redis. */
export interface World {
  readonly directory: string;
  readonly logDir: string;
  readonly ledgers: string;
  readonly runLog: string;
  readonly ports: readonly [Ports, Ports];
  readonly key: string | undefined;
  readonly endpoint: FakeEndpoint | undefined;
  /** Between the programs and the endpoint. */
  readonly endpointProxy: CutProxy;
  readonly endpointPort: number;
  /** Between remote recorders, OTLP clients and the receiver of the holder. */
  readonly holderProxy: CutProxy;
  readonly holderProxyPort: number;
  readonly redis: RedisServer | undefined;
  readonly disk: Disk | undefined;
  readonly power: Power | undefined;
  /** Undefined: the services keep files. */
  readonly victoria: Victoria | undefined;
  /** Over VictoriaLogs. */
  readonly notified: NotifySink | undefined;
}

export interface WorldOptions {
  readonly base: string;
  readonly seed: string;
  readonly groups: ReadonlySet<Group>;
  readonly queue: 'memory' | 'redis' | 'any';
  readonly store: StoreKind;
}

export async function openWorld({ base, seed, groups, queue, store }: WorldOptions): Promise<World> {
  const random = new Random(`${seed} world`);
  const isRows = store !== 'files';
  const hasKey = random.chance(0.5) || isRows;
  // Over VictoriaLogs the endpoint of producers is the receivers of the services.
  const hasEndpoint = (groups.has('endpoint') || random.chance(0.5)) && !isRows;
  const wantsRedis = isRows || queue === 'redis' || (queue === 'any' && random.chance(0.4));
  const directory = mkdtempSync(join(base, 'round-'));
  const power = groups.has('power') ? Power.open() : undefined;
  const logDir = join(power?.directory ?? directory, 'logs');
  const ledgers = join(directory, 'ledgers');
  for (const path of [logDir, ledgers]) mkdirSync(path);
  const runLog = join(directory, 'runs.log');
  const notified = isRows ? new NotifySink() : undefined;
  const config = { ...configOf(runLog), ...(notified && { notify: [receiverOf(await notified.listen())] }) };
  writeFileSync(join(directory, 'tasktrail.config.json'), JSON.stringify(config));
  const ports = [await freePorts(), await freePorts()] as const;
  const endpoint = hasEndpoint ? new FakeEndpoint() : undefined;
  const ownPort = await endpoint?.listen();
  const endpointProxy = new CutProxy(() => (ownPort === undefined ? [] : [ownPort]));
  let turn = 0;
  const holderProxy = new CutProxy(() => {
    const receivers = ports.map(({ otlp }) => otlp);
    // Over VictoriaLogs both services have one.
    turn += 1;
    return isRows && turn % 2 === 0 ? receivers.reverse() : receivers;
  });
  return {
    directory,
    logDir,
    ledgers,
    runLog,
    ports,
    key: hasKey ? 'a key of the storm tests that all of its parts share' : undefined,
    endpoint,
    endpointProxy,
    endpointPort: await endpointProxy.listen(),
    holderProxy,
    holderProxyPort: await holderProxy.listen(),
    redis: wantsRedis ? await openRedis() : undefined,
    // One file system below the log directory is enough.
    disk: groups.has('disk') && power === undefined && !isRows ? Disk.mount(logDir) : undefined,
    power,
    victoria: store === 'files' ? undefined : await Victoria.open(store),
    notified,
  };
}

async function openRedis(): Promise<RedisServer | undefined> {
  const program = findRedis();
  return 'missing' in program ? undefined : startRedis(program, { appendOnly: true });
}

async function freePorts(): Promise<Ports> {
  return { web: await freePort(), otlp: await freePort() };
}

function configOf(runLog: string): object {
  const command = ['sh', AGENT, runLog, '{phase}', '{step}', String(LINES_A_RUN)];
  return {
    agents: { counting: { command } },
    commands: {
      review: {
        agent: 'counting',
        phases: [
          { name: 'build', steps: ['compile', 'test'] },
          { name: 'check', steps: ['lint'] },
        ],
      },
    },
  };
}

function receiverOf(port: number): object {
  const url = `http://127.0.0.1:${port}/`;
  return { name: 'storm', url, secret: NOTIFY_SECRET, allow_addresses: ['127.0.0.1'] };
}

/** What the schedule may use. */
export function has({ redis, victoria }: World): ReadonlySet<Need> {
  const needs = new Set<Need>();
  if (redis !== undefined) needs.add('redis');
  if (victoria !== undefined) needs.add('victoria');
  if (victoria?.parts.some(({ isStorage }) => !isStorage)) needs.add('cluster');
  return needs;
}

/** The environment of a process: only PATH comes from this one. */
export function envOf(world: World): Readonly<Record<string, string>> {
  return {
    PATH: process.env.PATH ?? '',
    HOME: world.directory,
    TASK_LOGS_DIR: world.logDir,
    TASK_LOGS_OTLP_PORT: '0',
    TASK_LOGS_ATTEMPTS: '1000',
    TASK_LOGS_CONCURRENCY: '3',
    OTEL_METRICS_EXPORTER: 'none',
    GITHUB_WEBHOOK_SECRET: WEBHOOK_SECRET,
    ...(world.key !== undefined && { TASK_LOGS_KEY: world.key }),
    // What the other modes promise is not told by an answer.
    ...(world.power !== undefined && { TASK_LOGS_FSYNC: 'always' }),
    ...(world.redis !== undefined && { REDIS_URL: world.redis.url }),
    ...(world.endpoint !== undefined && {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${world.endpointPort}`,
    }),
  };
}

/** The settings of a program whose log directory is another one, and which only sends. */
export function remoteEnv(world: World, name: string): Readonly<Record<string, string>> {
  return {
    ...envOf(world),
    TASK_LOGS_DIR: join(world.directory, `${name}-logs`),
    TASK_LOGS_STORE: 'false',
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${world.holderProxyPort}`,
  };
}

/** The log directory of commands and of workers where services keep no files. */
const SHELL = 'shell';
const WORKER = 'worker';

/** The settings of `emit` and `run`. */
export function commandEnv(world: World): Readonly<Record<string, string>> {
  return world.victoria === undefined ? envOf(world) : remoteEnv(world, SHELL);
}

/** The settings of workers, which share a machine. */
export function workerEnv(world: World): Readonly<Record<string, string>> {
  return world.victoria === undefined ? envOf(world) : remoteEnv(world, WORKER);
}

/** Names of the log directories that `commandEnv` and `workerEnv` add, with those of living workers or without. */
export function sharedNames({ victoria }: World, hasWorkers: boolean): readonly string[] {
  if (victoria === undefined) return [];
  return hasWorkers ? [SHELL, WORKER] : [SHELL];
}

/** `isKept`: the files of a log directory in memory stay as a copy. */
export async function closeWorld(world: World, isKept: boolean): Promise<void> {
  if (isKept && (world.disk ?? world.power) !== undefined)
    cpSync(world.logDir, join(world.directory, 'logs-copy'), { recursive: true });
  await Promise.all([world.endpointProxy.close(), world.holderProxy.close(), world.endpoint?.close()]);
  await world.notified?.close();
  await world.victoria?.close();
  await world.redis?.stop();
  world.disk?.unmount();
  world.power?.close();
}
