import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../src/config/config.ts';
import { startCollector } from './end-to-end/collector.ts';
import { listen } from './serve/log-server.ts';
import { afterTest } from './support/current-test.ts';
import { freeAddress } from './support/free-port.ts';
import { tempDir } from './support/log-dir.ts';
import {
  type ScaleBalancer,
  type ScaleBalancerOptions,
  startScaleBalancer,
} from './support/scale-balancer.ts';
import { answersOk, ServerProcess } from './support/server-process.ts';
import { ServiceProcess } from './support/service-process.ts';
import { findTool, pathOf } from './support/tool.ts';
import { until } from './support/until.ts';
import { findCluster, startVictoriaCluster } from './support/victoria-cluster.ts';
import { type Compose, loadCompose } from './tools/load-compose.ts';

const ROOT = resolve(import.meta.dirname, '..');
const TOKEN = '0123456789abcdef';
const KEY = '5f1c0e9ad27b4c3886aa41d07be9c2f3';
const NEEDED = {
  TASK_LOGS_API_TOKEN: TOKEN,
  REDIS_PASSWORD: 'redis',
  S3_SECRET_KEY: 's3',
  TASK_LOGS_KEY: KEY,
};
const loader = findTool('compose-loader');
const isMissing = 'missing' in loader || 'missing' in findTool('collector') || 'missing' in findCluster();

const PARTS = [
  ...['balancer', 'gateway-1', 'gateway-2', 'prepare-scale', 'serve', 'store'],
  ...['vlselect', 'vlstorage-1', 'vlstorage-2', 'worker'],
];

describe.skipIf(isMissing)('the profile scale of docker-compose.yml', () => {
  const load = (profiles: string): Compose =>
    loadCompose(pathOf(loader), join(ROOT, 'docker-compose.yml'), { ...NEEDED, COMPOSE_PROFILES: profiles });
  const all = isMissing ? {} : load('scale');
  const parts = Object.entries(all).filter(([name]) => PARTS.includes(name));
  const environmentOf = (name: string): Record<string, string> =>
    Object.fromEntries(
      Object.entries(all[name]?.environment ?? {}).map(([key, value]) => [key, value ?? '']),
    );
  const networksOf = (name: string): readonly string[] => Object.keys(all[name]?.networks ?? {});

  test('it has these parts, and they need nothing of the other profile', () => {
    expect(Object.keys(all).sort()).toEqual([...PARTS, 'app', 'redis'].sort());
    for (const [, { depends_on: needs = {} }] of parts)
      for (const name of Object.keys(needs)) expect([...PARTS, 'redis']).toContain(name);
  });

  test('images are pinned, containers limited and without capabilities, ports on loopback alone', () => {
    const ports = Object.values(all).flatMap((service) => service.ports ?? []);
    for (const { host_ip: ip } of ports) expect(ip).toBe('127.0.0.1');
    expect(new Set(ports.map(({ published }) => published)).size).toBe(ports.length);
    for (const [name, service] of parts) {
      const isOwn = name === 'serve' || name === 'worker';
      expect
        .soft(service.image, name)
        .toMatch(isOwn ? /^tasktrail:local$/ : /:v?\d+\.\d+\.\d+(?:-alpine)?@sha256:[0-9a-f]{64}$/);
      expect.soft(service.cap_drop, name).toEqual(['ALL']);
      expect.soft(service.security_opt, name).toEqual(['no-new-privileges:true']);
      expect.soft(Number(service.mem_limit), name).toBeGreaterThan(0);
      expect.soft(service.restart, name).toBe(name === 'prepare-scale' ? 'no' : 'unless-stopped');
      if (name !== 'balancer') expect.soft(service.ports ?? [], name).toEqual([]);
    }
    const both = load('*');
    expect(all['gateway-1']?.image).toBe(both.collector?.image);
    expect(all['prepare-scale']?.image).toBe(both.prepare?.image);
  });

  test('mounted files exist and are read-only; each gateway has a queue of its own', () => {
    const mounts = parts.flatMap(([, { volumes = [] }]) => volumes);
    for (const { type, source, read_only: isReadOnly, bind } of mounts.filter((one) => one.type === 'bind')) {
      expect([type, source, existsSync(source), isReadOnly, bind?.create_host_path]).toEqual([
        ...['bind', source, true, true, false],
      ]);
    }
    const volumes = (name: string): readonly string[] =>
      (all[name]?.volumes ?? []).filter(({ type }) => type === 'volume').map(({ source }) => source);
    const own = ['gateway-1', 'gateway-2', 'vlstorage-1', 'vlstorage-2'];
    for (const name of own) expect(volumes(name)).toEqual([name]);
    expect([...volumes('prepare-scale')].sort()).toEqual(own);
  });

  test('agents reach neither VictoriaLogs, which has no password, nor a collector, which has the token', () => {
    for (const name of ['vlstorage-1', 'vlstorage-2', 'vlselect', 'store'])
      expect(networksOf(name)).toEqual(['store']);
    for (const name of ['gateway-1', 'gateway-2']) expect(networksOf(name)).toEqual(['gateway']);
    expect(networksOf('worker')).toEqual(['default']);
    expect(Object.values(environmentOf('worker'))).not.toContain(TOKEN);
    expect(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8')).toMatch(
      /\n {2}store:\n {4}internal: true\n/,
    );
  });

  test('the services and workers know every variable that they get, and accept them', () => {
    const { sources } = loadConfig({ env: {}, cwd: tmpdir() });
    const known = new Set([...Object.keys(sources), 'ANTHROPIC_API_KEY']);
    for (const name of ['serve', 'worker'])
      expect(Object.keys(environmentOf(name)).filter((one) => !known.has(one))).toEqual([]);
    const serve = loadConfig({ env: { HOST: '0.0.0.0', ...environmentOf('serve') }, cwd: tmpdir() });
    expect(serve).toMatchObject({ storeUrl: 'victorialogs://store:9428', otlpPort: 4320, apiToken: TOKEN });
    const worker = loadConfig({ env: environmentOf('worker'), cwd: tmpdir() });
    expect(worker).toMatchObject({ otlpEndpoint: 'http://balancer:4320', key: KEY });
    for (const name of ['gateway-1', 'gateway-2'])
      expect(environmentOf(name).TASKTRAIL_ENDPOINT).toBe('http://balancer:4320');
  });

  test.each(['serve', 'worker'])('%s does not start without the key, and says how to make one', (name) => {
    const [shell = '', flags = '', script = '', own = ''] = all[name]?.entrypoint ?? [];
    const run = (env: Readonly<Record<string, string>>): ReturnType<typeof spawnSync> =>
      spawnSync(shell, [flags, script.replace('exec node', 'echo'), own, ...(all[name]?.command ?? [])], {
        env: { PATH: process.env.PATH ?? '', ...env },
        encoding: 'utf8',
      });
    const refused = run({ TASK_LOGS_KEY: '' });
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain('TASK_LOGS_KEY: set it to 32 characters or more');
    expect(refused.stderr).toContain('openssl rand -hex 16');
    expect(run({ TASK_LOGS_KEY: KEY }).stdout).toBe(`/app/dist/cli/main.js ${name}\n`);
  });

  test('VictoriaLogs takes the options of its containers', async () => {
    const program = pathOf(findTool('victoria-logs'));
    const start = async (name: string, more: readonly string[]): Promise<string> => {
      const directory = await mkdtemp(join(tmpdir(), `tasktrail-compose-${name}-`));
      const address = await freeAddress();
      const given = (all[name]?.command ?? []).filter((arg) => !/^-storage(?:DataPath|Node)=/.test(arg));
      const args = [...given, `-httpListenAddr=${address}`, `-storageDataPath=${directory}/data`, ...more];
      const isReady = (): Promise<boolean> => answersOk(`http://${address}/health`);
      const server = await ServerProcess.start({ name, command: program, args, directory, isReady });
      afterTest(() => server.stop());
      return address;
    };
    const node = await start('vlstorage-1', []);
    await start('vlselect', [`-storageNode=${node}`]);
    expect(all['vlstorage-2']?.command).toEqual(all['vlstorage-1']?.command);
    expect(all.vlselect?.command).toContain('-storageNode=vlstorage-1:9428,vlstorage-2:9428');
  });

  type Upstreams = Pick<ScaleBalancerOptions, 'serve' | 'receivers' | 'gateways'>;

  function balancer(upstreams: Upstreams): Promise<ScaleBalancer> {
    const [mount] = all.balancer?.volumes ?? [];
    const token = environmentOf('balancer').TASK_LOGS_API_TOKEN ?? '';
    return startScaleBalancer({ ...upstreams, token, template: mount?.source ?? '' });
  }

  test('a record goes through the balancer, a gateway, a service and the cluster, also when one of each is gone', async () => {
    const cluster = await startVictoriaCluster();
    afterTest(() => cluster.stop());
    const serve = async (): Promise<ServiceProcess> => {
      const env = { TASK_LOGS_API_TOKEN: TOKEN, TASK_LOGS_KEY: KEY };
      const args = ['serve', '--store', cluster.address];
      const service = await ServiceProcess.start({ cwd: await tempDir(), args, env });
      afterTest(() => void service.child.kill('SIGKILL'));
      return service;
    };
    const services = [await serve(), await serve()];
    const pages = services.map(({ stdout }) => new URL(/page +(http:\S+)/.exec(stdout)?.[1] ?? '').host);
    const receivers = services.map(({ otlpUrl }) => new URL(otlpUrl).host);
    // A gateway sends through the balancer, whose address is known only once it runs: the inner one has no gateways.
    const inner = await balancer({ serve: pages, receivers, gateways: ['127.0.0.1:1'] });
    const gateway = async (): ReturnType<typeof startCollector> => {
      const collector = await startCollector({
        overlays: [join(ROOT, 'collector/scale/gateway.yaml')],
        env: { TASKTRAIL_ENDPOINT: inner.otlp, TASK_LOGS_API_TOKEN: TOKEN },
      });
      afterTest(() => collector.server.stop());
      return collector;
    };
    const gateways = [await gateway(), await gateway()];
    const {
      page,
      otlp,
      gateway: door,
    } = await balancer({
      ...{ serve: pages, receivers },
      gateways: gateways.map(({ url }) => new URL(url).host),
    });
    const read = (path: string): Promise<Response> =>
      fetch(page + path, { headers: { authorization: `Bearer ${TOKEN}` } });
    const arrives = (id: string): Promise<unknown> =>
      until(async () => {
        await cluster.flush();
        return (await read(`/api/tasks/${id}`)).status === 200;
      }, `${id} to arrive`);

    expect((await send(door, 'forged', 'Bearer 0123456789abcdeX')).status).toBe(401);
    expect((await send(door, 'forged')).status).toBe(401);
    expect((await send(door, 'through-a-gateway', `Bearer ${TOKEN}`)).status).toBe(200);
    await arrives('through-a-gateway');
    expect((await send(otlp, 'by-a-sender', `Bearer ${TOKEN}`)).status).toBe(200);
    await arrives('by-a-sender');
    for (const path of ['/healthz', '/']) expect((await read(path)).status).toBe(200);
    expect((await fetch(`${page}/api/tasks`)).status).toBe(401);

    services[0]?.child.kill('SIGKILL');
    await services[0]?.exited;
    await gateways[1]?.server.kill();
    for (const id of ['after-1', 'after-2', 'after-3', 'after-4']) {
      expect((await send(door, id, `Bearer ${TOKEN}`)).status).toBe(200);
      expect((await send(otlp, `${id}-direct`, `Bearer ${TOKEN}`)).status).toBe(200);
    }
    for (const id of ['after-1', 'after-4', 'after-4-direct']) await arrives(id);
    expect((await read('/api/tasks/forged')).status).toBe(404);
  });

  test('streams pass the balancer as they come', async () => {
    let isOver = false;
    let push: (text: string) => void = () => {};
    const port = await listen(
      createServer((req, res) => {
        res.writeHead(200, { 'content-type': 'text/event-stream', 'x-host': req.headers.host });
        push = (text) => void res.write(text);
        push('data: first\n\n');
        res.on('close', () => {
          isOver = true;
        });
      }),
    );
    const nowhere = ['127.0.0.1:1'];
    const { page } = await balancer({ serve: [`127.0.0.1:${port}`], receivers: nowhere, gateways: nowhere });
    const abort = new AbortController();
    const answer = await fetch(`${page}/api/events/stream`, { signal: abort.signal });
    // With the port: a login of the page is bound to it.
    expect(answer.headers.get('x-host')).toBe(new URL(page).host);
    const reader = answer.body?.getReader();
    const read = async (): Promise<string> => new TextDecoder().decode((await reader?.read())?.value);
    expect(await read()).toBe('data: first\n\n');
    // nginx passes the first piece on in any case.
    push('data: second\n\n');
    expect(await read()).toBe('data: second\n\n');
    expect(isOver).toBe(false);
    abort.abort();
    await until(() => isOver, 'the stream to end');
  });
});

function send(url: string, taskId: string, authorization?: string): Promise<Response> {
  const attributes = [{ key: 'tasktrail.task.id', value: { stringValue: taskId } }];
  const record = {
    ...{ timeUnixNano: `${Date.parse('2026-01-02T03:04:05Z')}000000`, attributes },
    ...{ eventName: 'tasktrail.agent.output', body: { stringValue: `output of ${taskId}` } },
  };
  return fetch(`${url}/v1/logs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(authorization !== undefined && { authorization }) },
    body: JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [record] }] }] }),
  });
}
