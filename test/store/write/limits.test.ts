import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type ReceivedLog, RequestMemory } from '../../../src/model/otlp.ts';
import { TRAIL } from '../../../src/model/sender.ts';
import { LINE_BYTES_MAX as READ_BYTES_MAX } from '../../../src/system/lines.ts';
import { linesOf, newStore } from '../../support/log-dir.ts';
import { eventId, log, outputLog, span, spanId } from '../../support/records.ts';

const MEBI = 'x'.repeat(1_048_576);
const LONG = Object.fromEntries(Array.from({ length: 13 }, (_, at) => [`a${at}`, MEBI]));
const TASK = { 'tasktrail.task.id': 'task-1' };
const REASON = expect.stringMatching(/^the line of a record would be longer than \d+ bytes$/);

test.each<[string, ReceivedLog]>([
  ['a log record', log({ id: eventId(1), body: 'x', attributes: { ...TASK, ...LONG } })],
  [
    'an output line',
    log({
      event: 'tasktrail.agent.output',
      id: eventId(1),
      body: 'x',
      attributes: { ...TASK, 'tasktrail.agent.output.type': 'tool_call', 'gen_ai.tool.call.arguments': LONG },
    }),
  ],
  [
    'a stage',
    log({
      event: 'tasktrail.webhook.received',
      id: eventId(1),
      attributes: { ...TASK, 'tasktrail.webhook.long': Object.values(LONG) },
    }),
  ],
  ['metadata', log({ event: 'tasktrail.task.metadata', id: eventId(1), body: LONG, attributes: TASK })],
  [
    'an input',
    log({
      event: 'tasktrail.task.input',
      id: eventId(1),
      body: { message: 'x', source_metadata: LONG },
      attributes: TASK,
    }),
  ],
  ['a result', log({ event: 'tasktrail.task.result', id: eventId(1), body: LONG, attributes: TASK })],
  [
    'a workflow event',
    log({
      event: 'tasktrail.step_start',
      id: eventId(1),
      body: LONG,
      attributes: { 'tasktrail.workflow.id': 'w-1' },
    }),
  ],
  [
    'a delivery',
    log({
      event: 'tasktrail.webhook.delivery',
      id: eventId(1),
      body: { stages: Object.values(LONG) },
      attributes: {},
    }),
  ],
])('%s whose line readers would skip is rejected, and the record beside it is kept', async (_, long) => {
  const { dir, logs, books } = await newStore();
  expect(await logs(long, outputLog(2))).toEqual({ rejected: 1, reasons: [REASON] });
  expect(linesOf(dir, 'task-1', '03-agent-output.jsonl')).toHaveLength(1);
  expect(books.snapshot().dropped).toEqual({ 'lines over the limit': 1 });
});

test('a span whose line readers would skip is rejected, and the span beside it is kept', async () => {
  const { dir, store } = await newStore();
  const long = span({ id: spanId(1), attributes: { ...TASK, ...LONG } });
  const spans = [long, span({ id: spanId(2), attributes: TASK })];
  expect(await store.ingest({ logs: [], spans }, TRAIL)).toEqual({ rejected: 1, reasons: [REASON] });
  expect(linesOf(dir, 'task-1', 'trace.jsonl')).toHaveLength(1);
});

test('the longest line that is stored is one that readers take', async () => {
  const { dir, logs } = await newStore();
  const attributes = Object.fromEntries(Object.entries(LONG).slice(0, 11));
  expect(
    await logs(
      log({ id: eventId(1), body: '\u0001'.repeat(170_000), attributes: { ...TASK, ...attributes } }),
    ),
  ).toMatchObject({ rejected: 0 });
  const [line] = linesOf(dir, 'task-1', '03-agent-output.jsonl');
  expect(JSON.stringify(line).length).toBeGreaterThan(12_000_000);
  expect(JSON.stringify(line).length).toBeLessThan(READ_BYTES_MAX);
});

test('a request begins at most 3,000 tasks, over all of its batches; records of known ones are stored', {
  tags: 'full',
}, async () => {
  const { dir, store, books } = await newStore();
  await store.ingest({ logs: [outputLog(1, 'x', 'known')], spans: [] }, TRAIL);
  const memory = new RequestMemory();
  const batch = (from: number) =>
    Array.from({ length: 1_600 }, (_, at) => outputLog(at + 2, 'x', `new-${from + at}`));
  expect(await store.ingest({ logs: batch(0), spans: [], memory }, TRAIL)).toMatchObject({ rejected: 0 });
  const second = await store.ingest(
    {
      logs: [...batch(1_600), outputLog(9, 'y', 'known')],
      spans: [],
      memory,
    },
    TRAIL,
  );
  expect(second).toEqual({
    rejected: 200,
    reasons: ['a request begins more than 3000 new tasks, workflows or days'],
  });
  expect(readdirSync(dir)).toHaveLength(3_001);
  expect(linesOf(dir, 'known', '03-agent-output.jsonl')).toHaveLength(2);
  expect(books.snapshot().dropped).toEqual({ 'new tasks over the limit': 200 });
});

test('equal foreign records have the same ids whether they come in one batch or in several of a request', async () => {
  const foreign = () =>
    log({
      body: 'same',
      attributes: {},
      resource: { 'service.name': 'agent', 'tasktrail.task.id': 'task-1' },
    });
  const { dir, store, logs } = await newStore();
  await logs(foreign(), foreign(), foreign());
  const memory = new RequestMemory();
  for (let at = 0; at < 3; at += 1) await store.ingest({ logs: [foreign()], spans: [], memory }, TRAIL);
  expect(linesOf(dir, 'task-1', '03-agent-output.jsonl')).toHaveLength(3);
});

test('a span that names very many tasks is rejected', async () => {
  const { dir, store } = await newStore();
  const ids = Array.from({ length: 101 }, (_, at) => `task-${at}`);
  const many = span({ id: spanId(1), attributes: { 'tasktrail.task.ids': ids } });
  expect(await store.ingest({ logs: [], spans: [many] }, TRAIL)).toMatchObject({
    reasons: ['a span names more than 100 tasks'],
  });
  expect(readdirSync(dir)).toEqual([]);
});
