import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { afterTest } from '../../support/current-test.ts';
import { comment, deliver } from '../../support/deliveries.ts';
import { agentsOf, submit, waitingUntilGo } from '../../support/fleet.ts';
import { type InsertGate, openInsertGate } from '../../support/insert-gate.ts';
import { findRedis } from '../../support/redis.ts';
import type { Env, ServiceProcess } from '../../support/service-process.ts';
import { until } from '../../support/until.ts';
import { findVictoriaLogs, startVictoriaLogs, type VictoriaLogsServer } from '../../support/victoria-logs.ts';
import { read, readAll, untilEnded, WarehouseFleet } from '../../support/warehouse-fleet.ts';

const redis = findRedis();
const tool = findVictoriaLogs();

const AGENTS = {
  waiting: { command: waitingUntilGo('echo $TASK_LOGS_TASK_ID >> ran;') },
  quick: { command: ['sh', '-c', 'echo $TASK_LOGS_TASK_ID >> ran; echo done'] },
};

async function cancel(service: ServiceProcess, id: string, headers: Env = {}): Promise<unknown> {
  const response = await fetch(`${service.url}/api/tasks/${id}/cancel`, { method: 'POST', headers });
  const body = (await response.json()) as { readonly status?: unknown; readonly code?: unknown };
  return [response.status, response.ok ? body.status : body.code];
}

async function untilPrinted(service: ServiceProcess, id: string, text: string): Promise<void> {
  await until(async () => {
    const lines = (await read(service, `/tasks/${id}/logs/agent-output`)) as unknown;
    return JSON.stringify(lines ?? '').includes(text);
  }, `${id} to print ${text}`);
}

describe.skipIf('missing' in redis || 'missing' in tool)('tasks of services over VictoriaLogs', () => {
  let server: VictoriaLogsServer;

  beforeAll(async () => {
    server = await startVictoriaLogs(tool);
  });
  afterAll(() => server.stop());

  test('a task that one service takes is read from the other, runs, and is cancelled through the other', async () => {
    const fleet = await WarehouseFleet.open(redis, { store: server.newTenant() });
    await fleet.configure({ agents: AGENTS });
    const [one, other] = [await fleet.serve(), await fleet.serve()];
    await fleet.worker({ TASK_LOGS_CONCURRENCY: '1' });
    const quick = await submit(one, { message: 'go', agent: 'quick' });
    // The answer promises that it is there.
    expect((await fetch(`${other.url}/api/tasks/${quick}`)).status).toBe(200);
    expect(await untilEnded(other, [quick])).toMatchObject([
      { status: 'completed', source: 'api', assigned_agent: 'quick', queue_system: 'bullmq' },
    ]);
    expect(await read(other, `/tasks/${quick}/logs/input`)).toMatchObject({ message: 'go' });
    // Longer than a row, and than a record that is stored without a request.
    const message = 'all of this, please. '.repeat(30_000);
    const long = await submit(other, { message, agent: 'quick' });
    expect((await untilEnded(one, [long]))[0]).toMatchObject({ status: 'completed' });
    expect((await read(one, `/tasks/${long}/logs/input`))?.message).toBe(message);
    const running = await submit(one, { message: 'go' });
    await untilPrinted(other, running, 'begun');
    const waits = await submit(one, { message: 'go', agent: 'quick' });
    expect((await read(other, '/health'))?.queue).toMatchObject({
      waiting: 1,
      running: 1,
      oldest: { task_id: waits },
    });
    expect(await cancel(other, waits)).toEqual([200, 'cancelled']);
    expect(await cancel(other, running)).toEqual([202, 'cancelling']);
    const ended = await untilEnded(one, [running, waits]);
    expect(ended.map(({ status }) => status)).toEqual(['cancelled', 'cancelled']);
    expect(await agentsOf(running)).toEqual([]);
    expect(await read(one, `/tasks/${waits}/logs/final-result`)).toMatchObject({
      error: 'cancelled while it waited',
    });
    for (const id of [quick, running, waits]) expect(await cancel(one, id)).toEqual([409, 'ERR_CONFLICT']);
    expect(await cancel(one, 'task-unknown-1')).toEqual([404, 'ERR_NOT_FOUND']);
    expect([...(await fleet.runs()).keys()].sort()).toEqual([quick, long, running].sort());
  }, 120_000);

  test('with a token REST asks for it, webhooks do not, and workers are known by the key', async () => {
    const token = 'the token of the API, for tests';
    const fleet = await WarehouseFleet.open(redis, { store: server.newTenant() });
    const service = await fleet.serve({ TASK_LOGS_API_TOKEN: token });
    await fleet.worker();
    const headers = { authorization: `Bearer ${token}` };
    expect((await service.submit({ message: 'go' })).status).toBe(401);
    const taken = await deliver(service.url, comment('@agent review'));
    expect(taken.status).toBe(202);
    const [id = ''] = ((await taken.json()) as { task_ids: string[] }).task_ids;
    expect(await cancel(service, id)).toEqual([401, 'ERR_UNAUTHORIZED']);
    const order = await service.submit({ message: 'go' }, headers);
    const [other = ''] = ((await order.json()) as { task_ids: string[] }).task_ids;
    const ended = await untilEnded(service, [id, other], headers);
    expect(ended.map(({ status, opened_by: by }) => [status, by])).toEqual([
      ['completed', undefined],
      ['completed', undefined],
    ]);
  }, 120_000);

  test('the task of a worker that is killed runs on another one, as its next attempt', async () => {
    const fleet = await WarehouseFleet.open(redis, { store: server.newTenant() });
    await fleet.configure({ agents: AGENTS });
    const service = await fleet.serve();
    const doomed = await fleet.worker();
    const id = await submit(service, { message: 'go' });
    await untilPrinted(service, id, 'begun');
    await doomed.stop('SIGKILL');
    await fleet.worker({ TASK_LOGS_DIR: `${fleet.cwd}/logs/another` });
    await until(async () => (await fleet.runs()).get(id) === 2, 'its second run', 90_000);
    await fleet.go();
    expect(await untilEnded(service, [id])).toMatchObject([{ status: 'completed', attempt: 2 }]);
    const spans = (await read(service, `/tasks/${id}/trace`)) as unknown as { name: string }[];
    expect(spans.filter(({ name }) => name === 'send agent')).toHaveLength(1);
  }, 180_000);

  test('a task that was stored and never queued can be cancelled', async () => {
    const { gate, doomed, other } = await openGated();
    const cut = async (): Promise<void> => void (await doomed.stop('SIGKILL'));
    gate.next = { when: 'after', matches: (rows) => rows.includes('task_created'), cut };
    await expect(deliver(doomed.url, comment('@agent review'), { id: randomUUID() })).rejects.toThrow();
    const [task] = await until(async () => {
      const tasks = await readAll(other, '/tasks');
      return tasks.length > 0 && tasks;
    }, 'the task');
    expect(task).toMatchObject({ status: 'queued' });
    const id = String(task?.task_id);
    // Young ones may be on their way into the queue.
    expect(await cancel(other, id)).toEqual([409, 'ERR_CONFLICT']);
    await until(
      async () => JSON.stringify(await cancel(other, id)) === '[200,"cancelled"]',
      'the task to be cancelled',
    );
    expect(await untilEnded(other, [id])).toMatchObject([{ status: 'cancelled' }]);
  }, 120_000);

  test.concurrent('a task that was stored and never queued ends as failed; sent again, its delivery is a new task that runs once', async () => {
    const { fleet, gate, doomed, other } = await openGated();
    const cut = async (): Promise<void> => void (await doomed.stop('SIGKILL'));
    gate.next = { when: 'after', matches: (rows) => rows.includes('task_created'), cut };
    const [payload, delivery] = [comment('@agent review'), randomUUID()];
    await expect(deliver(doomed.url, payload, { id: delivery })).rejects.toThrow();
    const [lost = ''] = await untilListed(other);
    // The holder of the lease waits for a minute.
    await until(
      async () => (await read(other, `/tasks/${lost}/logs/metadata`))?.completed_at != null,
      'its end',
      120_000,
    );
    expect(await read(other, `/tasks/${lost}/logs/final-result`)).toMatchObject({
      ...{ status: 'failed', error: expect.stringContaining('not queued') },
    });
    // It was not sent again until now.
    expect((await fleet.runs()).size).toBe(0);
    await fleet.worker();
    const again = await deliver(other.url, payload, { id: delivery });
    expect(again.status).toBe(202);
    const { task_ids: ids } = (await again.json()) as { readonly task_ids: readonly string[] };
    expect(ids).not.toContain(lost);
    expect(await untilEnded(other, ids)).toMatchObject([{ status: 'completed' }]);
    expect([...(await fleet.runs())]).toEqual([[ids[0], 1]]);
    expect(await untilEnded(other, [lost])).toMatchObject([{ status: 'failed' }]);
  }, 180_000);

  test.concurrent('a task whose service is killed after it has queued it runs, and is not taken for one that was not queued', {
    timeout: 240_000,
    tags: ['long'],
  }, async () => {
    const { fleet, gate, doomed, other } = await openGated();
    const cut = async (): Promise<void> => void (await doomed.stop('SIGKILL'));
    // The delivery is stored when the task is queued.
    gate.next = { when: 'before', matches: (rows) => rows.includes('"kind":"delivery"'), cut };
    await expect(deliver(doomed.url, comment('@agent review'), { id: randomUUID() })).rejects.toThrow();
    const [id = ''] = await untilListed(other);
    // Longer than the holder of the lease waits.
    await delay(80_000);
    expect(await read(other, `/tasks/${id}/logs/metadata`)).toMatchObject({ status: 'queued' });
    await fleet.worker();
    expect(await untilEnded(other, [id])).toMatchObject([{ status: 'completed' }]);
    expect([...(await fleet.runs())]).toEqual([[id, 1]]);
  });

  interface Gated {
    readonly fleet: WarehouseFleet;
    readonly gate: InsertGate;
    readonly doomed: ServiceProcess;
    readonly other: ServiceProcess;
  }

  /** Two services. What the first one stores goes through the gate. */
  async function openGated(): Promise<Gated> {
    const store = server.newTenant();
    const gate = await openInsertGate(store);
    afterTest(() => gate.close());
    const fleet = await WarehouseFleet.open(redis, { store });
    const doomed = await fleet.serve({ TASK_LOGS_STORE_URL: gate.address });
    return { fleet, gate, doomed, other: await fleet.serve() };
  }

  async function untilListed(service: ServiceProcess): Promise<readonly string[]> {
    return until(async () => {
      const tasks = await readAll(service, '/tasks');
      return tasks.length > 0 && tasks.map(({ task_id: id }) => String(id));
    }, 'the task');
  }
});
