import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { context, metrics, propagation, trace } from '@opentelemetry/api';
import { afterEach, expect, test, vi } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { type Service, startService } from '../../src/service/start.ts';
import { comment, deliver, SECRET } from '../support/deliveries.ts';
import { parseMetrics, type Sample, sumOf } from '../support/metrics-text.ts';
import { firstTaskId, readDocument, resultOf } from '../support/service-process.ts';
import { until } from '../support/until.ts';

/** The sample agent takes its time, and a busy machine more. */
const END_MS = 40_000;
vi.setConfig({ testTimeout: 90_000 });

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  forgetSdk();
  vi.unstubAllEnvs();
});

/** So that the next one can register. */
function forgetSdk(): void {
  for (const api of [metrics, trace, context, propagation]) api.disable();
}

type Env = Readonly<Record<string, string>>;

async function start(env: Env = {}, file: object = {}): Promise<Service> {
  const cwd = await mkdtemp(join(tmpdir(), 'tasktrail-metrics-'));
  closers.push(() => rm(cwd, { recursive: true, force: true, maxRetries: 5 }));
  await writeFile(join(cwd, 'tasktrail.config.json'), JSON.stringify(file));
  // The standard exporters read it themselves.
  for (const [name, value] of Object.entries(env)) if (name.startsWith('OTEL_')) vi.stubEnv(name, value);
  const own = { TASK_LOGS_DIR: join(cwd, 'logs'), TASK_LOGS_OTLP_PORT: '0', PORT: '0', HOME: cwd };
  const config = loadConfig({ env: { ...own, GITHUB_WEBHOOK_SECRET: SECRET, ...env }, cwd });
  const service = await startService(config, { log: () => {} });
  closers.push(() => service.stop());
  return service;
}

async function scrape({ url }: Service, headers: Env = {}): Promise<Sample[]> {
  const response = await fetch(`${url}/metrics`, { headers });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return parseMetrics(await response.text());
}

/** Waits for an end to be counted: the documents are there a moment before. */
async function scrapeEnded(service: Service, ended = 1): Promise<Sample[]> {
  return until(async () => {
    const samples = await scrape(service);
    return sumOf(samples, 'tasktrail_tasks_ended_total') === ended ? samples : undefined;
  }, `${ended} ended tasks`);
}

async function submit({ url }: Service, order: object): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${url}/api/tasks`, { method: 'POST', headers, body: JSON.stringify(order) });
  expect(response.status).toBe(202);
  return firstTaskId(await response.json());
}

test('the cost and tokens of a task of the sample agent are counted', { tags: 'full' }, async () => {
  const service = await start();
  const id = await submit(service, { message: 'hello' });
  const { metrics: used } = (await resultOf(service.config.logDir, id, END_MS)) as {
    metrics: Record<string, number | null>;
  };
  const samples = await scrapeEnded(service);
  const of = { gen_ai_agent_name: 'sample-agent', tasktrail_task_source: 'api' };
  expect(used.cost_usd).toBeGreaterThan(0);
  expect(sumOf(samples, 'tasktrail_cost_total', of)).toBeCloseTo(used.cost_usd ?? Number.NaN, 9);
  for (const type of ['input', 'output', 'cache_read_input', 'cache_creation_input']) {
    const found = sumOf(samples, 'tasktrail_tokens_total', { ...of, gen_ai_token_type: type });
    expect(found ?? 0, type).toBe(used[`${type}_tokens`] ?? 0);
  }
  expect(sumOf(samples, 'tasktrail_tokens_total')).toBeGreaterThan(0);
  expect(sumOf(samples, 'tasktrail_tasks_ended_total')).toBe(1);
  expect(sumOf(samples, 'tasktrail_tasks_ended_total', { tasktrail_task_status: 'completed', ...of })).toBe(
    1,
  );
  expect(sumOf(samples, 'tasktrail_workflows_ended_total', { tasktrail_workflow_status: 'success' })).toBe(1);
  for (const state of ['waiting', 'active', 'delayed']) {
    const labels = { tasktrail_queue_state: state, messaging_system: 'in_process' };
    expect(sumOf(samples, 'tasktrail_queue_jobs', labels), state).toBe(0);
  }
  expect(sumOf(samples, 'tasktrail_records_recorded_total')).toBeGreaterThan(10);
  expect(sumOf(samples, 'tasktrail_records_accepted_total')).toBeGreaterThan(10);
  const holder = { tasktrail_destination: 'holder' };
  const isSent = async (): Promise<boolean> =>
    sumOf(await scrape(service), 'tasktrail_journal_pending', holder) === 0;
  await until(isSent, 'an empty journal');
  expect(sumOf(samples, 'tasktrail_approvals_waiting')).toBe(0);
  expect(sumOf(samples, 'tasktrail_unready')).toBeUndefined();
  expect(samples.filter(({ labels }) => 'otel_scope_name' in labels)).toEqual([]);
});

test('a running task is listed while it runs, and not in the scrape after its end', async () => {
  const agents = { slow: { command: ['sh', '-c', 'sleep 60'] }, fails: { command: ['sh', '-c', 'exit 3'] } };
  const service = await start({}, { agents });
  const id = await submit(service, { message: 'x', agent: 'slow' });
  const running = async (): Promise<number | undefined> =>
    sumOf(await scrape(service), 'tasktrail_task_running', {
      tasktrail_task_id: id,
      gen_ai_agent_name: 'slow',
      tasktrail_task_source: 'api',
    });
  const since = await until(running, 'the running task');
  const open = await scrape(service);
  expect(sumOf(open, 'tasktrail_tasks_open', { tasktrail_task_status: 'running' })).toBe(1);
  expect(sumOf(open, 'tasktrail_queue_jobs', { tasktrail_queue_state: 'active' })).toBe(1);
  await fetch(`${service.url}/api/tasks/${id}/cancel`, { method: 'POST' });
  await resultOf(service.config.logDir, id, END_MS);
  const metadata = await readDocument(service.config.logDir, id, 'metadata.json');
  expect(since).toBe(Date.parse(String(metadata?.started_at)) / 1_000);
  const after = await scrapeEnded(service);
  expect(sumOf(after, 'tasktrail_task_running')).toBeUndefined();
  expect(sumOf(after, 'tasktrail_tasks_open', { tasktrail_task_status: 'running' })).toBe(0);
  // A cancelled task needs no attention.
  expect(sumOf(after, 'tasktrail_task_failed')).toBeUndefined();
  const failed = await submit(service, { message: 'x', agent: 'fails' });
  await resultOf(service.config.logDir, failed, END_MS);
  const labels = { tasktrail_task_id: failed, error_type: 'exit_code', tasktrail_task_status: 'failed' };
  const samples = await scrapeEnded(service, 2);
  expect(sumOf(samples, 'tasktrail_task_failed', labels)).toBeGreaterThan(since);
  expect(sumOf(samples, 'tasktrail_tasks_ended_total', { error_type: 'exit_code' })).toBe(1);
});

test('deliveries are counted by outcome and a word for the reason', async () => {
  const service = await start();
  await deliver(service.url ?? '', comment('@agent review'), { id: 'one' });
  await deliver(service.url ?? '', comment('@agent review'), { id: 'one' });
  await deliver(service.url ?? '', comment('nothing for the agent'), { id: 'two' });
  await fetch(`${service.url}/webhooks/github`, { method: 'POST', body: '{}' });
  const counted = async (): Promise<(string | undefined)[] | undefined> => {
    const found = (await scrape(service)).filter(({ name }) => name === 'tasktrail_webhook_deliveries_total');
    return found.length < 4
      ? undefined
      : found.map(
          ({ labels: { tasktrail_webhook_outcome: outcome, tasktrail_webhook_reason: why }, value }) =>
            [outcome, why, value].join(' '),
        );
  };
  expect((await until(counted, 'four deliveries')).sort()).toEqual([
    'accepted  1',
    'duplicate redelivery 1',
    'rejected missing_signature 1',
    'unmatched no_trigger 1',
  ]);
});

test('with a token the metrics need it, and without one a loopback name', async () => {
  const open = await start();
  const foreign = await new Promise<number | undefined>((resolve, reject) => {
    const { port } = new URL(open.url ?? '');
    import('node:http').then(({ get }) => {
      get({ host: '127.0.0.1', port, path: '/metrics', headers: { host: 'evil.example' } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).on('error', reject);
    }, reject);
  });
  expect(foreign).toBe(401);
  expect((await fetch(`${open.url}/metrics`, { method: 'POST' })).status).toBe(405);
  expect((await fetch(`${open.url}/metrics`, { method: 'HEAD' })).status).toBe(200);
  await open.stop();
  forgetSdk();
  const token = 'sixteen-characters';
  const guarded = await start({ TASK_LOGS_API_TOKEN: token });
  expect((await fetch(`${guarded.url}/metrics`)).status).toBe(401);
  expect((await fetch(`${guarded.url}/metrics`, { headers: { authorization: 'Bearer wrong' } })).status).toBe(
    401,
  );
  expect((await scrape(guarded, { authorization: `Bearer ${token}` })).length).toBeGreaterThan(3);
});

test('with recording off /metrics still answers', async () => {
  const service = await start({ TASK_LOGS_ENABLED: 'false' });
  const samples = await scrape(service);
  expect(sumOf(samples, 'tasktrail_records_recorded_total')).toBe(0);
  expect(sumOf(samples, 'tasktrail_queue_jobs', { tasktrail_queue_state: 'waiting' })).toBe(0);
});

test('the failed tasks of an earlier process are listed, and not counted again', async () => {
  const agents = { fails: { command: ['sh', '-c', 'exit 3'] } };
  const first = await start({}, { agents });
  const id = await submit(first, { message: 'x', agent: 'fails' });
  await resultOf(first.config.logDir, id, END_MS);
  await first.stop();
  forgetSdk();
  const second = await start({ TASK_LOGS_DIR: first.config.logDir });
  const failed = async (): Promise<number | undefined> =>
    sumOf(await scrape(second), 'tasktrail_task_failed', { tasktrail_task_id: id, error_type: 'exit_code' });
  expect(await until(failed, 'the failed task')).toBeGreaterThan(0);
  expect(sumOf(await scrape(second), 'tasktrail_tasks_ended_total')).toBeUndefined();
});

interface Received {
  readonly paths: string[];
  readonly bodies: OtlpMetrics[];
  readonly url: string;
}

interface OtlpPoint {
  readonly asDouble?: number;
  readonly asInt?: string | number;
  readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[];
}

interface OtlpMetrics {
  readonly resourceMetrics: readonly {
    readonly resource: {
      readonly attributes: readonly {
        readonly key: string;
        readonly value: { readonly stringValue: string };
      }[];
    };
    readonly scopeMetrics: readonly {
      readonly metrics: readonly {
        readonly name: string;
        readonly sum?: { readonly aggregationTemporality: number | string; readonly dataPoints: OtlpPoint[] };
        readonly gauge?: { readonly dataPoints: OtlpPoint[] };
      }[];
    }[];
  }[];
}

/** An OTLP/HTTP endpoint for JSON with the given answers. */
async function receive(statusOf: (path: string) => number): Promise<Received> {
  const received: Received = { paths: [], bodies: [], url: '' };
  const take = async (req: IncomingMessage): Promise<number> => {
    const bytes = await buffer(req);
    const body = req.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes;
    received.paths.push(req.url ?? '');
    const status = statusOf(req.url ?? '');
    if (req.url === '/v1/metrics' && status === 200) received.bodies.push(JSON.parse(body.toString()));
    return status;
  };
  const server = createServer((req, res) => {
    take(req).then(
      (status) => res.writeHead(status, { 'content-type': 'application/json' }).end('{}'),
      (error: unknown) => res.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return Object.assign(received, { url: `http://127.0.0.1:${port}` });
}

function pointsOf(body: OtlpMetrics | undefined, name: string): readonly OtlpPoint[] {
  return (body?.resourceMetrics ?? [])
    .flatMap(({ scopeMetrics }) => scopeMetrics)
    .flatMap((scope) => scope.metrics)
    .filter((metric) => metric.name === name)
    .flatMap((metric) => metric.sum?.dataPoints ?? metric.gauge?.dataPoints ?? []);
}

const total = (points: readonly OtlpPoint[]): number =>
  points.reduce((sum, { asDouble, asInt }) => sum + Number(asDouble ?? asInt), 0);

const QUICK = { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', OTEL_METRIC_EXPORT_INTERVAL: '200' };

test('an OTLP endpoint gets cost, tokens and the depth of the queue, cumulative, from one instance', {
  tags: 'full',
}, async () => {
  const endpoint = await receive(() => 200);
  const service = await start({ ...QUICK, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint.url });
  const id = await submit(service, { message: 'hello' });
  const { metrics: used } = (await resultOf(service.config.logDir, id, END_MS)) as {
    metrics: Record<string, number | null>;
  };
  const body = await until(() => {
    const last = endpoint.bodies.at(-1);
    return pointsOf(last, 'tasktrail.cost').length > 0 ? last : undefined;
  }, 'the cost');
  expect(total(pointsOf(body, 'tasktrail.cost'))).toBeCloseTo(used.cost_usd ?? Number.NaN, 9);
  expect(total(pointsOf(body, 'tasktrail.tokens'))).toBeGreaterThan(0);
  expect(pointsOf(body, 'tasktrail.queue.jobs')).toHaveLength(3);
  expect(pointsOf(body, 'tasktrail.task.running')).toEqual([]);
  const before = endpoint.bodies.length;
  await until(() => endpoint.bodies.length > before + 1, 'two more');
  const later = endpoint.bodies.at(-1);
  expect(total(pointsOf(later, 'tasktrail.cost'))).toBeCloseTo(used.cost_usd ?? Number.NaN, 9);
  const instances = endpoint.bodies.flatMap(({ resourceMetrics }) =>
    resourceMetrics.flatMap(({ resource }) =>
      resource.attributes
        .filter(({ key }) => key === 'service.instance.id')
        .map(({ value }) => value.stringValue),
    ),
  );
  expect(instances).toHaveLength(endpoint.bodies.length);
  expect(new Set(instances).size).toBe(1);
  expect(noticesOfMetrics(service)).toEqual([]);
});

/** Tests run from TypeScript, where the holder has no thread of its own: that is a notice too. */
function noticesOfMetrics(service: Awaited<ReturnType<typeof start>>): string[] {
  return [...service.trail.books.notices.keys()].filter((name) => name.startsWith('metrics'));
}

test('an endpoint that accepts no metrics is a notice', async () => {
  const endpoint = await receive((path) => (path === '/v1/metrics' ? 404 : 200));
  const service = await start({ ...QUICK, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint.url });
  const name = `metrics to ${endpoint.url}/v1/metrics`;
  const notice = await until(() => service.trail.books.notices.get(name), 'the notice');
  expect(notice).toBe('takes no metrics: they are not sent there');
  expect(service.trail.books.reasons.size).toBe(0);
});

test('an unreachable endpoint is a notice until it answers, and does not block the shutdown', {
  tags: 'full',
}, async () => {
  let status = 500;
  const endpoint = await receive((path) => (path === '/v1/metrics' ? status : 200));
  const url = `${endpoint.url}/v1/metrics`;
  const service = await start({ ...QUICK, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: url });
  const { notices, reasons } = service.trail.books;
  expect(await until(() => notices.get(`metrics to ${url}`), 'the notice')).toMatch(
    /^metrics were not taken: /,
  );
  expect(reasons.size).toBe(0);
  status = 200;
  await until(() => noticesOfMetrics(service).length === 0, 'the notice to go');
  expect(endpoint.bodies.length).toBeGreaterThan(0);
  // Nothing but metrics goes to an endpoint for metrics.
  expect(new Set(endpoint.paths)).toEqual(new Set(['/v1/metrics']));
});

test('a shutdown does not wait for an endpoint that never answers', { tags: 'full' }, async () => {
  let pending = 0;
  const server = createServer((req) => {
    pending += 1;
    req.socket.on('close', () => {
      pending -= 1;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const env = { OTEL_METRIC_EXPORT_INTERVAL: '60000' };
  const service = await start({
    ...env,
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `http://127.0.0.1:${port}/v1/metrics`,
  });
  await scrape(service);
  await service.stop();
  // The exporter still waits for the answer.
  expect(pending).toBe(1);
});

test('metrics with the exporter none are not sent, but served', { tags: 'full' }, async () => {
  const endpoint = await receive(() => 200);
  const off = { OTEL_METRICS_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: endpoint.url };
  const service = await start({ ...QUICK, ...off });
  const id = await submit(service, { message: 'hello' });
  await resultOf(service.config.logDir, id, END_MS);
  await until(() => endpoint.paths.includes('/v1/traces'), 'the traces');
  expect(sumOf(await scrapeEnded(service), 'tasktrail_cost_total')).toBeGreaterThan(0);
  await service.stop();
  expect(endpoint.paths).not.toContain('/v1/metrics');
});
