import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { comment, deliver } from '../../support/deliveries.ts';
import { waitingUntilGo } from '../../support/fleet.ts';
import { checkSignature, NEXT_SECRET, NOTIFY_SECRET, startReceiver } from '../../support/notify-receiver.ts';
import { findRedis } from '../../support/redis.ts';
import type { Env, ServiceProcess } from '../../support/service-process.ts';
import { askRedis, bearer, redisUserOf, secretsOfTenant, type TenantSecrets } from '../../support/tenants.ts';
import { until } from '../../support/until.ts';
import { findVictoriaLogs, startVictoriaLogs, type VictoriaLogsServer } from '../../support/victoria-logs.ts';
import { read, readAll, untilEnded, WarehouseFleet } from '../../support/warehouse-fleet.ts';

const redis = findRedis();
const tool = findVictoriaLogs();

interface TenantService extends TenantSecrets {
  readonly service: ServiceProcess;
  readonly headers: Env;
  /** Of its workers. */
  readonly worker: Env;
}

interface Answer {
  readonly status: number;
  readonly ids: readonly string[];
}

async function send({ service }: TenantService, payload: object, id: string): Promise<Answer> {
  const response = await deliver(service.url, payload, { id });
  const { task_ids: ids = [] } = (await response.json()) as { readonly task_ids?: readonly string[] };
  return { status: response.status, ids };
}

async function cancel({ service, headers }: TenantService, id: string): Promise<[number, unknown]> {
  const answer = await fetch(`${service.url}/api/tasks/${id}/cancel`, { method: 'POST', headers });
  return [answer.status, await answer.json()];
}

async function isHeld({ service, headers }: TenantService): Promise<boolean> {
  const answer = await fetch(`${service.url}/metrics`, { headers });
  return /^tasktrail_lease_held(?:\{[^}]*\})? 1$/m.test(await answer.text());
}

async function tasksOf({ service, headers }: TenantService): Promise<readonly unknown[]> {
  return (await readAll(service, '/tasks', headers)).map(({ task_id: id }) => id);
}

describe.skipIf('missing' in redis || 'missing' in tool)(
  'two tenants over one VictoriaLogs and one Redis',
  () => {
    let server: VictoriaLogsServer;

    beforeAll(async () => {
      server = await startVictoriaLogs(tool);
    });
    afterAll(() => server.stop());

    /** Each has a user of Redis who is refused every key of the other one, and every key without a tenant. */
    async function open(fleet: WarehouseFleet, tenant: string, more: Env = {}): Promise<TenantService> {
      const secrets = secretsOfTenant(tenant);
      const env = { ...secrets.env, ...more, REDIS_URL: await redisUserOf(fleet.redis, tenant) };
      const service = await fleet.serve(env);
      return {
        ...secrets,
        service,
        headers: bearer(secrets.token),
        worker: { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: service.otlpUrl },
      };
    }

    test('each has its own tasks, deliveries, workers and lease', async () => {
      const fleet = await WarehouseFleet.open(redis, { store: server.address });
      const [one, other] = [await open(fleet, '7'), await open(fleet, '7:1')];
      // Both hold a lease at the same time.
      for (const tenant of [one, other]) await until(() => isHeld(tenant), `the lease of ${tenant.tenant}`);
      await fleet.worker(one.worker);
      const deliveries = Array.from({ length: 5 }, () => ({
        payload: comment('@agent review'),
        id: randomUUID(),
      }));
      const ofOne: string[] = [];
      const ofOther: string[] = [];
      for (const { payload, id } of deliveries) {
        const answers = await Promise.all([send(one, payload, id), send(other, payload, id)]);
        // The same delivery at the other tenant is none that was taken before.
        expect(answers.map(({ status }) => status)).toEqual([202, 202]);
        ofOne.push(...answers[0].ids);
        ofOther.push(...answers[1].ids);
        expect(await send(one, payload, id)).toEqual({ status: 200, ids: answers[0].ids });
        expect(await send(other, payload, id)).toEqual({ status: 200, ids: answers[1].ids });
      }
      expect(new Set([...ofOne, ...ofOther]).size).toBe(10);
      await untilEnded(one.service, ofOne, one.headers);
      // The worker has nothing left to do, and has taken none of the other tenant's.
      expect([...(await fleet.runs())].sort()).toEqual(ofOne.sort().map((id) => [id, 1]));
      expect(await read(one.service, '/health', one.headers)).toMatchObject({
        queue: { waiting: 0, running: 0 },
      });
      expect(await read(other.service, '/health', other.headers)).toMatchObject({
        queue: { waiting: 5, running: 0 },
      });
      const [foreign = ''] = ofOther;
      const [status, problem] = await cancel(one, foreign);
      const [unknown, alike] = await cancel(one, 'task-unknown-to-all-0');
      expect([status, unknown]).toEqual([404, 404]);
      expect(JSON.stringify(problem).replaceAll(foreign, 'id')).toBe(
        JSON.stringify(alike).replaceAll('task-unknown-to-all-0', 'id'),
      );
      await fleet.worker(other.worker);
      for (const metadata of await untilEnded(other.service, ofOther, other.headers))
        expect(metadata).toMatchObject({ status: 'completed', attempt: 1 });
      expect([...(await fleet.runs())].sort()).toEqual([...ofOne, ...ofOther].sort().map((id) => [id, 1]));
      expect([...(await tasksOf(one))].sort()).toEqual(ofOne.sort());
      expect([...(await tasksOf(other))].sort()).toEqual(ofOther.sort());
      // The other one goes on when one service ends.
      await one.service.stop();
      expect(await isHeld(other)).toBe(true);
      const keys = await askRedis(fleet.redis, ['KEYS', '*']);
      const names = keys.split('\r\n').filter((line) => line.includes('tasktrail'));
      expect(names.length).toBeGreaterThan(20);
      expect(names.filter((name) => !/^tasktrail:\{store 7:[01]\}:/.test(name))).toEqual([]);
    }, 120_000);

    test('a running task is ended by its tenant alone, and told to the receivers of its tenant', async () => {
      const receiver = await startReceiver();
      const fleet = await WarehouseFleet.open(redis, { store: server.address });
      await fleet.configure({
        agents: { counted: { command: waitingUntilGo() } },
        notify: [
          {
            name: 'desk',
            on: ['task.*'],
            url: receiver.url,
            secret: `\${NOTIFY_SECRET}`,
            allow_addresses: ['127.0.0.1'],
          },
        ],
      });
      const one = await open(fleet, '8', { NOTIFY_SECRET });
      const other = await open(fleet, '9', { NOTIFY_SECRET: NEXT_SECRET });
      for (const tenant of [one, other]) await until(() => isHeld(tenant), `the lease of ${tenant.tenant}`);
      await fleet.worker(one.worker);
      await fleet.worker(other.worker);
      const [mine = ''] = (await send(one, comment('@agent review'), randomUUID())).ids;
      const [theirs = ''] = (await send(other, comment('@agent review'), randomUUID())).ids;
      for (const [tenant, id] of [[one, mine] as const, [other, theirs] as const])
        await until(
          async () =>
            (await read(tenant.service, `/tasks/${id}/logs/metadata`, tenant.headers))?.status === 'running',
          `${id} to run`,
          30_000,
        );
      expect((await cancel(one, theirs))[0]).toBe(404);
      expect((await cancel(other, theirs))[0]).toBe(202);
      await untilEnded(other.service, [theirs], other.headers);
      expect(await read(one.service, `/tasks/${mine}/logs/metadata`, one.headers)).toMatchObject({
        status: 'running',
      });
      await fleet.go();
      await untilEnded(one.service, [mine], one.headers);
      await until(() => receiver.ids().length === 2, 'the notifications', 30_000);
      for (const received of receiver.received) {
        const isMine = received.body.includes(mine);
        checkSignature(received, isMine ? NOTIFY_SECRET : NEXT_SECRET);
        expect(received.body).not.toContain(isMine ? theirs : mine);
      }
      expect([...receiver.types()].sort()).toEqual(['task.cancelled', 'task.completed']);
    }, 120_000);

    test('without a tenant the keys are those that they were', async () => {
      const fleet = await WarehouseFleet.open(redis, { store: server.address });
      const service = await fleet.serve();
      const answer = await deliver(service.url, comment('@agent review'));
      expect(answer.status).toBe(202);
      const keys = await askRedis(fleet.redis, ['KEYS', '*']);
      expect(keys).toContain('tasktrail:agent:wait');
      expect(keys).toMatch(/^tasktrail:agent:claim:/m);
      const names = keys.split('\r\n').filter((line) => line.includes('tasktrail'));
      expect(names.filter((name) => !/^tasktrail:(?:agent|\{store 0:0\}):/.test(name))).toEqual([]);
    }, 60_000);
  },
);
