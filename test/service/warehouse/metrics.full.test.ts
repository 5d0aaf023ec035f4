import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { submit } from '../../support/fleet.ts';
import { parseMetrics, type Sample } from '../../support/metrics-text.ts';
import { findRedis } from '../../support/redis.ts';
import type { ServiceProcess } from '../../support/service-process.ts';
import { until } from '../../support/until.ts';
import { findVictoriaLogs, startVictoriaLogs, type VictoriaLogsServer } from '../../support/victoria-logs.ts';
import { untilEnded, WarehouseFleet } from '../../support/warehouse-fleet.ts';

const redis = findRedis();
const tool = findVictoriaLogs();

const SHOWN_MS = 60_000;

async function samplesOf(service: ServiceProcess): Promise<readonly Sample[]> {
  return parseMetrics(await (await fetch(`${service.url}/metrics`)).text());
}

/** The sum of a metric, as a dashboard adds it up. */
async function sum(services: readonly ServiceProcess[], name: string): Promise<number> {
  const samples = (await Promise.all(services.map(samplesOf))).flat();
  return samples.filter((one) => one.name === name).reduce((all, { value }) => all + value, 0);
}

describe.skipIf('missing' in redis || 'missing' in tool)('metrics of services over VictoriaLogs', () => {
  let server: VictoriaLogsServer;

  beforeAll(async () => {
    server = await startVictoriaLogs(tool);
  });
  afterAll(() => server.stop());

  test('what ends is counted once over all services, also when another one holds the lease', {
    timeout: 300_000,
  }, async () => {
    const fleet = await WarehouseFleet.open(redis, { store: server.newTenant(), appendOnly: true });
    await fleet.configure({
      agents: { good: { command: ['echo', 'done'] }, bad: { command: ['sh', '-c', 'exit 3'] } },
    });
    const services = [await fleet.serve(), await fleet.serve()];
    const [any] = services;
    await fleet.worker({ TASK_LOGS_CONCURRENCY: '4' });
    if (any === undefined) return;
    const run = async (service: ServiceProcess, agent: string): Promise<void> => {
      await untilEnded(service, [await submit(service, { agent, message: 'go' })]);
    };
    await any.sendComment('@agent review');
    for (const agent of ['good', 'good', 'bad']) await run(any, agent);
    const ended = 'tasktrail_tasks_ended_total';
    await until(async () => (await sum(services, ended)) >= 4, 'the ends of four tasks', SHOWN_MS);
    await until(
      async () => (await sum(services, 'tasktrail_workflows_ended_total')) >= 4,
      'the ends of their workflows',
      SHOWN_MS,
    );
    expect(await sum(services, 'tasktrail_webhook_deliveries_total')).toBe(1);
    const held = await Promise.all(services.map((one) => sum([one], 'tasktrail_lease_held')));
    const holder = services[held.indexOf(1)];
    const other = services[held.indexOf(0)];
    if (holder === undefined || other === undefined) throw new Error(`no holder: ${held.join()}`);
    // Gauges stand at the holder alone.
    const failed = async (of: ServiceProcess): Promise<number> =>
      (await samplesOf(of)).filter(({ name }) => name === 'tasktrail_task_failed').length;
    expect([await failed(holder), await failed(other)]).toEqual([1, 0]);
    expect(await sum([other], 'tasktrail_tasks_open')).toBe(0);
    const before = await sum(services, ended);
    const [heldCount, otherCount] = [await sum([holder], ended), await sum([other], ended)];
    expect([before, heldCount, otherCount]).toEqual([4, 4, 0]);

    holder.child.kill('SIGKILL');
    await until(async () => (await sum([other], 'tasktrail_lease_held')) === 1, 'the next holder', SHOWN_MS);
    await run(other, 'good');
    await until(async () => (await sum([other], ended)) >= 1, 'the end of the next task', SHOWN_MS);
    // It looks back to where the other one was.
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    expect(await sum([other], ended)).toBe(1);
    expect(await failed(other)).toBe(1);
    expect(await sum([other], 'tasktrail_workflows_ended_total')).toBeLessThanOrEqual(1);
  });
});
