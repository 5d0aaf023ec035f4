import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { type JsonObject, objectOf } from '../../src/model/json.ts';
import { lessInCi } from '../support/less-in-ci.ts';
import {
  checkSignature,
  NOTIFY_SECRET,
  type NotifyReceiver,
  startReceiver,
} from '../support/notify-receiver.ts';
import { readDocument, ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';

/** The lock of a stopped process is stale after ten seconds. */
const STALE_MS = 10_500;

interface Place {
  readonly cwd: string;
  readonly logDir: string;
  readonly receiver: NotifyReceiver;
}

async function place(on: readonly string[]): Promise<Place> {
  const cwd = await mkdtemp(join(tmpdir(), 'tasktrail-notify-'));
  onTestFinished(() => rm(cwd, { recursive: true, force: true }));
  const receiver = await startReceiver();
  const config = {
    agents: { quick: { command: ['sh', '-c', 'echo one; sleep 0.05'] } },
    notify: [{ name: 'chat', url: receiver.url, secret: ['$', '{NOTIFY_SECRET}'].join(''), on }].map(
      (entry) => ({ ...entry, allow_addresses: ['127.0.0.1'] }),
    ),
  };
  await writeFile(join(cwd, 'tasktrail.config.json'), JSON.stringify(config));
  return { cwd, logDir: join(cwd, 'logs'), receiver };
}

async function start({ cwd }: Place): Promise<ServiceProcess> {
  const env = { TASK_LOGS_ATTEMPTS: '30', TASK_LOGS_CONCURRENCY: '4', NOTIFY_SECRET };
  const service = await ServiceProcess.start({ cwd, env });
  onTestFinished(() => service.dispose());
  return service;
}

async function api(service: ServiceProcess, path: string): Promise<JsonObject> {
  return (await (await fetch(`${service.url}/api${path}`)).json()) as JsonObject;
}

test('however often the service is killed, each end is sent under one id, and none is lost', {
  tags: ['long'],
  timeout: 300_000,
}, async () => {
  const at = await place(['task.completed', 'workflow.completed']);
  const accepted: string[] = [];
  // The receiver is down as often as not, at random: kills come before, during and after its answers.
  at.receiver.answer = (res) => {
    if (Math.random() < 0.15) res.destroy();
    else setTimeout(() => res.writeHead(Math.random() < 0.1 ? 500 : 204).end(), Math.random() * 30);
  };
  for (let round = 0; round < lessInCi(5, 3); round += 1) {
    const service = await start(at);
    for (let count = 0; count < 5; count += 1) accepted.push(await service.sendComment('@agent review'));
    await delay(Math.random() * 900);
    await service.stop('SIGKILL');
  }
  at.receiver.answer = (res) => res.writeHead(204).end();
  const last = await start(at);
  const told = (type: string, key: string): Set<unknown> =>
    new Set(
      at.receiver.received
        .filter(({ message }) => message.type === type)
        .map(({ message }) => objectOf(message.data)[key]),
    );
  await until(
    () => accepted.every((id) => told('task.completed', 'task_id').has(id)),
    'each task to be told',
    110_000,
  );
  const { items: workflows } = await api(last, '/workflows?limit=500');
  const ended = (workflows as JsonObject[]).filter(({ status }) => status === 'success');
  expect(ended.length).toBeGreaterThan(0);
  await until(
    () => ended.every(({ workflow_id: id }) => told('workflow.completed', 'workflow_id').has(id)),
    'each workflow to be told',
    110_000,
  );
  const idsByEvent = new Map<string, Set<string>>();
  for (const one of at.receiver.received) {
    checkSignature(one);
    const { task_id: task, workflow_id: workflow, attempt } = objectOf(one.message.data);
    const event = JSON.stringify([one.message.type, task, workflow, attempt]);
    idsByEvent.set(event, (idsByEvent.get(event) ?? new Set()).add(one.id));
  }
  for (const [event, ids] of idsByEvent) expect([...ids], event).toHaveLength(1);
  // What was delivered under one id has one body, whichever process sent it.
  const bodies = new Map<string, string>();
  for (const { id, body } of at.receiver.received) {
    expect(bodies.get(id) ?? body).toBe(body);
    bodies.set(id, body);
  }
  await until(async () => {
    const [receiver] = (await api(last, '/notifications/receivers')).items as JsonObject[];
    return receiver?.pending === 0 && receiver.due === receiver.delivered;
  }, 'the books to balance');
});

test('a service whose directory was taken over sends nothing more', async () => {
  const at = await place(['task.completed']);
  at.receiver.answer = (res) => res.writeHead(503).end();
  const first = await start(at);
  const task = await first.sendComment('@agent review');
  await until(() => at.receiver.received.length > 0, 'the first try');
  expect((await readDocument(at.logDir, task, 'metadata.json'))?.status).toBe('completed');
  first.child.kill('SIGSTOP');
  await delay(STALE_MS);
  at.receiver.answer = (res) => res.writeHead(204).end();
  const before = at.receiver.received.length;
  const second = await start(at);
  await until(() => at.receiver.received.length > before, 'the second service to send');
  const [item] = await until(async () => {
    const { items } = await api(second, '/notifications?state=delivered');
    return Array.isArray(items) && items.length === 1 ? (items as JsonObject[]) : undefined;
  }, 'the delivery in REST');
  expect(item).toMatchObject({ receiver: 'chat', task_id: task, type: 'task.completed', last_status: 204 });
  const after = at.receiver.received.length;
  first.child.kill('SIGCONT');
  await until(
    () => first.child.exitCode !== null || /taken over/.test(first.stdout + first.stderr),
    'the first to notice',
  );
  await delay(6_000);
  expect(at.receiver.received.length).toBe(after);
  expect(at.receiver.ids()).toHaveLength(1);
}, 180_000);
