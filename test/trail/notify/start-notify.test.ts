import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Config, loadConfig } from '../../../src/config/config.ts';
import { recordTask, startTask } from '../../../src/record/task/attempt.ts';
import { startTasktrail, type Trail } from '../../../src/trail/trail.ts';
import { tempDir } from '../../support/log-dir.ts';
import {
  checkSignature,
  NEXT_SECRET,
  NOTIFY_SECRET,
  type NotifyReceiver,
  startReceiver,
} from '../../support/notify-receiver.ts';
import { projectDir } from '../../support/project-dir.ts';

type Entry = Record<string, unknown>;

function configOf(logDir: string, notify: readonly Entry[], env: Record<string, string> = {}): Config {
  const { cwd, put } = projectDir();
  put('tasktrail.config.json', { notify });
  return loadConfig({ env: { TASK_LOGS_DIR: logDir, TASK_LOGS_OTLP_PORT: '0', ...env }, cwd });
}

async function start(config: Config): Promise<Trail> {
  const trail = await startTasktrail({ config, log: () => {} });
  onTestFinished(() => trail.shutdown());
  return trail;
}

function entryOf({ url }: NotifyReceiver, more: Entry = {}): Entry {
  return { name: 'chat', url, secret: NOTIFY_SECRET, allow_addresses: ['127.0.0.1'], ...more };
}

test('the end of a task is sent once, signed with both secrets, with ids, status and cost', async () => {
  const receiver = await startReceiver();
  const logDir = await tempDir();
  const trail = await start(configOf(logDir, [entryOf(receiver, { secret: [NEXT_SECRET, NOTIFY_SECRET] })]));
  await recordTask({ source: 'test', message: 'Build it', taskId: 'task-1' }, async (task) =>
    task.usage({ costUsd: 0.25 }),
  );
  await expect.poll(() => receiver.received.length).toBe(1);
  const [received] = receiver.received;
  if (received === undefined) throw new Error('nothing was received');
  for (const secret of [NEXT_SECRET, NOTIFY_SECRET]) checkSignature(received, secret);
  expect(received.message).toMatchObject({
    type: 'task.completed',
    data: { task_id: 'task-1', status: 'completed', cost_usd: 0.25, message: 'Build it', attempt: 1 },
  });
  expect(received.id).toMatch(/^msg_[0-9a-f]{32}$/);
  const counts = { due: 1, delivered: 1, pending: 0, dropped: {} };
  await expect.poll(() => trail.books.snapshot().notifications?.chat).toEqual(counts);
  const { items } = (await trail.reader.listNotifications?.({ limit: 10 })) ?? {};
  expect(items).toMatchObject([
    {
      ...{ receiver: 'chat', webhook_id: received.id, task_id: 'task-1', workflow_id: null },
      ...{ state: 'delivered', attempts: 1, last_status: 204, last_failure: null, next_at: null },
    },
  ]);
  expect(await trail.reader.listReceivers?.()).toMatchObject([
    { receiver: 'chat', origin: new URL(receiver.url).origin, is_configured: true, trouble: null, ...counts },
  ]);
});

test('a receiver gets only the events that it wants, of tasks that its filter finds', async () => {
  const receiver = await startReceiver();
  const config = configOf(await tempDir(), [
    entryOf(receiver, { on: ['task.failed'], filter: 'source:nightly report' }),
  ]);
  await start(config);
  const fail = async (source: string, message: string): Promise<void> => {
    await recordTask({ source, message }, async () => {
      throw new Error('the disk is full');
    }).catch(() => {});
  };
  await recordTask({ source: 'nightly', message: 'disk' }, async () => {});
  await fail('daily', 'disk');
  await fail('nightly', 'cpu');
  await fail('nightly', 'disk report');
  // In order: what came before the last one is here when it is.
  await expect
    .poll(() => receiver.received.map(({ message }) => message))
    .toMatchObject([{ type: 'task.failed', data: { source: 'nightly', message: 'disk report' } }]);
});

test('a filter that is no query, or has a time, stops the start and says where', async () => {
  const receiver = await startReceiver();
  const logDir = await tempDir();
  for (const [filter, said] of [
    ['status:nope', /filter of "chat".*status/],
    ['"open', /filter of "chat"/],
    ['since:2h', /leave out since and until/],
  ] as const)
    await expect(
      startTasktrail({ config: configOf(logDir, [entryOf(receiver, { filter })]) }),
    ).rejects.toThrow(said);
});

test('without being named, loopback gets nothing, and the reason is shown without the path of the URL', async () => {
  const receiver = await startReceiver();
  const config = configOf(await tempDir(), [
    { name: 'chat', url: `${receiver.url}/a-token-that-is-secret`, secret: NOTIFY_SECRET },
  ]);
  const trail = await start(config);
  await recordTask({ source: 'test', message: 'm' }, async () => {});
  await expect.poll(() => trail.books.notices.get('notifications to chat')).toMatch(/allow_addresses/);
  expect(trail.books.notices.get('notifications to chat')).not.toContain('secret');
  expect(receiver.received).toEqual([]);
});

test('what ended while no process sent is sent after the next start, and what ended before the first is not', async () => {
  const receiver = await startReceiver();
  const logDir = await tempDir();
  const before = await start(configOf(logDir, []));
  await recordTask({ source: 'test', message: 'm', taskId: 'task-old' }, async () => {});
  await before.shutdown();
  const first = await start(configOf(logDir, [entryOf(receiver)]));
  await first.recovered;
  await first.shutdown();
  const without = await start(configOf(logDir, []));
  await recordTask({ source: 'test', message: 'm', taskId: 'task-new' }, async () => {});
  await without.shutdown();
  expect(receiver.received).toEqual([]);
  await start(configOf(logDir, [entryOf(receiver)]));
  await expect
    .poll(() => receiver.received.map(({ message }) => message))
    .toMatchObject([{ type: 'task.completed', data: { task_id: 'task-new' } }]);
});

test('each wait of a task for a person is sent once', async () => {
  const receiver = await startReceiver();
  await start(configOf(await tempDir(), [entryOf(receiver)]));
  const task = startTask({ source: 'test', message: 'm', taskId: 'task-1' });
  for (let time = 0; time < 2; time += 1) {
    task.metadata({ status: 'waiting_input' });
    await expect.poll(() => receiver.received.length).toBe(time + 1);
    task.metadata({ status: 'running' });
  }
  task.end();
  await expect
    .poll(() => receiver.types())
    .toEqual(['task.waiting_input', 'task.waiting_input', 'task.completed']);
});

test('the folder of notifications is no task, and its files hold no secret', async () => {
  const receiver = await startReceiver();
  const logDir = await tempDir();
  const trail = await start(configOf(logDir, [entryOf(receiver)]));
  await recordTask({ source: 'test', message: `the key ${NOTIFY_SECRET}`, taskId: 'task-1' }, async () => {});
  await expect.poll(() => receiver.received.length).toBe(1);
  expect((await trail.reader.listTasks({ limit: 10 })).items).toHaveLength(1);
  expect(receiver.received[0]?.body).not.toContain(NOTIFY_SECRET.slice(6));
  await trail.shutdown();
  const folder = join(logDir, '_notify');
  expect(readdirSync(folder).sort()).toEqual(['_mark.json', 'chat.jsonl']);
  for (const name of readdirSync(folder))
    expect(readFileSync(join(folder, name), 'utf8')).not.toContain(NOTIFY_SECRET.slice(6));
});

test('a workflow is sent when it waits for an approval and when it ends, with the cost of its tasks', async () => {
  const receiver = await startReceiver();
  await start(
    configOf(await tempDir(), [entryOf(receiver, { on: ['workflow.*'], filter: 'source:nightly' })]),
  );
  for (const source of ['daily', 'nightly'])
    await recordTask({ source, message: 'm', taskId: `task-${source}` }, async (task) => {
      task.usage({ costUsd: 0.5 });
      await task.workflow('review', { workflowId: `workflow-${source}` }, async (workflow) => {
        workflow.requestApproval('merge');
        workflow.grantApproval('merge');
        workflow.requestApproval('deploy');
      });
    });
  await expect
    .poll(() => receiver.types())
    .toEqual(['workflow.approval_requested', 'workflow.approval_requested', 'workflow.completed']);
  for (const { message } of receiver.received)
    expect(message.data).toMatchObject({
      ...{ workflow_id: 'workflow-nightly', name: 'review', attempt: 1, task_ids: ['task-nightly'] },
      links: { self: '/api/workflows/workflow-nightly' },
    });
});

test('what waits at the end of a process is sent by the next one, under the same id and with the same body', async () => {
  const receiver = await startReceiver((res) => res.writeHead(503).end());
  const config = configOf(await tempDir(), [entryOf(receiver)]);
  const first = await start(config);
  await recordTask({ source: 'test', message: 'm', taskId: 'task-1' }, async () => {});
  await expect.poll(() => receiver.received.length).toBe(1);
  await first.shutdown();
  receiver.answer = (res) => res.writeHead(204).end();
  const second = await start(config);
  await expect.poll(() => receiver.received.length).toBe(2);
  const [before, after] = receiver.received;
  expect(after).toMatchObject({ id: before?.id, body: before?.body });
  await expect
    .poll(() => second.books.snapshot().notifications?.chat)
    .toEqual({ due: 1, delivered: 1, pending: 0, dropped: {} });
});

test('a receiver that has answered 410 gets nothing, until its URL is another one', async () => {
  const receiver = await startReceiver((res) => res.writeHead(410).end());
  const logDir = await tempDir();
  const run = async (entry: Entry, taskId: string): Promise<Trail> => {
    const trail = await start(configOf(logDir, [entry]));
    await recordTask({ source: 'test', message: 'm', taskId }, async () => {});
    return trail;
  };
  const first = await run(entryOf(receiver), 'task-1');
  await expect.poll(() => first.books.notices.get('notifications to chat')).toMatch(/answered 410/);
  await first.shutdown();
  const second = await run(entryOf(receiver), 'task-2');
  await expect.poll(() => second.books.snapshot().notifications?.chat?.dropped).toEqual({ gone: 2 });
  await second.shutdown();
  receiver.answer = (res) => res.writeHead(204).end();
  expect(receiver.received).toHaveLength(1);
  const third = await run(entryOf(receiver, { url: `${receiver.url}-next` }), 'task-3');
  await expect
    .poll(() => third.books.snapshot().notifications?.chat)
    .toEqual({ due: 3, delivered: 1, pending: 0, dropped: { gone: 2 } });
  expect(third.books.notices.get('notifications to chat')).toBeUndefined();
});

test('a receiver that hangs delays neither another one nor the recording', async () => {
  const [slow, quick] = [await startReceiver(() => {}), await startReceiver()];
  const trail = await start(
    configOf(await tempDir(), [entryOf(slow, { name: 'slow' }), entryOf(quick, { name: 'quick' })]),
  );
  for (let count = 0; count < 5; count += 1)
    await recordTask({ source: 'test', message: 'm' }, async () => {});
  await expect.poll(() => quick.received.length).toBe(5);
  expect(slow.received).toHaveLength(1);
  expect((await trail.reader.listTasks({ limit: 10 })).items).toHaveLength(5);
});
