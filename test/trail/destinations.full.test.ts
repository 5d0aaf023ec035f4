import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { INDEX_URL } from '../support/built.ts';
import { comment, deliver } from '../support/deliveries.ts';
import { readDeliveries, readLines, readSpans } from '../support/receiver.ts';
import {
  firstTaskId,
  readDocument,
  resultOf,
  ServiceProcess,
  serviceEnv,
} from '../support/service-process.ts';
import { until } from '../support/until.ts';

let cwd: string;
let logDir: string;
const services: ServiceProcess[] = [];

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'tasktrail-destinations-'));
  logDir = join(cwd, 'logs');
});

afterEach(async () => {
  for (const service of services.splice(0)) await service.dispose();
  await rm(cwd, { recursive: true, force: true });
});

async function start(env: Record<string, string> = {}): Promise<ServiceProcess> {
  const service = await ServiceProcess.start({ cwd, env: { TASK_LOGS_AGENT_COMMAND: 'cat', ...env } });
  services.push(service);
  return service;
}

interface Script {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a user's own program against the built package. */
async function runScript(source: string, env: Record<string, string> = {}): Promise<Script> {
  const path = join(cwd, 'script.mjs');
  await writeFile(
    path,
    `import { recordTask, startTask, startTasktrail } from ${JSON.stringify(INDEX_URL)};\n${source}`,
  );
  const child = spawn(process.execPath, [path], { cwd, env: serviceEnv({ cwd, env }) });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (piece: string) => {
      output += piece;
    });
  const code = await new Promise<number | null>((done) => child.on('close', done));
  return { code, output };
}

interface Collector {
  readonly url: string;
  readonly port: number;
  /** Requested paths, in order. */
  readonly paths: string[];
  readonly bodies: string[];
  close(): Promise<void>;
}

async function startCollector(answer: (path: string) => number | 'nothing', port = 0): Promise<Collector> {
  const paths: string[] = [];
  const bodies: string[] = [];
  const server: Server = createServer((req, res) => {
    let body = '';
    req.setEncoding('utf8').on('data', (piece: string) => {
      body += piece;
    });
    req.on('end', () => {
      paths.push(req.url ?? '');
      bodies.push(body);
      const status = answer(req.url ?? '');
      if (status !== 'nothing') res.writeHead(status, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  const taken = (server.address() as AddressInfo).port;
  return {
    url: `http://127.0.0.1:${taken}`,
    port: taken,
    paths,
    bodies,
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

function spansIn(collector: Collector): string {
  return collector.bodies.filter((_body, n) => collector.paths[n] === '/v1/traces').join();
}

interface Ready {
  readonly status: string;
  readonly reasons: Readonly<Record<string, string>>;
  readonly notices: Readonly<Record<string, string>>;
}

async function readyz(service: ServiceProcess): Promise<Ready> {
  return (await (await fetch(`${service.url}/readyz`)).json()) as Ready;
}

test('with recording off, tasks run, nothing is recorded, and existing files are served', async () => {
  const before = await start();
  const old = await before.sendComment('@agent review');
  await resultOf(logDir, old);
  await before.stop();
  const names = (await readdir(logDir)).sort();
  const off = await start({ TASK_LOGS_ENABLED: 'false', TASK_LOGS_AGENT_COMMAND: `sh -c 'cat > ran.txt'` });
  expect(off.stdout).toContain('TASK_LOGS_ENABLED is false');
  const response = await deliver(off.url, comment('@agent review'));
  expect(response.status).toBe(202);
  await until(() => existsSync(join(cwd, 'ran.txt')), 'the agent');
  expect((await fetch(`${off.url}/api/tasks/${old}/logs/full`)).status).toBe(200);
  expect((await fetch(`${off.url}/api/tasks/${firstTaskId(await response.json())}`)).status).toBe(404);
  expect((await off.stop()).code).toBe(0);
  expect((await readdir(logDir)).sort()).toEqual(names);
  expect(await readDeliveries(logDir)).toHaveLength(1);
});

test('without a store of its own a service sends to the holder that the endpoint names', async () => {
  const holder = await start();
  const own = join(cwd, 'producer');
  const producer = await start({
    TASK_LOGS_STORE: 'false',
    TASK_LOGS_DIR: own,
    OTEL_EXPORTER_OTLP_ENDPOINT: holder.otlpUrl,
  });
  expect(producer.otlpUrl).toBe('');
  const id = await producer.sendComment('@agent review');
  expect(await resultOf(logDir, id)).toMatchObject({ success: true });
  expect((await producer.stop()).code).toBe(0);
  expect((await readSpans(logDir, id)).map(({ name }) => name)).toContain('POST /webhooks/github');
  expect((await readdir(own)).filter((name) => name.startsWith('task-'))).toEqual([]);
  expect(await readLines(join(logDir, id, '02-webhook-flow.jsonl'))).toHaveLength(6);
});

test('a second process on the same directory becomes a producer of its holder', async () => {
  const holder = await start();
  const { code, output } = await runScript(`
    const trail = await startTasktrail();
    console.log(trail.otlpUrl === undefined ? 'producer' : 'holder');
    await recordTask({ source: 'cron', message: 'nightly', taskId: 'task-nightly' }, (task) => task.output('line\\n'));
    await trail.shutdown();
  `);
  expect(output).toBe('producer\n');
  expect(code).toBe(0);
  expect(await resultOf(logDir, 'task-nightly')).toMatchObject({ success: true });
  expect((await fetch(`${holder.url}/api/tasks/task-nightly`)).status).toBe(200);
});

test.each([
  ['alone', false],
  ['beside a holder', true],
])('a script that ends without a shutdown delivers its records, %s', async (_how, beside) => {
  if (beside) await start();
  const { code, output } = await runScript(`
    await startTasktrail();
    await recordTask({ source: 'cron', message: 'x', taskId: 'task-script' }, (task) => task.output('line\\n'));
  `);
  expect(output).toBe('');
  expect(code).toBe(0);
  expect(await readDocument(logDir, 'task-script', '04-final-result.json')).toMatchObject({ success: true });
  expect(await readLines(join(logDir, 'task-script', '03-agent-output.jsonl'))).toHaveLength(1);
  if (!beside) expect((await readdir(logDir)).filter((name) => name.startsWith('_lock'))).toEqual([]);
  // Nothing waits: the holder beside has recorded nothing of its own.
  expect(await readdir(join(logDir, '_journal'))).toEqual([]);
});

test('records from before process.exit() are stored by the next holder', async () => {
  const { code } = await runScript(`
    await startTasktrail();
    await recordTask({ source: 'cron', message: 'x', taskId: 'task-exit' }, (task) => task.output('line\\n'));
    process.exit(3);
  `);
  expect(code).toBe(3);
  await start();
  expect(await resultOf(logDir, 'task-exit')).toMatchObject({ success: true });
});

test('a running program is not ended by the trail, and a second start is a TypeError', async () => {
  const { code, output } = await runScript(`
    const trail = await startTasktrail();
    await startTasktrail().catch((error) => console.log(error.name + ': ' + error.message));
    setTimeout(async () => {
      await recordTask({ source: 'timer', message: 'x', taskId: 'task-timer' }, () => undefined);
      console.log('worked');
    }, 300);
  `);
  expect(output).toContain('TypeError: tasktrail is started already');
  expect(output).toContain('worked');
  expect(code).toBe(0);
  expect(await readDocument(logDir, 'task-timer', '04-final-result.json')).toMatchObject({ success: true });
});

test('an unreachable endpoint is a reason of /readyz, delays nothing, and gets every record later', async () => {
  const gone = await startCollector(() => 200);
  await gone.close();
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: gone.url };
  const service = await start(env);
  const id = await service.sendComment('@agent review');
  expect(await resultOf(logDir, id)).toMatchObject({ success: true });
  const ready = await until(async () => {
    const found = await readyz(service);
    return found.status === 'not_ready' ? found : undefined;
  }, 'the reason');
  expect(JSON.stringify(ready.reasons)).toContain(`127.0.0.1:${gone.port}`);
  expect((await service.stop()).code).toBe(0);
  expect(service.stdout).toMatch(/\d+ records wait in the journal/);
  expect((await readdir(join(logDir, '_journal'))).length).toBeGreaterThan(0);

  const back = await startCollector(() => 200, gone.port);
  const next = await start(env);
  await until(() => spansIn(back).includes('process agent'), 'the spans');
  expect(new Set(back.paths)).toEqual(new Set(['/v1/logs', '/v1/traces']));
  expect(back.bodies.join()).toContain(id);
  expect((await readyz(next)).status).toBe('ready');
  expect((await next.stop()).code).toBe(0);
  expect(await readdir(join(logDir, '_journal'))).toEqual([]);
  await back.close();
});

test('an endpoint without logs gets spans, and a notice is in /readyz', async () => {
  const jaeger = await startCollector((path) => (path === '/v1/traces' ? 200 : 404));
  const service = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: jaeger.url });
  const id = await service.sendComment('@agent review');
  await resultOf(logDir, id);
  await until(() => spansIn(jaeger).includes('process agent'), 'the spans');
  const ready = await readyz(service);
  expect(ready.status).toBe('ready');
  expect(JSON.stringify(ready.notices)).toContain('takes no logs');
  expect(jaeger.paths.filter((path) => path === '/v1/logs')).toHaveLength(1);
  expect((await service.stop()).code).toBe(0);
  await jaeger.close();
});

test('an endpoint that accepts connections and never answers does not block the shutdown', async () => {
  const hanging = await startCollector(() => 'nothing');
  const service = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: hanging.url });
  const id = await service.sendComment('@agent review');
  expect(await resultOf(logDir, id)).toMatchObject({ success: true });
  await until(() => hanging.paths.length > 0, 'a request');
  expect((await service.stop()).code).toBe(0);
  expect(service.stdout).toMatch(/\d+ records wait in the journal/);
  await hanging.close();
});

test.each([
  [{ OTEL_SDK_DISABLED: 'true' }],
  [{ OTEL_TRACES_SAMPLER: 'always_off' }],
  [{ OTEL_TRACES_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none' }],
])('%j removes nothing from the store', async (env) => {
  const service = await start(env);
  const id = await service.sendComment('@agent review');
  await resultOf(logDir, id);
  expect((await service.stop()).code).toBe(0);
  expect((await readSpans(logDir, id)).map(({ name }) => name.split(' ')[0]).sort()).toEqual([
    'POST',
    'invoke_agent',
    'phase',
    'process',
    'send',
    'step',
    'workflow',
  ]);
});
