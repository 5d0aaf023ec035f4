import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lessInCi } from '../support/less-in-ci.ts';
import { readDeliveries, readLines, readSpans } from '../support/receiver.ts';
import type { ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';
import { traceOf } from './jaeger.ts';
import { Rig } from './rig.ts';

const LINES = 400;

let rig: Rig;
let holder: ServiceProcess;
let producer: ServiceProcess;

beforeAll(async () => {
  rig = await Rig.open({ jaeger: true });
  holder = await rig.holder();
  producer = await rig.producer();
}, 300_000);

afterAll(() => rig?.close(), 60_000);

async function numbersOf(taskId: string): Promise<readonly number[]> {
  const lines = await readLines(`${rig.logDir('holder')}/${taskId}/03-agent-output.jsonl`);
  return lines.flatMap(({ content }) => /line (\d+)/.exec(String(content))?.[1] ?? []).map(Number);
}

async function begin(): Promise<string> {
  const id = await producer.sendComment('@agent count');
  await until(async () => (await numbersOf(id)).length > 20, 'its first lines', 30_000);
  return id;
}

/** Expects that the directory of the task has all its lines, in order, and all spans and facts, without duplicates. */
async function expectWhole(taskId: string): Promise<string> {
  const metadata = await rig.settled('holder', taskId, 120_000);
  expect(metadata).toMatchObject({ status: 'completed', attempt: 1 });
  expect(await numbersOf(taskId)).toEqual(Array.from({ length: LINES }, (_, n) => n));
  const spans = await readSpans(rig.logDir('holder'), taskId);
  const ids = spans.map(({ spanId }) => spanId);
  expect(new Set(ids).size).toBe(ids.length);
  expect(spans.filter(({ name }) => name === 'execute_tool Bash')).toHaveLength(LINES / 10);
  expect(spans.filter(({ parentSpanId = '' }) => parentSpanId !== '' && !ids.includes(parentSpanId))).toEqual(
    [],
  );
  const facts = await readLines(`${rig.logDir('holder')}/${taskId}/facts.jsonl`);
  expect(new Set(facts.map(({ event_id: id }) => id)).size).toBe(facts.length);
  return spans[0]?.traceId ?? '';
}

const COLLECTOR_KILLS = lessInCi(3, 1);
const HOLDER_KILLS = lessInCi(2, 1);

test('repeated kills of the collector cause no loss and no duplicates', async () => {
  const ids = [await begin()];
  for (let round = 0; round < COLLECTOR_KILLS; round += 1) {
    await rig.collector.server.kill();
    await delay(300 * round);
    await rig.collector.server.start();
    ids.push(await producer.sendComment('@agent count'));
  }
  for (const id of ids) await expectWhole(id);
}, 240_000);

test('repeated kills of the holder cause no loss and no duplicates', async () => {
  const ids = [await begin()];
  for (let round = 0; round < HOLDER_KILLS; round += 1) {
    await holder.stop('SIGKILL');
    ids.push(await producer.sendComment('@agent count'));
    await delay(500);
    holder = await rig.holder();
  }
  for (const id of ids) await expectWhole(id);
}, 240_000);

test('killing the collector and the holder at the same time causes no loss', async () => {
  const id = await begin();
  await Promise.all([rig.collector.server.kill(), holder.stop('SIGKILL')]);
  const other = await producer.sendComment('@agent count');
  holder = await rig.holder();
  await rig.collector.server.start();
  await expectWhole(id);
  await expectWhole(other);
}, 240_000);

test('Jaeger receives the spans of its downtime after its restart', async () => {
  await rig.jaeger?.server.kill();
  const id = await producer.sendComment('@agent count');
  const traceId = await expectWhole(id);
  await rig.jaeger?.server.start();
  const stored = await readSpans(rig.logDir('holder'), id);
  const spans = await until(
    async () => {
      const found = await traceOf(rig.jaeger?.url ?? '', traceId);
      return found.length >= stored.length ? found : undefined;
    },
    'the whole trace',
    60_000,
  );
  expect(spans.map(({ spanId }) => spanId).sort()).toEqual(stored.map(({ spanId }) => spanId).sort());
}, 240_000);

test('each delivery of the tests above is one line', async () => {
  const lines = await readDeliveries(rig.logDir('holder'));
  const ids = lines.flatMap(({ task_ids: taskIds }) => taskIds);
  const sent = 5 + COLLECTOR_KILLS + HOLDER_KILLS;
  expect([ids.length, new Set(ids).size]).toEqual([sent, sent]);
});
