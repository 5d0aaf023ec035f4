import { afterAll, beforeAll, expect, test } from 'vitest';
import { readDeliveries, readLines, readSpans } from '../support/receiver.ts';
import type { ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';
import { shapeOfTask } from './directory-shape.ts';
import { traceOf } from './jaeger.ts';
import { Rig } from './rig.ts';

let rig: Rig;
let service: ServiceProcess;

/** As in docker-compose.yml, the service holds its directory and exports to a collector that sends back to it. */
beforeAll(async () => {
  rig = await Rig.open({ jaeger: true });
  service = await rig.start('both', 'start', { TASK_LOGS_OTLP_PORT: String(rig.holderPort) });
}, 300_000);

afterAll(() => rig?.close(), 60_000);

async function booksOf(): Promise<Readonly<Record<string, number>>> {
  const { books } = (await (await fetch(`${service.url}/readyz`)).json()) as {
    books: Readonly<Record<string, number>>;
  };
  return books;
}

test('the service deduplicates records that the collector sends back', async () => {
  const id = await service.sendComment('@agent review this');
  await rig.settled('both', id);
  const before = await shapeOfTask(rig.logDir('both'), id);
  // Every record and span was received a second time.
  await expect.poll(async () => (await booksOf()).duplicates).toBe((await booksOf()).accepted);
  expect(await shapeOfTask(rig.logDir('both'), id)).toEqual(before);
  const lines = await readLines(`${rig.logDir('both')}/${id}/03-agent-output.jsonl`);
  expect(new Set(lines.map(({ event_id: event }) => event)).size).toBe(lines.length);
  const spans = await readSpans(rig.logDir('both'), id);
  expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length);
  expect(await readDeliveries(rig.logDir('both'))).toHaveLength(1);
  const inJaeger = await until(async () => {
    const found = await traceOf(rig.jaeger?.url ?? '', spans[0]?.traceId ?? '');
    return found.length >= spans.length ? found : undefined;
  }, 'the trace in Jaeger');
  expect(inJaeger).toHaveLength(spans.length);
});

test('a kill of the service and the collector causes no duplicates', async () => {
  const id = await service.sendComment('@agent count');
  const numbers = async (): Promise<readonly number[]> => {
    const lines = await readLines(`${rig.logDir('both')}/${id}/03-agent-output.jsonl`);
    return lines.flatMap(({ content }) => /line (\d+)/.exec(String(content))?.[1] ?? []).map(Number);
  };
  await until(async () => (await numbers()).length > 20, 'its first lines', 30_000);
  await Promise.all([rig.collector.server.kill(), service.stop('SIGKILL')]);
  service = await rig.start('both', 'start', { TASK_LOGS_OTLP_PORT: String(rig.holderPort) });
  await rig.collector.server.start();
  expect(await rig.settled('both', id, 120_000)).toMatchObject({ status: 'completed', attempt: 2 });
  expect(await numbers()).toEqual(Array.from({ length: 400 }, (_, n) => n));
  const spans = await readSpans(rig.logDir('both'), id);
  expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length);
}, 240_000);
