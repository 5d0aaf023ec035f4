import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JsonObject, JsonValue } from '../../../../src/model/json.ts';
import { anyValueFromPlain, keyValuesFromPlain } from '../../../../src/model/otlp.ts';
import { VictoriaLogs } from '../../../../src/warehouse/client.ts';
import { storedId } from '../../../../src/warehouse/line-order.ts';
import { afterTest } from '../../../support/current-test.ts';
import { tempDir } from '../../../support/log-dir.ts';
import { NOTIFY_SECRET, type NotifyReceiver, startReceiver } from '../../../support/notify-receiver.ts';
import { findRedis, type RedisServer, startRedis } from '../../../support/redis.ts';
import { ServiceProcess } from '../../../support/service-process.ts';
import { pathOf } from '../../../support/tool.ts';
import { until } from '../../../support/until.ts';
import { ACCESS_KEY, findVersitygw, SECRET_KEY, startVersitygw } from '../../../support/versitygw.ts';
import {
  findVictoriaLogs,
  startVictoriaLogs,
  type VictoriaLogsServer,
} from '../../../support/victoria-logs.ts';

const redisProgram = findRedis();
const logsProgram = findVictoriaLogs();
const gateway = findVersitygw();

const TOKEN = 'token-of-the-test';
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';

/** Longer than a lease, and than the silence after which a task is given up. */
const TAKEOVER_MS = 30_000;
const GIVEN_UP_MS = 150_000;

describe.skipIf('missing' in redisProgram || 'missing' in logsProgram)('what is done once', () => {
  let logs: VictoriaLogsServer;

  beforeAll(async () => {
    if ('missing' in logsProgram) return;
    logs = await startVictoriaLogs(logsProgram);
  });
  afterAll(() => logs.stop());

  interface Setup {
    readonly store: string;
    readonly redis: RedisServer;
    readonly receiver: NotifyReceiver;
    readonly services: ServiceProcess[];
  }

  async function setUp(count: number, more: Readonly<Record<string, string>> = {}): Promise<Setup> {
    const redis = await startRedis(redisProgram, { appendOnly: true });
    afterTest(() => redis.stop());
    const receiver = await startReceiver();
    const store = logs.newTenant();
    const services: ServiceProcess[] = [];
    for (let index = 0; index < count; index += 1) {
      const cwd = await tempDir();
      const notify = [
        { name: 'chat', url: receiver.url, secret: NOTIFY_SECRET, allow_addresses: ['127.0.0.1'] },
      ];
      await writeFile(join(cwd, 'tasktrail.config.json'), JSON.stringify({ notify }));
      const env = { REDIS_URL: redis.url, TASK_LOGS_API_TOKEN: TOKEN, ...more };
      const service = await ServiceProcess.start({ cwd, env, args: ['serve', '--store', store] });
      services.push(service);
      afterTest(async () => {
        service.child.kill('SIGCONT');
        await service.dispose();
      });
    }
    return { store, redis, receiver, services };
  }

  test('the tasks of dead workers are abandoned once, their spans completed once and notifications sent once, also when the lease changes hands', {
    tags: ['long'],
    timeout: 400_000,
  }, async () => {
    const { store, redis, receiver, services } = await setUp(3);
    const first = await until(() => holderOf(services), 'a holder', TAKEOVER_MS);
    const ids = Array.from({ length: 6 }, (_, index) => `task-${index}`);
    const [any = first] = services;
    for (const [index, id] of [...ids, 'task-alive'].entries()) await sendRunning(any, id, index);
    await sendWorkflow(any, 'workflow-emitted');

    const alive = setInterval(() => {
      for (const service of services) if (!isGone(service)) void sendHeartbeat(service, 'task-alive');
    }, 2_000);
    afterTest(() => clearInterval(alive));

    // By `emit`, without a process that sends the span.
    const workflowSpans = (): Promise<readonly string[]> => idsOf(store, 'workflow-span', 'workflow-emitted');
    await until(async () => (await workflowSpans()).length === 1, 'the span of the workflow', TAKEOVER_MS);

    first.child.kill('SIGKILL');
    const second = await until(() => holderOf(services, first), 'the next holder', TAKEOVER_MS);
    second.child.kill('SIGSTOP');
    const third = await until(() => holderOf(services, first, second), 'the third holder', TAKEOVER_MS);
    second.child.kill('SIGCONT');
    await redis.start();
    await until(() => holderOf(services, first), 'a holder after the restart', TAKEOVER_MS);
    expect([second, third].filter((one) => !isGone(one))).toHaveLength(2);

    await until(
      async () => {
        const listed = await listedAs(third, 'abandoned');
        return ids.every((id) => listed.includes(id));
      },
      'the tasks to be abandoned',
      GIVEN_UP_MS,
    );
    await until(() => receiver.ids().length === ids.length + 2, 'the notifications', TAKEOVER_MS);
    // Spans of ended tasks are waited for, for ten seconds.
    const rowOf = (id: string): string => storedId(`${TRACE_ID}-${spanIdOf(ids.indexOf(id))}`);
    const spansOf = (id: string): Promise<readonly string[]> => idsOf(store, 'span', id);
    for (const id of ids)
      await until(async () => (await spansOf(id)).includes(rowOf(id)), `the span of ${id}`, TAKEOVER_MS);
    const workflow = (): Promise<unknown> => get(third, '/api/workflows/workflow-task-0');
    await until(
      async () => ((await workflow()) as { status?: string }).status === 'cancelled',
      'the end of the workflow',
      TAKEOVER_MS,
    );
    for (const id of ids) {
      expect([id, await idsOf(store, 'fact', id, 'event:="tasktrail.task.result"')]).toMatchObject([
        id,
        { length: 1 },
      ]);
      const result = await get(third, `/api/tasks/${id}/logs/final-result`);
      expect(result).toMatchObject({
        status: 'abandoned',
        error: expect.stringMatching(/its worker is gone/),
      });
      const trace = await get(third, `/api/tasks/${id}/trace`);
      const own = (trace as { span_id: string }[]).filter(
        ({ span_id: spanId }) => spanId === spanIdOf(ids.indexOf(id)),
      );
      expect([id, own]).toMatchObject([id, [{ name: 'process agent' }]]);
      expect(JSON.stringify(own)).toContain('process_lost');
    }
    const { events } = (await workflow()) as { events: { event_type: string }[] };
    expect(events.filter(({ event_type: type }) => type === 'workflow_complete')).toHaveLength(1);
    expect(await idsOf(store, 'event', 'workflow-task-0')).toHaveLength(events.length);
    expect(await listedAs(third, 'running')).toEqual(['task-alive']);
    expect(await workflowSpans()).toHaveLength(1);
    // Each of them once: for no event a second request, and no second event.
    expect(receiver.received.map(({ message }) => message.type).sort()).toEqual(
      [...ids.map(() => 'task.abandoned'), 'workflow.cancelled', 'workflow.completed'].sort(),
    );
    expect(receiver.received).toHaveLength(receiver.ids().length);
  });

  test('without Redis records are taken, the answers say that no service works for all, and what came meanwhile is done later', async () => {
    const { store, redis, receiver, services } = await setUp(2);
    const holder = await until(() => holderOf(services), 'a holder', TAKEOVER_MS);
    await redis.kill();
    await until(async () => (await holderOf(services)) === undefined, 'no holder', TAKEOVER_MS);
    await until(
      async () => JSON.stringify(await get(holder, '/readyz')).includes('no service ends silent tasks'),
      'the notice',
    );
    for (const service of services) {
      const ready = await fetch(`${pageOf(service)}/readyz`, { headers });
      // Webhooks cannot be taken, as over files.
      const body = (await ready.json()) as { readonly reasons: object };
      expect([ready.status, Object.keys(body.reasons)]).toEqual([503, ['queue']]);
      expect(await metric(service, 'tasktrail_lease_held')).toBe(0);
    }
    await sendWorkflow(holder, 'workflow-meanwhile');
    await until(
      async () => (await idsOf(store, 'event', 'workflow-meanwhile')).length === 2,
      'the events to be stored',
    );
    expect(receiver.received).toEqual([]);
    await redis.start();
    await until(() => receiver.received.length === 1, 'the notification', TAKEOVER_MS);
    await until(
      async () => (await idsOf(store, 'workflow-span', 'workflow-meanwhile')).length === 1,
      'the span',
      TAKEOVER_MS,
    );
    expect(receiver.received[0]?.message).toMatchObject({ data: { workflow_id: 'workflow-meanwhile' } });
    const list = await get(holder, '/api/notifications');
    expect(list).toMatchObject({ items: [{ state: 'delivered', workflow_id: 'workflow-meanwhile' }] });

    const terms = (): number =>
      services
        .map(({ stderr }) => stderr.split('holds the lease in Redis, number').length)
        .reduce((a, b) => a + b);
    const before = terms();
    await redis.start({ empty: true });
    await until(() => terms() > before, 'the next term', TAKEOVER_MS);
    expect(await itemsOf(holder)).toBe(0);
    await sendWorkflow(holder, 'workflow-later');
    await until(() => receiver.received.length > 1, 'the next notification', TAKEOVER_MS);
    expect(receiver.received.map(({ message }) => message)).toMatchObject([
      { data: { workflow_id: 'workflow-meanwhile' } },
      { data: { workflow_id: 'workflow-later' } },
    ]);
  }, 200_000);

  test('spans that the holder makes go on to the endpoint once', async () => {
    const bodies: string[] = [];
    const endpoint = createServer(async (req, res) => {
      let text = '';
      for await (const piece of req) text += String(piece);
      if (req.url === '/v1/traces') bodies.push(text);
      res.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
    await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
    afterTest(async () => void endpoint.close());
    const { port } = endpoint.address() as AddressInfo;
    const { store, services } = await setUp(2, {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    });
    const holder = await until(() => holderOf(services), 'a holder', TAKEOVER_MS);
    await sendWorkflow(holder, 'workflow-sent-on');
    const [row = ''] = await until(
      async () => {
        const ids = await idsOf(store, 'workflow-span', 'workflow-sent-on');
        return ids.length > 0 && ids;
      },
      'the span',
      TAKEOVER_MS,
    );
    const sent = (): number => bodies.join().split('workflow-sent-on').length - 1;
    await until(() => sent() > 0, 'the span at the endpoint', TAKEOVER_MS);
    const spanIds = [...bodies.join().matchAll(/"spanId":"([0-9a-f]{16})"/g)].map(([, id = '']) => id);
    expect(spanIds.filter((id) => row.endsWith(storedId(`-${id}`)))).toHaveLength(1);
  }, 120_000);

  test.skipIf('missing' in gateway)(
    'a document that waits for S3 is uploaded by the next holder, and late events follow',
    async () => {
      const s3 = await startVersitygw(pathOf(gateway));
      afterTest(() => s3.stop());
      const { services } = await setUp(2, {
        ...{ TASK_LOGS_S3_BUCKET: 'archive', TASK_LOGS_S3_ENDPOINT: s3.endpoint, AWS_REGION: 'us-east-1' },
        ...{
          AWS_ACCESS_KEY_ID: ACCESS_KEY,
          AWS_SECRET_ACCESS_KEY: SECRET_KEY,
          TASK_LOGS_S3_PATH_STYLE: 'true',
        },
      });
      const first = await until(() => holderOf(services), 'a holder', TAKEOVER_MS);
      const id = 'workflow-kept-20260102T030405Z';
      await sendWorkflow(first, id);
      // There is no bucket yet.
      await until(
        async () => JSON.stringify(await get(first, '/readyz')).includes('1 workflow document waits'),
        'the notice',
        TAKEOVER_MS,
      );
      const upload = async (of: ServiceProcess): Promise<unknown> => {
        const one = (await get(of, `/api/workflows/${id}`)) as { readonly upload?: unknown };
        const { items } = (await get(of, '/api/workflows')) as { readonly items: { upload?: unknown }[] };
        // It may be verified once more in between.
        const steady = (value: unknown): string => JSON.stringify(value).replace(/"verified_at":"[^"]*"/, '');
        expect(steady(items[0]?.upload)).toBe(steady(one.upload));
        return one.upload;
      };
      expect(await upload(first)).toEqual({
        status: 'pending',
        url: null,
        revision: null,
        verified_at: null,
      });
      first.child.kill('SIGKILL');
      const next = await until(() => holderOf(services, first), 'the next holder', TAKEOVER_MS);
      await s3.makeBucket('archive');
      const documents = async (): Promise<readonly string[]> => [...(await s3.objectsIn('archive')).values()];
      const [document] = await until(
        async () => {
          const found = await documents();
          return found.length > 0 && found;
        },
        'the object',
        90_000,
      );
      expect(JSON.parse(document ?? '')).toMatchObject({
        workflow_id: id,
        revision: 1,
        events: { length: 2 },
      });
      const [object = ''] = (await s3.objectsIn('archive')).keys();
      expect(object).toContain('2026');
      await until(
        async () =>
          (await upload(next)) !== undefined && JSON.stringify(await upload(next)).includes('verified"'),
        'the mark',
      );
      expect(await upload(next)).toMatchObject({
        status: 'verified',
        url: `s3://archive/${object}`,
        revision: 1,
      });
      await send(next, [
        record('tasktrail.artifact_create', {
          attributes: { 'tasktrail.workflow.id': id },
          body: { artifact: { type: 'spec', path: '/late.md' } },
        }),
      ]);
      await until(
        async () => (JSON.parse((await documents())[0] ?? '{}') as { revision?: number }).revision === 2,
        'the next revision',
        TAKEOVER_MS,
      );
      expect(await documents()).toHaveLength(1);
      expect((await documents())[0]).toContain('/late.md');
    },
    300_000,
  );
});

function isGone({ child }: ServiceProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function holderOf(
  services: readonly ServiceProcess[],
  ...former: readonly ServiceProcess[]
): Promise<ServiceProcess | undefined> {
  for (const service of services)
    if (!former.includes(service) && (await metric(service, 'tasktrail_lease_held')) === 1) return service;
  return undefined;
}

async function metric(service: ServiceProcess, name: string): Promise<number | undefined> {
  const text = await fetch(`${pageOf(service)}/metrics`, { headers, signal: AbortSignal.timeout(2_000) })
    .then((answer) => answer.text())
    .catch(() => '');
  const [, value] = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, 'm').exec(text) ?? [];
  return value === undefined ? undefined : Number(value);
}

const headers = { authorization: `Bearer ${TOKEN}` };

function pageOf({ stdout }: ServiceProcess): string {
  return /page +(http:\S+)\//.exec(stdout)?.[1] ?? '';
}

async function get(service: ServiceProcess, path: string): Promise<unknown> {
  return (await fetch(pageOf(service) + path, { headers })).json();
}

async function itemsOf(service: ServiceProcess): Promise<number | undefined> {
  return ((await get(service, '/api/notifications')) as { items?: unknown[] }).items?.length;
}

async function listedAs(service: ServiceProcess, status: string): Promise<readonly string[]> {
  const page = (await get(service, `/api/tasks?status=${status}`)) as { items?: { task_id: string }[] };
  return (page.items ?? []).map(({ task_id: id }) => id).sort();
}

/** Ids of the rows of a unit, each once. */
async function idsOf(store: string, kind: string, unit: string, more = ''): Promise<readonly string[]> {
  const rows = await new VictoriaLogs(store).rows(
    `{app="tasktrail",kind="${kind}"} "unit":="${unit}" ${more} | uniq by (id)`,
  );
  return rows.map(({ id = '' }) => id);
}

function spanIdOf(index: number): string {
  return String(index + 1).padStart(16, '0');
}

async function sendRunning(service: ServiceProcess, id: string, index: number): Promise<void> {
  const task = { 'tasktrail.task.id': id, 'tasktrail.task.attempt': 1 };
  await send(service, [
    record('tasktrail.task.metadata', {
      attributes: { ...task, 'tasktrail.span.name': 'process agent', 'tasktrail.span.kind': 5 },
      body: { status: 'running', attempt: 1, heartbeat_seconds: 10, workflow_ids: [`workflow-${id}`] },
      span: { traceId: TRACE_ID, spanId: spanIdOf(index) },
    }),
    ...(index === 0
      ? [
          record('tasktrail.workflow_start', {
            attributes: { ...task, 'tasktrail.workflow.id': `workflow-${id}` },
            body: { phases: [] },
          }),
        ]
      : []),
  ]);
}

function sendWorkflow(service: ServiceProcess, id: string): Promise<void> {
  const attributes = { 'tasktrail.workflow.id': id };
  return send(service, [
    record('tasktrail.workflow_start', { attributes, body: { phases: [] } }),
    record('tasktrail.workflow_complete', { attributes, body: { status: 'success' } }),
  ]);
}

function sendHeartbeat(service: ServiceProcess, id: string): Promise<void> {
  const attributes = { 'tasktrail.task.id': id, 'tasktrail.task.attempt': 1 };
  return send(service, [record('tasktrail.task.heartbeat', { attributes })]).catch(() => {});
}

let records = 0;

function record(
  eventName: string,
  {
    attributes,
    body,
    span,
  }: {
    readonly attributes: Readonly<Record<string, JsonValue>>;
    readonly body?: JsonObject;
    readonly span?: { readonly traceId: string; readonly spanId: string };
  },
): unknown {
  records += 1;
  const id = `01KDY${String(records).padStart(21, '0')}`;
  return {
    timeUnixNano: `${Date.now()}000000`,
    eventName,
    attributes: keyValuesFromPlain({ 'tasktrail.event.id': id, ...attributes }),
    ...(body !== undefined && { body: anyValueFromPlain(body) }),
    ...span,
  };
}

async function send(service: ServiceProcess, logRecords: readonly unknown[]): Promise<void> {
  const answer = await fetch(`${service.otlpUrl}/v1/logs`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] }),
    signal: AbortSignal.timeout(5_000),
  });
  expect([answer.status, await answer.text()]).toEqual([200, expect.not.stringContaining('rejected')]);
}
