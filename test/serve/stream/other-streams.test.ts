import { rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { serveLogs } from '../../../src/serve/logs.ts';
import { createReader } from '../../../src/store/read/reader.ts';
import { searchingReader } from '../../../src/trail/search/searching-reader.ts';
import { openStore, type TestStore } from '../../support/log-dir.ts';
import { eventId, log } from '../../support/records.ts';
import { WORKFLOW, workflowEvent } from '../../support/settled.ts';
import { SseClient } from '../../support/sse.ts';
import { until } from '../../support/until.ts';
import { ask, listen, tempDir } from '../log-server.ts';

interface Served {
  readonly dir: string;
  readonly store: TestStore;
  readonly port: number;
  restart(): Promise<number>;
}

async function serve(): Promise<Served> {
  const dir = await tempDir();
  const restart = (): Promise<number> => listen(serveLogs({ reader: createReader(dir) }));
  return { dir, store: openStore(dir), port: await restart(), restart };
}

function record(taskId: string, number: number, event: string, body: object): ReturnType<typeof log> {
  return log({
    event: `tasktrail.${event}`,
    id: eventId(number),
    atMs: number,
    body: body as never,
    attributes: { 'tasktrail.task.id': taskId, 'tasktrail.agent.output.type': 'output' },
  });
}

const running = (taskId: string, number: number, more: object = {}): ReturnType<typeof log> =>
  record(taskId, number, 'task.metadata', {
    status: 'running',
    created_at: `2026-01-02T03:04:0${number % 10}Z`,
    ...more,
  });

const output = (taskId: string, number: number): ReturnType<typeof log> =>
  log({
    event: 'tasktrail.agent.output',
    id: eventId(number),
    atMs: number,
    body: `${number}\n`,
    attributes: { 'tasktrail.task.id': taskId, 'tasktrail.agent.output.type': 'output' },
  });

const ended = (taskId: string, number: number): ReturnType<typeof log> =>
  record(taskId, number, 'task.result', { success: true, status: 'completed', result: 'done' });

/** Task and event id of the lines of a stream of several tasks. */
function linesOf(client: SseClient): unknown[] {
  return client.of('line').map((event) => {
    const { task_id: taskId, data } = event as { task_id: string; data: { event_id: string } };
    return `${taskId} ${data.event_id}`;
  });
}

test('several tasks share one connection, which goes on in all of them', async () => {
  const { store, port, restart } = await serve();
  await store.logs(running('task-1', 1), running('task-2', 2), output('task-1', 3), output('task-2', 4));
  const path = '/stream?task=task-1&task=task-2';
  const whole = await SseClient.open(port, path);
  await until(() => linesOf(whole).length === 2, 'both lines');
  await store.logs(output('task-2', 5));
  await store.logs(output('task-1', 6));
  await until(() => linesOf(whole).length === 4, 'the later lines');
  const other = await restart();
  for (const [index, { id }] of whole.sent.entries()) {
    const client = await SseClient.open(other, path, { 'Last-Event-ID': id ?? '' });
    const had = linesOf({ of: (name: string) => namesOf(whole, index + 1, name) } as SseClient);
    await until(() => had.length + linesOf(client).length >= 4, 'the rest');
    expect([...had, ...linesOf(client)].sort()).toEqual(linesOf(whole).sort());
    client.close();
  }
  await store.logs(ended('task-1', 7), ended('task-2', 8));
  await until(() => whole.of('end').length === 2, 'both ends');
});

function namesOf(client: SseClient, count: number, name: string): Record<string, unknown>[] {
  return client.sent
    .slice(0, count)
    .filter(({ event }) => event === name)
    .map(({ data }) => JSON.parse(data) as Record<string, unknown>);
}

test('fifty tasks share one connection without a warning', async () => {
  const warnings: string[] = [];
  const note = (warning: Error): void => void warnings.push(warning.message);
  process.on('warning', note);
  onTestFinished(() => void process.off('warning', note));
  const { store, port } = await serve();
  const ids = Array.from({ length: 50 }, (_, n) => `task-${n}`);
  await store.logs(...ids.map((id, n) => running(id, n + 1)));
  const client = await SseClient.open(port, `/stream?${ids.map((id) => `task=${id}`).join('&')}`);
  await until(() => client.of('metadata').length === 50, 'all tasks');
  await store.logs(output('task-49', 90));
  await until(() => linesOf(client).length === 1, 'a line');
  expect(client.lastId.length).toBeLessThan(8_000);
  expect(warnings).toEqual([]);
});

test('wrong queries of a stream of tasks are refused', async () => {
  const { store, port } = await serve();
  await store.logs(running('task-1', 1), running('task-2', 2));
  const one = await SseClient.open(port, '/stream?task=task-1');
  await until(() => one.sent.length > 0, 'an event');
  const many = Array.from({ length: 51 }, (_, n) => `task=task-${n}`).join('&');
  for (const query of [
    '?task=../x',
    `?${many}`,
    '?list=false',
    '?list=maybe',
    '?status=odd',
    '?limit=0',
    '?colour=x',
    '?after=x',
    `?task=task-1&task=task-2&after=${one.lastId}`,
  ])
    expect((await ask(port, `/stream${query}`)).status, query).toBe(400);
  expect((await ask(port, '/stream?task=task-1&task=task-9')).status).toBe(404);
});

const tasksOf = (client: SseClient): unknown[] =>
  client.of('task').map(({ task_id: id, status }) => `${id} ${status}`);

test('the list sends its newest items, then what changes, and what leaves its filter', async () => {
  const { dir, store, port } = await serve();
  await store.logs(running('task-1', 1), running('task-2', 2), running('task-3', 3));
  const all = await SseClient.open(port, '/stream?limit=2');
  const open = await SseClient.open(port, '/stream?status=running');
  await until(() => all.sent.length === 2 && open.sent.length === 3, 'the items');
  expect(tasksOf(all)).toEqual(['task-2 running', 'task-3 running']);
  await store.logs(running('task-4', 4));
  await until(() => tasksOf(all).includes('task-4 running'), 'a new task');
  await store.logs(ended('task-3', 5));
  await until(() => tasksOf(all).includes('task-3 completed'), 'an end');
  await until(() => open.of('removed').length > 0, 'it leaves the filter');
  expect(open.of('removed')).toEqual([{ task_id: 'task-3' }]);
  expect(tasksOf(open)).not.toContain('task-3 completed');
  rmSync(join(dir, 'task-1'), { recursive: true });
  await until(() => open.of('removed').length > 1, 'a task that is gone');
  expect(open.of('removed').at(-1)).toEqual({ task_id: 'task-1' });
});

test('the list goes on after a break, also in another process, and misses nothing', async () => {
  const { store, port, restart } = await serve();
  await store.logs(running('task-1', 1), running('task-2', 2));
  const client = await SseClient.open(port, '/stream');
  await until(() => client.sent.length >= 2 && client.lastId !== '', 'the items');
  client.close();
  await store.logs(running('task-3', 3), ended('task-1', 4));
  for (const other of [port, await restart()]) {
    const again = await SseClient.open(other, '/stream', { 'Last-Event-ID': client.lastId });
    await until(
      () => tasksOf(again).includes('task-1 completed') && tasksOf(again).includes('task-3 running'),
      'both',
    );
  }
});

test('list and tasks share one connection', async () => {
  const { store, port } = await serve();
  await store.logs(running('task-1', 1), output('task-1', 2));
  const client = await SseClient.open(port, '/stream?task=task-1&list=true');
  await until(() => linesOf(client).length === 1 && client.of('task').length > 0, 'both');
  const again = await SseClient.open(port, '/stream?task=task-1&list=true', {
    'Last-Event-ID': client.lastId,
  });
  await store.logs(output('task-1', 3), running('task-2', 4));
  await until(() => tasksOf(again).includes('task-2 running'), 'a new task');
  await until(() => linesOf(again).length > 0, 'a line');
  expect(linesOf(again)).toEqual([`task-1 ${eventId(3)}`]);
});

test('the list takes the query of the lists, and sends their items', async () => {
  const dir = await tempDir();
  const store = openStore(dir);
  const config = { logDir: dir, workflowDir: join(dir, '_workflow'), s3: undefined, notify: [] };
  const port = await listen(serveLogs({ reader: searchingReader(config) }));
  const failed = (taskId: string, number: number): ReturnType<typeof log> =>
    record(taskId, number, 'task.result', { success: false, status: 'failed', result: 'other words' });
  await store.logs(running('task-1', 1), running('task-2', 2), running('task-3', 3), ended('task-3', 4));
  const found = await SseClient.open(port, `/stream?${new URLSearchParams({ q: 'done -status:failed' })}`);
  const typed = await SseClient.open(port, '/stream?error_type=exit_code&limit=5');
  await until(() => tasksOf(found).length > 0, 'the first item');
  await store.logs(failed('task-2', 5));
  await store.logs(ended('task-1', 6));
  await until(() => tasksOf(found).includes('task-1 completed'), 'a task that has begun to match');
  expect(tasksOf(found)).toEqual(['task-3 completed', 'task-1 completed']);
  expect(found.of('task')[0]).toMatchObject({ success: true, message: null });
  expect(typed.of('task')).toEqual([]);
  for (const query of ['?q=cost:much', '?q=', '?cost_min=much', '?sort=cost'])
    expect((await ask(port, `/stream${query}`)).status, query).toBe(400);
});

test('a mistake in the query leaves nothing open', async () => {
  const dir = await tempDir();
  const store = openStore(dir);
  await store.logs(running('task-1', 1));
  const config = { logDir: dir, workflowDir: join(dir, '_workflow'), s3: undefined, notify: [] };
  const port = await listen(serveLogs({ reader: searchingReader(config) }));
  const watches = (): number =>
    process.getActiveResourcesInfo().filter((name) => name === 'FSEventWrap').length;
  const before = watches();
  for (let count = 0; count < 5; count += 1)
    expect((await ask(port, '/stream?task=task-1&q=%22open')).status).toBe(400);
  await until(() => watches() <= before, 'the watches end');
});

test('a next attempt of a task that was over comes on the same connection', async () => {
  const { dir, store, port } = await serve();
  const ofAttempt = (attempt: number, number: number, event: string, body: object): ReturnType<typeof log> =>
    log({
      event: `tasktrail.${event}`,
      id: eventId(number),
      atMs: number,
      body: body as never,
      attributes: { 'tasktrail.task.id': 'task-1', 'tasktrail.task.attempt': attempt },
    });
  await store.logs(running('task-1', 1), running('task-2', 2));
  await store.logs(ofAttempt(1, 3, 'task.result', { success: false, status: 'abandoned' }));
  // Long ago: nothing more is expected of it.
  utimesSync(join(dir, 'task-1/metadata.json'), 1, 1);
  const client = await SseClient.open(port, '/stream?task=task-1&task=task-2');
  await until(() => client.of('end').length === 1, 'the end of the first attempt');
  await store.logs(ofAttempt(2, 4, 'task.metadata', { status: 'running' }));
  await until(
    () =>
      client
        .of('metadata')
        .some(
          (event) =>
            JSON.stringify(event).includes('"attempt":2') && JSON.stringify(event).includes('running'),
        ),
    'the second attempt',
  );
});

test('a list that is resumed gets what was removed meanwhile; after a restart of the service it begins again', async () => {
  const { dir, store, port, restart } = await serve();
  await store.logs(running('task-1', 1), running('task-2', 2));
  const first = await SseClient.open(port, '/stream');
  await until(() => tasksOf(first).length === 2, 'both tasks');
  const id = first.lastId;
  first.close();
  rmSync(join(dir, 'task-1'), { recursive: true });
  const again = await SseClient.open(port, `/stream?after=${id}`);
  await until(() => again.of('removed').length === 1, 'the removal');
  expect(again.of('removed')).toEqual([{ task_id: 'task-1' }]);
  expect(again.names).not.toContain('reset');
  const restarted = await SseClient.open(await restart(), `/stream?after=${id}`);
  await until(() => tasksOf(restarted).length === 1, 'the task that is left');
  expect(restarted.names).toEqual(['reset', 'task']);
});

const numbers = (client: SseClient): unknown[] => client.of('event').map(({ event_id: id }) => id);

test('the feed sends what is kept, or only what comes, and goes on after any event', async () => {
  const { store, port, restart } = await serve();
  await store.logs(workflowEvent(1, 'workflow_start'), workflowEvent(2, 'phase_start', { phase: 'build' }));
  const whole = await SseClient.open(port, '/events/stream');
  const late = await SseClient.open(port, '/events/stream?after=now');
  const typed = await SseClient.open(port, '/events/stream?type=phase_start');
  await until(() => numbers(whole).length === 2 && numbers(typed).length === 1, 'both events');
  await store.logs(workflowEvent(3, 'phase_complete', { phase: 'build', status: 'success' }));
  await until(() => numbers(whole).length === 3 && numbers(late).length === 1, 'the next event');
  expect(numbers(late)).toEqual([eventId(3)]);
  const other = await restart();
  for (const [index, { id }] of whole.sent.entries()) {
    if (index === whole.sent.length - 1) break;
    const client = await SseClient.open(other, `/events/stream?after=${id}`);
    await until(() => client.sent.length === 2 - index, 'the rest');
    expect(client.sent).toEqual(whole.sent.slice(index + 1));
  }
  expect((await ask(port, '/events/stream?after=nonsense')).status).toBe(400);
});

test('a place in the feed that is no longer kept gets reset and the oldest events', async () => {
  const { dir, store, port } = await serve();
  await store.logs(workflowEvent(1, 'workflow_start'));
  const client = await SseClient.open(port, '/events/stream');
  await until(() => numbers(client).length === 1, 'the event');
  const gone = Buffer.from(JSON.stringify({ file: '2020-01-01.jsonl', offset: 5 })).toString('base64url');
  const again = await SseClient.open(port, '/events/stream', { 'Last-Event-ID': gone });
  await until(() => numbers(again).length === 1, 'the event');
  expect(again.names).toEqual(['reset', 'event']);
  expect(dir).not.toBe('');
});

test('a workflow sends its events once, then what comes, and ends; it goes on after any event', async () => {
  const { store, port, restart } = await serve();
  const path = `/workflows/${WORKFLOW}/stream`;
  await store.logs(workflowEvent(1, 'workflow_start'), workflowEvent(3, 'phase_start', { phase: 'build' }));
  const whole = await SseClient.open(port, path);
  await until(() => numbers(whole).length === 2, 'what is there');
  expect(whole.of('metadata')[0]).toMatchObject({ workflow_id: WORKFLOW, status: 'running' });
  // Earlier than one that is there: the file has it in front.
  await store.logs(workflowEvent(2, 'decision_point', { decision: 'x' }));
  await store.logs(workflowEvent(4, 'phase_complete', { phase: 'build', status: 'success' }));
  await until(() => numbers(whole).length === 4, 'what comes');
  await store.logs(workflowEvent(5, 'workflow_complete', { status: 'success' }));
  await until(() => whole.names.includes('end'), 'the end');
  expect(whole.of('end')).toEqual([{ workflow_id: WORKFLOW, status: 'success' }]);
  const all = [1, 3, 2, 4, 5].map(eventId);
  expect(numbers(whole)).toEqual(all);
  await store.pass(12_000);
  const other = await restart();
  for (const [index, { id }] of whole.sent.entries()) {
    const had = namesOf(whole, index + 1, 'event').map(({ event_id: one }) => one);
    const client = await SseClient.open(other, path, { 'Last-Event-ID': id ?? '' });
    await until(() => client.isEnded, 'the rest');
    expect([...had, ...numbers(client)].sort()).toEqual([...all].sort());
    expect(client.names).not.toContain('reset');
  }
  expect((await ask(port, path, { headers: { 'Last-Event-ID': 'x' } })).status).toBe(400);
  expect((await ask(port, '/workflows/workflow-9/stream')).status).toBe(404);
});
