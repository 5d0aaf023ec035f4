import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freeAddress } from '../support/free-port.ts';
import { attribute } from '../support/receiver.ts';
import { answersOk, ServerProcess } from '../support/server-process.ts';
import { pathOf } from '../support/tool.ts';
import { until } from '../support/until.ts';
import { findVersitygw, type S3Server, startVersitygw } from '../support/versitygw.ts';
import { type Collector, scraped, startCollector } from './collector.ts';
import { type Jaeger, startJaeger, traceOf } from './jaeger.ts';
import { type Prometheus, query, queryRange, startPrometheus } from './prometheus.ts';
import { pythonAgent, telemetrygen } from './senders.ts';

let collector: Collector;
let jaeger: Jaeger;
let prometheus: Prometheus;
let s3: S3Server;

beforeAll(async () => {
  jaeger = await startJaeger();
  s3 = await startVersitygw(pathOf(findVersitygw()));
  collector = await startCollector({ env: { JAEGER_ENDPOINT: jaeger.grpc } });
  prometheus = await startPrometheus(scraped(collector));
});

afterAll(async () => {
  for (const server of [prometheus?.server, collector?.server, jaeger?.server, s3]) await server?.stop();
});

test('the Python agent sends four spans, one of them with an exception', async () => {
  const { code, stdout, stderr } = await pythonAgent({ endpoint: collector.url, taskId: 'task-1' });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const spans = await spansOf(stdout.trim(), 4);
  expect(spans.map(({ name }) => name).sort()).toEqual([
    'chat model-1',
    'execute_tool broken',
    'execute_tool search',
    'invoke_agent python-agent',
  ]);
  expect(spans.every(({ serviceName }) => serviceName === 'python-agent')).toBe(true);
  const broken = spans.find(({ name }) => name === 'execute_tool broken');
  expect(broken?.status).toEqual({ code: 2, message: 'ValueError: the tool is broken' });
  expect(broken?.events?.map(({ name }) => name)).toEqual(['exception']);
  const chat = spans.find(({ name }) => name === 'chat model-1');
  expect(chat && attribute(chat, 'gen_ai.usage.input_tokens')).toBe('120');
  const records = await until(async () => {
    const text = await readFile(`${collector.data}/archive/logs.jsonl`, 'utf8').catch(() => '');
    return text.includes('I am done') ? text : undefined;
  }, 'the log records');
  expect(records.match(/"eventName":"[^"]*"/g)?.sort()).toEqual(
    ['answer', 'end', 'error', 'start'].map((name) => `"eventName":"agent.${name}"`),
  );
  expect(records).toContain('{"key":"tasktrail.task.id","value":{"stringValue":"task-1"}}');
  expect(records).toContain('größer als ASCII');
});

test('an unknown trace has no spans', async () => {
  expect(await traceOf(jaeger.url, 'f'.repeat(32))).toEqual([]);
});

test('Prometheus has the number of spans that telemetrygen sent to the collector', async () => {
  const args = ['traces', '--otlp-endpoint', collector.grpc, '--otlp-insecure', '--rate', '0'];
  expect(await telemetrygen([...args, '--traces', '50', '--child-spans', '2'])).toMatchObject({ code: 0 });
  const accepted = 'sum(otelcol_receiver_accepted_spans{transport="grpc"})';
  const sample = await until(
    async () => (await query(prometheus.url, accepted)).find(({ value }) => value >= 150),
    'the spans in Prometheus',
  );
  expect(sample).toEqual({ metric: {}, value: 150 });
  const [series] = await queryRange(prometheus.url, accepted);
  expect(series?.values.at(-1)).toBe(150);
  await expect(query(prometheus.url, 'sum(')).rejects.toThrow('parse error');
});

test('the S3 server lists the objects of a bucket, also by prefix', async () => {
  await s3.makeBucket('bucket-1');
  await s3.put('bucket-1', 'a/1', 'one');
  await s3.put('bucket-1', 'b/2', 'two');
  expect(await s3.objectsIn('bucket-1')).toEqual(
    new Map([
      ['a/1', 'one'],
      ['b/2', 'two'],
    ]),
  );
  expect(await s3.objectsIn('bucket-1', 'b/')).toEqual(new Map([['b/2', 'two']]));
});

test('each server can be killed and restarted on the same ports', async () => {
  const servers: [{ readonly pid: number; kill(): Promise<void>; start(): Promise<void> }, string][] = [
    [prometheus.server, `${prometheus.url}/-/ready`],
    [collector.server, `http://${collector.ownMetrics}/metrics`],
    [jaeger.server, jaeger.url],
  ];
  for (const [server, url] of servers) {
    const { pid } = server;
    await server.kill();
    expect(server.pid).toBe(0);
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    await expect(answersOk(url)).rejects.toThrow();
    await server.start();
    expect(await answersOk(url)).toBe(true);
    expect(server.pid).not.toBe(pid);
  }
  await s3.kill();
  await expect(s3.get('bucket-1', 'a/1')).rejects.toThrow();
  await s3.start();
  expect(await s3.get('bucket-1', 'a/1')).toBe('one');
});

test('scraped samples of Prometheus and queued spans of the collector survive a kill', async () => {
  await jaeger.server.kill();
  const { code, stdout } = await pythonAgent({ endpoint: collector.url, taskId: 'task-2' });
  await collector.server.kill();
  await jaeger.server.start();
  await collector.server.start();
  expect(code).toBe(0);
  expect(await spansOf(stdout.trim(), 4)).toHaveLength(4);
  // Scraped before the previous test killed both.
  const [before] = await query(
    prometheus.url,
    'max_over_time(otelcol_receiver_accepted_spans{transport="grpc"}[1h])',
  );
  expect(before?.value).toBe(150);
});

test('if a server ends or does not become ready, the error has its output', async () => {
  const name = 'it';
  const launch = { name, command: 'sh', isReady: () => answersOk('http://127.0.0.1:1/') };
  const ends = ServerProcess.start({ ...launch, args: ['-c', 'echo no such file >&2; exit 3'] });
  await expect(ends).rejects.toThrow('it ended: no such file');
  const hangs = ServerProcess.start({ ...launch, args: ['-c', 'echo begun; exec sleep 60'], readyMs: 300 });
  await expect(hangs).rejects.toThrow('it did not become ready: begun');
  const absent = ServerProcess.start({ ...launch, command: '/nonexistent', args: [] });
  await expect(absent).rejects.toThrow('ENOENT');
});

test('if the collector rejects its configuration, the error has the reason', async () => {
  const refused = startCollector({ set: { 'exporters::awss3::nonsense': '1' } });
  await expect(refused).rejects.toThrow('nonsense');
  const inUse = startCollector({ set: { 'exporters::prometheus::endpoint': collector.exporter } });
  await expect(inUse).rejects.toThrow('address already in use');
  await expect(startPrometheus({ '127.0.0.1:1': await freeAddress() })).rejects.toThrow('127.0.0.1:1');
});

async function spansOf(traceId: string, count: number): ReturnType<typeof traceOf> {
  return until(async () => {
    const spans = await traceOf(jaeger.url, traceId);
    return spans.length >= count ? spans : undefined;
  }, `${count} spans of ${traceId} in Jaeger`);
}
