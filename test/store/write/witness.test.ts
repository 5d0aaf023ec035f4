import { copyFileSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { JsonObject } from '../../../src/model/json.ts';
import { compressTask } from '../../../src/store/compress.ts';
import { runRetention } from '../../../src/store/keep/retention.ts';
import { Tombstones } from '../../../src/store/keep/tombstones.ts';
import { documentOf, newStore, openStore, type TestStore } from '../../support/log-dir.ts';
import { eventId, log, outputLog } from '../../support/records.ts';

const DOCUMENTS = ['metadata.json', '01-input.json', '04-final-result.json'] as const;
const DAY_MS = 86_400_000;

const INPUT = log({
  event: 'tasktrail.task.input',
  id: eventId(1),
  atMs: 1,
  body: { message: 'review it', source_metadata: { repo: 'acme/shop' } },
});
const STARTED = log({
  event: 'tasktrail.task.metadata',
  id: eventId(2),
  atMs: 2,
  body: {
    status: 'running',
    source: 'webhook',
    provider: 'github',
    created_at: '2026-01-02T03:04:04Z',
    model: 'm-1',
  },
});
const MODEL = log({
  event: 'tasktrail.task.metadata',
  id: eventId(3),
  atMs: 3,
  body: { model: 'm-2', assigned_agent: 'claude' },
});
const RESULT = log({
  event: 'tasktrail.task.result',
  id: eventId(9),
  atMs: 9,
  body: {
    success: true,
    status: 'completed',
    result: 'looks good',
    completed_at: '2026-01-02T03:04:05.008Z',
    metrics: { cost_usd: 0.25, input_tokens: 10 },
  },
});
const RECORDS = [INPUT, STARTED, MODEL, outputLog(5), RESULT];

function secondAttempt(event: string, number: number, body: JsonObject): ReturnType<typeof log> {
  const attributes = { 'tasktrail.task.id': 'task-1', 'tasktrail.task.attempt': 2 };
  return log({ event: `tasktrail.task.${event}`, id: eventId(number), atMs: number, body, attributes });
}

/** A settled task and its documents. */
async function settledTask(): Promise<{ store: TestStore; task: string; documents: Record<string, string> }> {
  const store = await newStore();
  await store.logs(...RECORDS);
  await store.pass(10_000);
  const task = join(store.dir, 'task-1');
  const documents = textsOf(task);
  expect(JSON.parse(documents['metadata.json'] ?? '')).toMatchObject({ status: 'completed', settled: true });
  return { store, task, documents };
}

function textsOf(task: string): Record<string, string> {
  return Object.fromEntries(DOCUMENTS.map((name) => [name, readFileSync(join(task, name), 'utf8')]));
}

async function restart({ dir }: TestStore): Promise<TestStore> {
  const store = openStore(dir);
  await store.store.recover();
  return store;
}

const LOSSES: readonly [string, (path: string) => void][] = [
  ['cut off at its end', (path) => truncateSync(path, statSync(path).size - 200)],
  ['cut off at its start', (path) => writeFileSync(path, readFileSync(path, 'utf8').slice(300))],
  ['empty', (path) => writeFileSync(path, '')],
  ['missing', (path) => rmSync(path)],
  ['all NUL', (path) => writeFileSync(path, Buffer.alloc(statSync(path).size))],
  [
    'of another version',
    (path) => writeFileSync(path, readFileSync(path, 'utf8').replaceAll('"event_id"', '"id"')),
  ],
];

test.for(LOSSES)('facts.jsonl %s: a finished task stays as its documents say', async ([, lose]) => {
  const { store, task, documents } = await settledTask();
  lose(join(task, 'facts.jsonl'));
  let again = await restart(store);
  expect(again.store.liveness.get('task-1')?.status ?? 'completed').toBe('completed');
  await again.pass(DAY_MS);
  expect(textsOf(task)).toEqual(documents);
  // A record that comes late opens the task again; those that were lost may be sent again.
  await again.logs(outputLog(6));
  again = await restart(again);
  await again.logs(STARTED, INPUT, MODEL, RESULT, ...RECORDS);
  await again.pass(DAY_MS);
  expect(textsOf(task)).toEqual(documents);
});

test.for(LOSSES)('facts.jsonl %s: after compression and on retention nothing is undone', async ([, lose]) => {
  const { store, task, documents } = await settledTask();
  const options = {
    logDir: store.dir,
    workflowDir: join(store.dir, '_workflow'),
    taskDays: 30,
    workflowDays: 30,
    compressDays: 7,
    nowMs: Date.parse('2026-01-10T00:00:00Z'),
    tombstones: await Tombstones.open(store.dir),
  };
  lose(join(task, 'facts.jsonl'));
  const again = await restart(store);
  await again.pass(DAY_MS);
  expect((await runRetention(options)).compressed).toEqual(['task-1']);
  await restart(again);
  expect(textsOf(task)).toEqual(documents);
  await compressTask(task);
  const result = await runRetention({ ...options, nowMs: options.nowMs + 30 * DAY_MS });
  // When the holder stored it.
  expect(result.pruned).toMatchObject([{ id: 'task-1', endedAt: '2026-01-02T04:00:00.000Z' }]);
});

test.for(LOSSES)('facts.jsonl %s: a later attempt still wins', async ([, lose]) => {
  const { store, task } = await settledTask();
  lose(join(task, 'facts.jsonl'));
  const again = await restart(store);
  await again.logs(secondAttempt('metadata', 20, { status: 'running', model: 'm-3' }));
  expect(documentOf(task, 'metadata.json')).toMatchObject({ status: 'running', attempt: 2, model: 'm-3' });
  // The result of the first attempt stays until the second one has its own.
  await (await restart(again)).pass(1_000);
  expect(documentOf(task, '04-final-result.json')).toMatchObject({ result: 'looks good' });
  await (await restart(again)).logs(
    secondAttempt('result', 30, { success: false, status: 'failed', error: 'no' }),
  );
  expect(documentOf(task, 'metadata.json')).toMatchObject({ status: 'failed', attempt: 2 });
  expect(documentOf(task, '04-final-result.json')).toMatchObject({ success: false, error: 'no', attempt: 2 });
  lose(join(task, 'facts.jsonl'));
  const documents = textsOf(task);
  await (await restart(again)).pass(DAY_MS);
  expect(textsOf(task)).toEqual({ ...documents, 'metadata.json': expect.stringContaining('"failed"') });
});

test.for(['missing', 'damaged'])('04 whole, metadata %s, facts cut: the result decides', async (how) => {
  const { store, task, documents } = await settledTask();
  if (how === 'missing') rmSync(join(task, 'metadata.json'));
  else truncateSync(join(task, 'metadata.json'), 40);
  truncateSync(join(task, 'facts.jsonl'), statSync(join(task, 'facts.jsonl')).size - 200);
  await (await restart(store)).pass(DAY_MS);
  expect(textsOf(task)).toEqual(documents);
});

test('04 whole, metadata and every line lost: the end is still there', async () => {
  const { store, task, documents } = await settledTask();
  for (const name of ['metadata.json', 'facts.jsonl', '03-agent-output.jsonl']) rmSync(join(task, name));
  await restart(store);
  expect(documentOf(task, 'metadata.json')).toMatchObject({
    status: 'completed',
    completed_at: '2026-01-02T03:04:05.008Z',
  });
  expect(textsOf(task)['04-final-result.json']).toBe(documents['04-final-result.json']);
});

test.for(['missing', 'damaged'])('metadata whole, 04 %s, facts cut: the task stays finished', async (how) => {
  const { store, task, documents } = await settledTask();
  if (how === 'missing') rmSync(join(task, '04-final-result.json'));
  else truncateSync(join(task, '04-final-result.json'), 40);
  truncateSync(join(task, 'facts.jsonl'), statSync(join(task, 'facts.jsonl')).size - 200);
  const again = await restart(store);
  await again.pass(DAY_MS);
  expect(textsOf(task)['metadata.json']).toBe(documents['metadata.json']);
  expect(documentOf(task, '04-final-result.json')).toMatchObject({
    success: true,
    status: 'completed',
    result: null,
    metrics: { cost_usd: null },
    completed_at: '2026-01-02T03:04:05.008Z',
    incomplete: true,
  });
});

test('a power cut between the two documents leaves the end, also of a later attempt', async () => {
  const { store, task } = await settledTask();
  await store.logs(secondAttempt('metadata', 20, { status: 'running' }));
  const running = join(store.dir, 'running.json');
  copyFileSync(join(task, 'metadata.json'), running);
  await store.logs(secondAttempt('result', 30, { success: true, status: 'completed', result: 'second' }));
  copyFileSync(running, join(task, 'metadata.json'));
  truncateSync(join(task, 'facts.jsonl'), statSync(join(task, 'facts.jsonl')).size - 100);
  await restart(store);
  expect(documentOf(task, 'metadata.json')).toMatchObject({ status: 'completed', attempt: 2 });
  expect(documentOf(task, '04-final-result.json')).toMatchObject({ result: 'second', attempt: 2 });
});

test('documents that are older than the facts yield to them', async () => {
  const { store, task } = await settledTask();
  const late = log({
    event: 'tasktrail.task.result',
    id: eventId(4),
    atMs: 4,
    body: { success: false, status: 'failed', error: 'first end' },
  });
  const line = { timestamp: '2026-01-02T03:04:05.004Z', event_id: eventId(4), attempt: 1 };
  const fact = {
    ...line,
    event: 'tasktrail.task.result',
    trace_id: null,
    span_id: null,
    body: late.record.body,
  };
  const path = join(task, 'facts.jsonl');
  writeFileSync(path, `${readFileSync(path, 'utf8')}${JSON.stringify(fact)}\n`);
  await restart(store);
  expect(documentOf(task, '04-final-result.json')).toMatchObject({ status: 'failed', error: 'first end' });
});

test('a running task whose facts are of another version keeps what its documents say', async () => {
  const store = await newStore();
  await store.logs(INPUT, STARTED, MODEL, outputLog(5));
  await store.logs(secondAttempt('metadata', 20, { status: 'waiting_input' }));
  const path = join(store.dir, 'task-1', 'facts.jsonl');
  const before = documentOf(store.dir, 'task-1', 'metadata.json');
  writeFileSync(path, readFileSync(path, 'utf8').replaceAll('"event_id"', '"id"'));
  const metadata = join(store.dir, 'task-1', 'metadata.json');
  writeFileSync(metadata, `${JSON.stringify({ ...before, schema_version: 2, colour: 'red' })}\n`);
  const again = await restart(store);
  await again.logs(outputLog(7));
  expect(documentOf(metadata)).toEqual({ ...before, schema_version: 2, colour: 'red' });
});

test("another program's metadata.json says nothing", async () => {
  const store = await newStore();
  await store.logs(STARTED);
  const metadata = join(store.dir, 'task-1', 'metadata.json');
  writeFileSync(
    metadata,
    JSON.stringify({ status: 'completed', completed_at: '2026-01-02T03:04:05Z', model: 'x' }),
  );
  await restart(store);
  expect(documentOf(metadata)).toMatchObject({ status: 'running', model: 'm-1' });
});
