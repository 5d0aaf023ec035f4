import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { afterTest } from '../../support/current-test.ts';
import { comment, deliver } from '../../support/deliveries.ts';
import { openInsertGate } from '../../support/insert-gate.ts';
import { findRedis } from '../../support/redis.ts';
import type { ServiceProcess } from '../../support/service-process.ts';
import { until } from '../../support/until.ts';
import { CUSTOM_WEBHOOK, SECRET_ENV, SECRETS, say, VENDORS } from '../../support/vendors.ts';
import { findVictoriaLogs, startVictoriaLogs, type VictoriaLogsServer } from '../../support/victoria-logs.ts';
import { read, readAll, stagesOf, untilEnded, WarehouseFleet } from '../../support/warehouse-fleet.ts';

const redis = findRedis();
const tool = findVictoriaLogs();

const STAGES = [
  'received',
  'validation',
  'command_matching',
  'immediate_response',
  'task_created',
  'queue_push',
];

interface Answer {
  readonly status: number;
  readonly ids: readonly string[];
}

async function send(service: ServiceProcess, payload: object, id: string): Promise<Answer> {
  const response = await deliver(service.url, payload, { id });
  const { task_ids: ids = [] } = (await response.json()) as { readonly task_ids?: readonly string[] };
  return { status: response.status, ids };
}

/** As a sender does after a 503. */
async function sendUntilTaken(service: ServiceProcess, payload: object, id: string): Promise<Answer> {
  return until(
    async () => {
      const answer = await send(service, payload, id);
      if (answer.status === 503) await delay(300);
      return answer.status === 503 ? undefined : answer;
    },
    `${id} to be taken`,
    60_000,
  );
}

describe.skipIf('missing' in redis || 'missing' in tool)('webhooks of services over VictoriaLogs', () => {
  let server: VictoriaLogsServer;

  beforeAll(async () => {
    server = await startVictoriaLogs(tool);
  });
  afterAll(() => server.stop());

  /** Every task of the fleet ran once, and its flow and delivery are whole. */
  async function expectOnce(
    fleet: WarehouseFleet,
    service: ServiceProcess,
    ids: readonly string[],
  ): Promise<void> {
    for (const metadata of await untilEnded(service, ids))
      expect(metadata).toMatchObject({ status: 'completed', source: 'webhook', attempt: 1 });
    await server.flush();
    const tasks = await readAll(service, '/tasks');
    expect(tasks.map(({ task_id: id }) => id).sort()).toEqual([...ids].sort());
    expect([...(await fleet.runs())].sort()).toEqual([...ids].sort().map((id) => [id, 1]));
    for (const id of ids) expect(await stagesOf(service, id), id).toEqual(STAGES);
    const accepted = await readAll(service, '/webhooks?outcome=accepted');
    expect(accepted.flatMap(({ task_ids: named }) => named).sort()).toEqual([...ids].sort());
  }

  test('fifty deliveries, each to two services at once and again to the other one, are fifty tasks', async () => {
    const fleet = await WarehouseFleet.open(redis, { store: server.newTenant() });
    const [one, other] = [await fleet.serve(), await fleet.serve()];
    await fleet.worker({ TASK_LOGS_CONCURRENCY: '4' });
    const deliveries = Array.from({ length: 50 }, () => ({
      payload: comment('@agent review'),
      id: randomUUID(),
    }));
    const both = await Promise.all(
      deliveries.map(({ payload, id }) => Promise.all([send(one, payload, id), send(other, payload, id)])),
    );
    const ids = both.map((pair) => {
      expect(pair.map(({ status }) => status).sort()).toEqual([200, 202]);
      expect(pair[0].ids).toEqual(pair[1].ids);
      return pair[0].ids[0] ?? '';
    });
    for (const [index, { payload, id }] of deliveries.entries())
      expect(await send(index % 2 === 0 ? other : one, payload, id)).toEqual({
        status: 200,
        ids: [ids[index]],
      });
    // Another delivery of a comment that the other service has taken.
    const [twin] = deliveries;
    const answer = await deliver(both[0]?.[0].status === 202 ? other.url : one.url, twin?.payload ?? {});
    expect(await answer.json()).toMatchObject({
      status: 'duplicate',
      message: 'another delivery of the same comment, message or issue was taken before',
      task_ids: [ids[0]],
    });
    await expectOnce(fleet, one, ids);
    const repeated = await readAll(other, '/webhooks?outcome=duplicate');
    expect(repeated).toHaveLength(101);
    // A service that has just been started knows them, too.
    const third = await fleet.serve();
    const [{ payload, id } = { payload: {}, id: '' }] = deliveries;
    expect(await send(third, payload, id)).toEqual({ status: 200, ids: [ids[0]] });
    const health = await read(third, '/health');
    expect(health).toMatchObject({ status: 'ready', queue: { waiting: 0, running: 0, system: 'bullmq' } });
  }, 180_000);

  const MOMENTS = [
    ['before its facts are stored', 'before', '"task_created"'],
    ['after its facts are stored and before it is queued', 'after', '"task_created"'],
    ['after it is queued and before its delivery is stored', 'before', '"kind":"delivery"'],
    ['after its delivery is stored and before the answer', 'after', '"kind":"delivery"'],
  ] as const;

  test.concurrent.each(MOMENTS)(
    'of a service that is killed while it starts a task, %s, another one makes one task and one run',
    async (_when, when, text) => {
      const store = server.newTenant();
      const gate = await openInsertGate(store);
      afterTest(() => gate.close());
      const fleet = await WarehouseFleet.open(redis, { store });
      const doomed = await fleet.serve({ TASK_LOGS_STORE_URL: gate.address });
      const other = await fleet.serve();
      await fleet.worker();
      const kill = async (): Promise<void> => void (await doomed.stop('SIGKILL'));
      gate.next = {
        when,
        matches: (rows) => rows.includes(text.replaceAll('"', '\\"')) || rows.includes(text),
        cut: kill,
      };
      const [payload, id] = [comment('@agent review'), randomUUID()];
      await expect(send(doomed, payload, id)).rejects.toThrow();
      expect((await doomed.exited).signal).toBe('SIGKILL');
      const taken = await sendUntilTaken(other, payload, id);
      expect([200, 202]).toContain(taken.status);
      expect(taken.ids).toHaveLength(1);
      await expectOnce(fleet, other, taken.ids);
      expect(await send(other, payload, id)).toEqual({ status: 200, ids: taken.ids });
    },
    120_000,
  );

  test('webhooks of every sender start a task, and a forged one none', async () => {
    const fleet = await WarehouseFleet.open(redis, { store: server.newTenant() });
    await fleet.configure({
      agents: { echo: { command: ['sh', '-c', 'echo $TASK_LOGS_TASK_ID >> ran; cat'] } },
      webhooks: CUSTOM_WEBHOOK,
    });
    const service = await fleet.serve(SECRET_ENV);
    await fleet.worker(SECRET_ENV);
    const ids: string[] = [];
    for (const vendor of VENDORS) {
      const answer = await say(service.url, vendor, '@agent review this, please');
      expect(answer.status, vendor.name).toBe(202);
      ids.push(...((await answer.json()) as { task_ids: string[] }).task_ids);
    }
    const forged = await deliver(service.url, comment('@agent review'), {
      secret: 'the secret of another repository',
    });
    expect([forged.status, await forged.json()]).toMatchObject([401, { code: 'ERR_SIGNATURE_INVALID' }]);
    const plain = await deliver(service.url, comment('thank you'), { secret: SECRETS.new });
    expect([plain.status, await plain.json()]).toMatchObject([200, { actions: 0 }]);
    await expectOnce(fleet, service, ids);
    const rejected = await until(async () => {
      const lines = await readAll(service, '/webhooks?outcome=rejected');
      return lines.length > 0 && lines;
    }, 'the forged delivery');
    expect(rejected).toMatchObject([{ provider: 'github', reason: 'wrong_signature', task_ids: [] }]);
    const items = (await read(service, `/tasks/${ids[0]}/logs/agent-output`)) as unknown as {
      content: string;
    }[];
    expect(items.map(({ content }) => content).join('')).toContain('review this, please');
  }, 120_000);

  test('while VictoriaLogs is away deliveries are refused and start nothing; sent again, each is one task', async () => {
    const own = await startVictoriaLogs(tool);
    afterTest(() => own.stop());
    const fleet = await WarehouseFleet.open(redis, { store: own.address });
    const [one, other] = [await fleet.serve(), await fleet.serve()];
    await fleet.worker();
    await own.kill('SIGTERM');
    const deliveries = Array.from({ length: 10 }, () => ({
      payload: comment('@agent review'),
      id: randomUUID(),
    }));
    for (const { payload, id } of deliveries) {
      const response = await deliver(one.url, payload, { id });
      expect([response.status, await response.json()]).toMatchObject([
        503,
        { code: 'ERR_STORE_UNAVAILABLE' },
      ]);
      expect((await send(other, payload, id)).status).toBe(503);
    }
    const ready = await fetch(`${one.url}/readyz`);
    expect([ready.status, await ready.json()]).toMatchObject([503, { reasons: { store: /VictoriaLogs/ } }]);
    expect((await one.submit({ message: 'go' })).status).toBe(503);
    expect(await read(one, '/health')).toMatchObject({ status: 'not_ready', queue: { waiting: 0 } });
    await own.start();
    const ids: string[] = [];
    for (const { payload, id } of deliveries) {
      const answer = await sendUntilTaken(other, payload, id);
      expect(answer.status).toBe(202);
      ids.push(...answer.ids);
    }
    for (const metadata of await untilEnded(one, ids))
      expect(metadata).toMatchObject({ status: 'completed' });
    await own.flush();
    const tasks = await readAll(one, '/tasks');
    expect(tasks.map(({ task_id: id }) => id).sort()).toEqual([...ids].sort());
    expect([...(await fleet.runs())].sort()).toEqual([...ids].sort().map((id) => [id, 1]));
    for (const id of ids) expect(await stagesOf(one, id)).toEqual(STAGES);
    // What was refused meanwhile is recorded when VictoriaLogs is back.
    const refused = await until(async () => {
      const lines = await readAll(one, '/webhooks?outcome=rejected');
      return lines.length >= 20 && lines;
    }, 'the refused deliveries');
    expect(refused).toHaveLength(20);
    for (const line of refused) expect(line).toMatchObject({ task_ids: [], reason: /VictoriaLogs/ });
  }, 180_000);

  test('while Redis is away deliveries are refused and start nothing; sent again, each is one task', async () => {
    const fleet = await WarehouseFleet.open(redis, { store: server.newTenant(), appendOnly: true });
    const [one, other] = [await fleet.serve(), await fleet.serve()];
    await fleet.worker();
    const sent: { payload: object; id: string }[] = [];
    const first = new Map<string, Promise<Answer>>();
    const stream = (async () => {
      for (let n = 0; n < 60; n += 1) {
        const next = { payload: comment('@agent review'), id: randomUUID() };
        sent.push(next);
        first.set(next.id, send(n % 2 === 0 ? one : other, next.payload, next.id));
        await delay(20);
      }
    })();
    await until(() => sent.length >= 20, 'twenty deliveries');
    await fleet.redis.kill();
    await stream;
    const answers = await Promise.all(first.values());
    expect(answers.filter(({ status }) => status === 503).length).toBeGreaterThan(10);
    expect(answers.filter(({ status }) => status !== 503 && status !== 202)).toEqual([]);
    await until(async () => (await fetch(`${one.url}/readyz`)).status === 503, 'the queue to be missed');
    await fleet.redis.start();
    const ids = await Promise.all(
      sent.map(async ({ payload, id }, index) => {
        const { ids: named } = await sendUntilTaken(index % 2 === 0 ? other : one, payload, id);
        const before = answers[index];
        if (before?.status === 202) expect(named).toEqual(before.ids);
        return named[0] ?? '';
      }),
    );
    await expectOnce(fleet, one, ids);
  }, 180_000);
});
