import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Trail } from '../../src/trail/trail.ts';
import { openReceiver, openTrail, readDeliveries, readLines } from '../support/receiver.ts';
import { until } from '../support/until.ts';
import { say, VENDOR, VENDORS } from '../support/vendors.ts';

let logDir: string;
let trail: Trail;

beforeAll(async () => {
  logDir = await mkdtemp(join(tmpdir(), 'tasktrail-tasks-'));
  trail = await openTrail(logDir);
});

afterAll(async () => {
  await trail.shutdown();
  await rm(logDir, { recursive: true, force: true });
});

const TEXT = 'First @agent review, then @agent plan.\n@agent review once more';

describe.each(VENDORS)('$name', (vendor) => {
  test('several commands in one text start one task each, and each directory is about its own', async () => {
    const receiver = await openReceiver(vendor.options);
    const id = randomUUID();
    const response = await say(receiver.url, vendor, TEXT, id);
    expect(response.status).toBe(202);
    const { tasks } = receiver;
    expect(tasks.map(({ command, message }) => [command, message])).toEqual([
      ['review', TEXT],
      ['plan', TEXT],
    ]);
    expect(await response.json()).toEqual({ status: 'accepted', task_ids: tasks.map((task) => task.id) });
    for (const task of tasks) {
      const lines = await until(async () => {
        const found = await readLines(join(logDir, task.id, '02-webhook-flow.jsonl'));
        return found.length >= 6 ? found : undefined;
      }, 'six stages');
      expect(lines.map(({ stage }) => stage)).toEqual([
        'received',
        'validation',
        'command_matching',
        'immediate_response',
        'task_created',
        'queue_push',
      ]);
      expect(lines[2]).toMatchObject({
        command: task.command,
        matched_count: 2,
        commands: ['review', 'plan'],
      });
    }
    const line = await until(
      async () => (await readDeliveries(logDir)).find(({ delivery_id }) => delivery_id === id),
      'the line',
    );
    expect(line).toMatchObject({ outcome: 'accepted', task_ids: tasks.map((task) => task.id) });
    const times = (line.stages as { timestamp: string }[]).map(({ timestamp }) => timestamp);
    expect([...times].sort()).toEqual(times);
    await receiver.close();
  });

  test('when one of several cannot be queued the answer is 503 with Retry-After, and a repetition starts only that one', async () => {
    const started: string[] = [];
    let isUp = false;
    const receiver = await openReceiver({
      ...vendor.options,
      onTask: (task) =>
        task.enqueue({ queue: 'agent', system: 'test' }, async () => {
          if (task.command === 'plan' && !isUp) throw new RangeError('no room');
          started.push(`${task.command} ${task.id}`);
        }),
    });
    const id = randomUUID();
    const twins = await Promise.all([1, 2].map(() => say(receiver.url, vendor, TEXT, id)));
    for (const refused of twins) {
      expect(refused.status).toBe(503);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect(started).toEqual([expect.stringContaining('review')]);
    const line = await until(
      async () =>
        (await readDeliveries(logDir)).find(
          (one) => one.delivery_id === id && Array.isArray(one.task_ids) && one.task_ids.length === 1,
        ),
      'the line',
    );
    expect(line).toMatchObject({ outcome: 'rejected' });
    expect(line.stages).toContainEqual(
      expect.objectContaining({ stage: 'queue_push', status: 'failed', reason: 'no room' }),
    );
    isUp = true;
    const accepted = await say(receiver.url, vendor, TEXT, id);
    expect(accepted.status).toBe(202);
    expect(started.map((text) => text.split(' ')[0])).toEqual(['review', 'plan']);
    expect(await accepted.json()).toMatchObject({ task_ids: started.map((text) => text.split(' ')[1]) });
    expect((await say(receiver.url, vendor, TEXT, id)).status).toBe(200);
    expect(started).toHaveLength(2);
    await receiver.close();
  });
});

test('a task that `onTask` refuses is not recorded, and its delivery says why and how often it came', async () => {
  let isUp = false;
  const receiver = await openReceiver({
    ...VENDOR.github.options,
    onTask: async () => {
      if (!isUp) throw new RangeError('my own store is down');
    },
  });
  const id = randomUUID();
  const send = () => say(receiver.url, VENDOR.github, '@agent review', id);
  for (let n = 0; n < 3; n += 1) expect((await send()).status).toBe(503);
  isUp = true;
  const accepted = await send();
  expect(accepted.status).toBe(202);
  await receiver.close();
  const lines = await until(async () => {
    const found = (await readDeliveries(logDir)).filter((one) => one.delivery_id === id);
    return found.length === 4 ? found : undefined;
  }, 'its four lines');
  expect(lines.map(({ outcome, tries }) => [outcome, tries])).toEqual([
    ['rejected', 1],
    ['rejected', 2],
    ['rejected', 3],
    ['accepted', 4],
  ]);
  for (const { task_ids: ids, stages } of lines.slice(0, 3)) {
    expect(ids).toEqual([]);
    const names = (stages as { stage: string }[]).map(({ stage }) => stage);
    expect(names).toEqual(['received', 'validation', 'command_matching', 'immediate_response', 'queue_push']);
    expect((stages as object[]).at(-1)).toMatchObject({ status: 'failed', reason: 'my own store is down' });
  }
  const { task_ids: ids } = (await accepted.json()) as { task_ids: string[] };
  expect(lines[3]?.task_ids).toEqual(ids);
  const input = await until(() => trail.reader.readDocument(ids[0] ?? '', 'input'), 'the task');
  expect(input).toMatchObject({ message: expect.stringContaining('@agent review') });
  const { items } = await trail.reader.listTasks({ limit: 200 });
  expect(items.filter(({ webhook_id: of }) => of === id).map(({ task_id: taskId }) => taskId)).toEqual(ids);
});

test('a queued task does not start again, even if `onTask` fails afterwards', async () => {
  let pushed = 0;
  const receiver = await openReceiver({
    ...VENDOR.github.options,
    onTask: async (task) => {
      await task.enqueue({ queue: 'agent', system: 'test' }, async () => {
        pushed += 1;
      });
      throw new RangeError('too late');
    },
  });
  const id = randomUUID();
  expect((await say(receiver.url, VENDOR.github, '@agent review', id)).status).toBe(503);
  expect((await say(receiver.url, VENDOR.github, '@agent review', id)).status).toBeLessThan(300);
  expect(pushed).toBe(1);
  await receiver.close();
});

test('a task has its agent from the start', async () => {
  const receiver = await openReceiver({
    ...VENDOR.github.options,
    agentOf: (command) => (command === 'review' ? 'claude' : undefined),
  });
  await say(receiver.url, VENDOR.github, '@agent review and @agent fix');
  await receiver.close();
  const created = await Promise.all(
    receiver.tasks.map(({ id }) =>
      until(
        async () =>
          (await readLines(join(logDir, id, '02-webhook-flow.jsonl'))).find(
            ({ stage }) => stage === 'task_created',
          ),
        'the stage',
      ),
    ),
  );
  expect(created.map(({ command, agent }) => [command, agent])).toEqual([
    ['review', 'claude'],
    ['fix', undefined],
  ]);
});
