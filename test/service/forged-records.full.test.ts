import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../src/model/json.ts';
import { comment, deliver } from '../support/deliveries.ts';
import { Fleet, submit } from '../support/fleet.ts';
import { forgedTask, sendForged } from '../support/forged-records.ts';
import { readDeliveries } from '../support/receiver.ts';
import { findRedis } from '../support/redis.ts';
import { firstTaskId, readDocument, resultOf } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const redis = findRedis();

/** Leaves a line with its task and its message, then waits for the file `go`. */
const NOTING = [
  'sh',
  '-c',
  'echo "$TASK_LOGS_TASK_ID $(head -c 100)" >> ran; while [ ! -e go ]; do sleep 0.05; done',
];

async function open(isRedis = false): Promise<Fleet> {
  const fleet = await Fleet.open(...(isRedis && !('missing' in redis) ? [redis] : []));
  await fleet.configure({ agents: { noting: { command: NOTING } } });
  return fleet;
}

async function runsOf(fleet: Fleet): Promise<readonly string[]> {
  const text = await readFile(join(fleet.cwd, 'ran'), 'utf8').catch(() => '');
  return text.split('\n').filter(Boolean).sort();
}

async function keptIn(fleet: Fleet): Promise<readonly string[]> {
  const names = await readdir(join(fleet.logDir, '_queue'));
  return names.filter((name) => name.startsWith('task-')).sort();
}

async function untilStored(fleet: Fleet, ids: readonly string[]): Promise<void> {
  for (const id of ids)
    await until(() => readDocument(fleet.logDir, id, 'metadata.json'), `the metadata of ${id}`);
}

/** The fields of a waiting task that say where it is queued. */
async function queueOf(fleet: Fleet, taskId: string): Promise<JsonObject> {
  const metadata = await until(async () => {
    const found = await readDocument(fleet.logDir, taskId, 'metadata.json');
    return found?.traceparent === undefined ? undefined : found;
  }, 'the metadata of a waiting task');
  const { queue_system, queue, queue_home, traceparent, command } = metadata as JsonObject;
  return { queue_system, queue, queue_home, traceparent, command } as JsonObject;
}

test('records about tasks start no agent after a restart, whatever they copy from real ones', async () => {
  const fleet = await open();
  const first = await fleet.start('start', { TASK_LOGS_CONCURRENCY: '1' });
  const running = await submit(first, { message: 'runs' });
  const waiting = await submit(first, { message: 'waits' });
  const copied = await queueOf(fleet, waiting);
  const forged = ['task-forged1', 'task-forged2', 'task-forged3'];
  await sendForged(first.otlpUrl, [
    ...forgedTask('task-forged1', { queue_system: 'in_process' }),
    ...forgedTask('task-forged2', copied),
    ...forgedTask('task-forged3', { ...copied, status: 'running', command: 'review' }),
    // About real tasks: another message, another command, another agent.
    ...forgedTask(waiting, { ...copied, command: 'deploy', requested_agent: 'evil', webhook_id: 'x' }, 0),
    ...forgedTask(waiting, copied, 600_000),
    ...forgedTask(running, copied, 600_000),
  ]);
  await untilStored(fleet, forged);
  await first.dispose();
  await fleet.killAgents(running);
  const second = await fleet.start('start', { TASK_LOGS_CONCURRENCY: '9' });
  await until(async () => (await runsOf(fleet)).length >= 3, 'the real tasks');
  await fleet.go();
  for (const id of [running, waiting])
    expect(await resultOf(fleet.logDir, id)).toMatchObject({ status: 'completed' });
  const expected = [`${running} runs`, `${running} runs`, `${waiting} waits`].sort();
  expect(await runsOf(fleet)).toEqual(expected);
  await second.stop();
  const third = await fleet.start('start');
  await until(async () => (await fetch(`${third.url}/readyz`)).ok, 'readiness');
  await third.stop();
  expect(await runsOf(fleet)).toEqual(expected);
  expect(await keptIn(fleet)).toEqual([]);
  // What another sender has opened, it ends: also where it bears the name of this directory.
  for (const id of forged)
    expect(await readDocument(fleet.logDir, id, 'metadata.json')).toMatchObject({ opened_by: 'anonymous' });
  expect(await readDocument(fleet.logDir, 'task-forged2', 'metadata.json')).toMatchObject({
    status: 'queued',
  });
});

test('a forged task is not in the queue of the service, so that cancelling it is refused', async () => {
  const fleet = await open();
  const service = await fleet.start('start', { TASK_LOGS_CONCURRENCY: '1' });
  const running = await submit(service, { message: 'runs' });
  const waiting = await submit(service, { message: 'waits' });
  await sendForged(service.otlpUrl, forgedTask('task-forged', await queueOf(fleet, waiting)));
  await untilStored(fleet, ['task-forged']);
  const cancel = async (id: string): Promise<number> =>
    (await fetch(`${service.url}/api/tasks/${id}/cancel`, { method: 'POST' })).status;
  expect(await cancel('task-forged')).toBe(409);
  expect(await cancel('task-nobody')).toBe(404);
  expect(await cancel(waiting)).toBe(200);
  expect(await cancel(waiting)).toBe(409);
  expect(await cancel(running)).toBe(202);
  expect(await resultOf(fleet.logDir, running)).toMatchObject({ status: 'cancelled' });
  expect(await cancel(running)).toBe(409);
  expect(await keptIn(fleet)).toEqual([]);
});

test('forged deliveries and tasks make no delivery and no comment known', async () => {
  const fleet = await open();
  await fleet.go();
  const first = await fleet.start('start');
  const genuine = comment('@agent review', { repository: { full_name: 'acme/app', id: 5 } }, 7);
  const other = comment('@agent review', { repository: { full_name: 'acme/app', id: 5 } }, 8);
  const known = await deliver(first.url, other, { id: 'delivery-known' });
  expect(known.status).toBe(202);
  const line = await until(async () => (await readDeliveries(fleet.logDir)).at(0) as JsonObject, 'its line');
  const about = { 'tasktrail.webhook.provider': 'github', 'tasktrail.webhook.delivery_id': 'FORGED-ID-1' };
  const body = { outcome: 'accepted', event_type: 'issue_comment', task_ids: ['task-x'], reason: null };
  const created = { stage: 'task_created', task_id: 'task-x', command: 'review' };
  const event = 'tasktrail.webhook.delivery';
  const subject = 'issue_comment 5 7';
  const { subject_macs, mac } = line as { subject_macs: JsonObject; mac: string };
  expect(mac).toMatch(/^[0-9a-f]{32}$/);
  const attributes = { ...about, 'tasktrail.task.id': 'task-x', 'tasktrail.webhook.stage': 'task_created' };
  await sendForged(first.otlpUrl, [
    { event, attributes: about, body: { ...body, stages: [created] } },
    // With the codes of a genuine line, for another delivery and another comment.
    { event, attributes: about, body: { ...body, mac, stages: [created] } },
    { event, attributes: about, body: { ...body, mac, subject, subject_macs, stages: [created] } },
    { event: 'tasktrail.webhook.task_created', attributes, body: null },
    ...forgedTask('task-x', {
      source: 'webhook',
      provider: 'github',
      command: 'review',
      webhook_id: 'FORGED-ID-1',
      webhook_subject: subject,
      webhook_mac: mac,
      started_at: new Date().toISOString(),
    }),
  ]);
  await until(async () => (await readDeliveries(fleet.logDir)).length >= 4, 'the forged lines');
  await untilStored(fleet, ['task-x']);
  await first.stop();
  const second = await fleet.start('start');
  expect((await deliver(second.url, genuine, { id: 'FORGED-ID-1' })).status).toBe(202);
  // And the genuine one is known: its delivery, its comment under another id, and with another secret.
  expect((await deliver(second.url, other, { id: 'delivery-known' })).status).toBe(200);
  expect((await deliver(second.url, other, { id: 'delivery-other' })).status).toBe(200);
  await second.stop();
  const secret = 'another secret of the tests';
  const third = await fleet.start('start', { GITHUB_WEBHOOK_SECRET: secret });
  expect((await deliver(third.url, other, { id: 'delivery-third', secret })).status).toBe(200);
  expect((await deliver(third.url, genuine, { id: 'delivery-fourth', secret })).status).toBe(200);
  const ran = await until(async () => {
    const ids = new Set((await runsOf(fleet)).map((line) => line.split(' ')[0]));
    return ids.size >= 2 ? ids : undefined;
  }, 'both comments');
  expect(ran.size).toBe(2);
});

test('a directory of a version without kept jobs goes on with its tasks, once', async () => {
  const fleet = await open();
  const first = await fleet.start('start', { TASK_LOGS_CONCURRENCY: '1' });
  const ids = [await submit(first, { message: 'runs' }), await submit(first, { message: 'waits' })];
  await until(async () => (await runsOf(fleet)).length === 1, 'the first to run');
  await queueOf(fleet, ids[1] ?? '');
  await first.dispose();
  await fleet.killAgents(ids[0] ?? '');
  await rm(join(fleet.logDir, '_queue'), { recursive: true });
  const second = await fleet.start('start');
  await until(async () => (await runsOf(fleet)).length === 3, 'both to run');
  expect(second.stdout).toContain('2 unfinished task(s) of an earlier run are queued again');
  expect(await keptIn(fleet)).toEqual(ids.map((id) => `${id}.json`).sort());
  await second.dispose();
  for (const id of ids) await fleet.killAgents(id);
  // From now on an entry decides: without it nothing starts.
  await rm(join(fleet.logDir, '_queue', `${ids[1]}.json`));
  await fleet.go();
  const third = await fleet.start('start');
  expect(await resultOf(fleet.logDir, ids[0] ?? '')).toMatchObject({ status: 'completed' });
  expect((await runsOf(fleet)).filter((line) => line.endsWith('waits'))).toHaveLength(1);
  await third.stop();
});

test('a damaged entry is named in /readyz and by doctor, and the others are queued again', async () => {
  const fleet = await open();
  const first = await fleet.start('start', { TASK_LOGS_CONCURRENCY: '1' });
  const ids = [];
  for (const message of ['one', 'two', 'three']) ids.push(await submit(first, { message }));
  await first.dispose();
  await fleet.go();
  const damaged = `_queue/${ids[1]}.json`;
  await writeFile(join(fleet.logDir, damaged), '{"schema_version":1,');
  const second = await fleet.start('start');
  for (const id of [ids[0], ids[2]])
    expect(await resultOf(fleet.logDir, id ?? '')).toMatchObject({ status: 'completed' });
  const ready = await until(async () => {
    const response = await fetch(`${second.url}/readyz`);
    const text = await response.text();
    return text.includes(damaged) ? { text, status: response.status } : undefined;
  }, 'the damaged entry in /readyz');
  expect(ready).toMatchObject({ status: 200, text: expect.stringContaining('damaged') });
  expect(second.stderr).toContain(`task ${ids[1]} cannot be queued again: ${damaged} is damaged`);
});

test('a task that cannot be kept is refused with 503, and nothing of it runs', async () => {
  const fleet = await open();
  await fleet.go();
  const service = await fleet.start('start');
  const folder = join(fleet.logDir, '_queue');
  await rm(folder, { recursive: true });
  await writeFile(folder, '');
  const refused = await service.submit({ message: 'refused' });
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
  expect(await refused.json()).toMatchObject({
    code: 'ERR_QUEUE_UNAVAILABLE',
    detail: expect.stringContaining('ENOTDIR'),
  });
  expect((await deliver(service.url, comment('@agent review'), { id: 'delivery-1' })).status).toBe(503);
  await rm(folder);
  const accepted = await deliver(service.url, comment('@agent review'), { id: 'delivery-1' });
  expect(accepted.status).toBe(202);
  const { task_ids: [id = ''] = [] } = (await accepted.json()) as { task_ids?: string[] };
  await resultOf(fleet.logDir, id);
  expect((await runsOf(fleet)).map((line) => line.split(' ')[0])).toEqual([id]);
});

describe.skipIf('missing' in redis)('with Redis', () => {
  test('an emptied Redis gets back what was kept, and no recorded task', async () => {
    const fleet = await open(true);
    const serve = await fleet.start('serve');
    const ids = [await submit(serve, { message: 'one' }), await submit(serve, { message: 'two' })];
    const copied = await queueOf(fleet, ids[0] ?? '');
    expect(copied.queue_system).toBe('bullmq');
    await sendForged(serve.otlpUrl, [
      ...forgedTask('task-forged1', { queue_system: 'bullmq', queue: 'agent' }),
      ...forgedTask('task-forged2', copied),
      ...forgedTask(ids[1] ?? '', copied, 0),
    ]);
    await untilStored(fleet, ['task-forged1', 'task-forged2']);
    await serve.dispose();
    await fleet.redis?.start({ empty: true });
    await fleet.go();
    const again = await fleet.start('serve');
    await fleet.start('worker');
    for (const id of ids)
      expect(await resultOf(fleet.logDir, id, 45_000)).toMatchObject({ status: 'completed' });
    expect(await runsOf(fleet)).toEqual([`${ids[0]} one`, `${ids[1]} two`].sort());
    // The worker has the directory, and removes what it has ended.
    await until(async () => (await keptIn(fleet)).length === 0, 'the entries to be gone');
    await again.stop();
  });

  test('what a worker elsewhere has ended is removed by the service', async () => {
    const fleet = await open(true);
    await fleet.go();
    const env = { TASK_LOGS_API_TOKEN: 'a-token-of-the-tests' };
    const authorization = `Bearer ${env.TASK_LOGS_API_TOKEN}`;
    const serve = await fleet.start('serve', env);
    await fleet.start('worker', {
      TASK_LOGS_DIR: join(fleet.cwd, 'elsewhere'),
      TASK_LOGS_STORE: 'false',
      OTEL_EXPORTER_OTLP_ENDPOINT: serve.otlpUrl,
      OTEL_EXPORTER_OTLP_HEADERS: `Authorization=${encodeURIComponent(authorization)}`,
    });
    const id = firstTaskId(await (await serve.submit({ message: 'one' }, { authorization })).json());
    expect(await resultOf(fleet.logDir, id)).toMatchObject({ status: 'completed' });
    expect(await keptIn(fleet)).toEqual([`${id}.json`]);
    await serve.stop();
    await fleet.start('serve', env);
    await until(async () => (await keptIn(fleet)).length === 0, 'the entry to be gone');
    expect(await runsOf(fleet)).toEqual([`${id} one`]);
  });
});
