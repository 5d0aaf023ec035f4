import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { JsonObject, JsonValue } from '../../../src/model/json.ts';
import type { ReceivedLog } from '../../../src/model/otlp.ts';
import { ANONYMOUS, type Sender, TRAIL } from '../../../src/model/sender.ts';
import {
  documentOf,
  filesIn,
  flowOf,
  linesOf,
  newStore,
  openStore,
  type TestStore,
} from '../../support/log-dir.ts';
import { eventId, log, span, spanId } from '../../support/records.ts';

const AGENT: Sender = { kind: 'agent', taskId: 'task-1' };
const OTHER_AGENT: Sender = { kind: 'agent', taskId: 'task-2' };
const WORKFLOW = 'w-20260102T030405Z-abcd';

let number = 1_000;
function next(): string {
  number += 1;
  return eventId(number);
}

interface More {
  readonly id?: string;
  readonly task?: string | null;
  readonly atMs?: number;
  readonly attempt?: JsonValue;
}

function about(
  event: string,
  body: JsonValue,
  { id = next(), task = 'task-1', atMs = 0, attempt }: More = {},
): ReceivedLog {
  const attributes = {
    ...(task !== null && { 'tasktrail.task.id': task }),
    ...(attempt !== undefined && { 'tasktrail.task.attempt': attempt }),
    'tasktrail.webhook.provider': 'github',
    'tasktrail.webhook.delivery_id': 'd-1',
  };
  return log({ event: `tasktrail.${event}`, id, body, attributes, atMs });
}

const metadata = (body: JsonObject, more?: More): ReceivedLog => about('task.metadata', body, more);
const result = (body: JsonObject, more?: More): ReceivedLog => about('task.result', body, more);
const output = (body: string, more?: More): ReceivedLog => about('agent.output', body, more);

function event(
  type: string,
  payload: JsonObject = {},
  more: More & { readonly workflow?: string } = {},
): ReceivedLog {
  const { id = next(), task = 'task-1', atMs = 0, workflow = WORKFLOW } = more;
  const attributes = {
    'tasktrail.workflow.id': workflow,
    ...(task !== null && { 'tasktrail.task.id': task }),
  };
  return log({ event: `tasktrail.${type}`, id, body: payload, attributes, atMs });
}

const NAMED: Record<string, (task: string) => ReceivedLog> = {
  metadata: (task) => metadata({ status: 'running', model: 'forged' }, { task }),
  input: (task) => about('task.input', { message: 'EVIL', source_metadata: {} }, { task }),
  result: (task) => result({ status: 'completed', success: true, result: 'forged' }, { task }),
  stage: (task) => about('webhook.received', null, { task }),
  heartbeat: (task) => about('task.heartbeat', null, { task }),
  output: (task) => output('said\n', { task }),
  foreign: (task) => log({ id: next(), body: 'foreign', attributes: { 'tasktrail.task.id': task } }),
  event: (task) => event('step_start', { step: 's' }, { task, workflow: `w-${task}` }),
  delivery: () => about('webhook.delivery', { outcome: 'accepted', task_ids: [] }, { task: null }),
};

async function begun(store?: TestStore): Promise<TestStore> {
  const opened = store ?? (await newStore());
  await opened.logs(
    metadata(
      { status: 'running', source: 'webhook', created_at: '2026-01-02T03:04:05Z' },
      { id: eventId(1) },
    ),
    about('task.input', { message: 'please', source_metadata: { repo: 'a/b' } }, { id: eventId(2) }),
    metadata({ status: 'running', source: 'api' }, { id: eventId(3), task: 'task-2' }),
  );
  return opened;
}

// One row for each row of the table of senders: what each may say about a task of the trail.
test.each<[string, Sender, string, readonly string[]]>([
  ['the trail', TRAIL, 'task-1', Object.keys(NAMED)],
  ['an agent about its own task', AGENT, 'task-1', ['output', 'foreign', 'event']],
  ['an agent about another task', AGENT, 'task-2', []],
  ['an anonymous sender about a task of the trail', ANONYMOUS, 'task-1', ['delivery']],
  ['an anonymous sender about a task of its own', ANONYMOUS, 'task-new', Object.keys(NAMED)],
  [
    'an agent about a task that is not stored yet',
    { kind: 'agent', taskId: 'task-new' },
    'task-new',
    ['output', 'foreign', 'event'],
  ],
])('%s', async (_name, sender, task, allowed) => {
  for (const [name, make] of Object.entries(NAMED)) {
    const store = await begun();
    const before = filesIn(store.dir);
    const { rejected, reasons } = await store.from(sender, make(task));
    expect([name, rejected]).toEqual([name, allowed.includes(name) ? 0 : 1]);
    if (rejected === 0) continue;
    expect(reasons[0]).toMatch(/token|authenticated sender/);
    expect(filesIn(store.dir)).toEqual(before);
    expect(store.books.snapshot().dropped).toEqual({ 'not permitted for the sender': 1 });
    expect(store.books.notices.get('refused records')).toMatch(/^not stored since the start: \d+ from /);
    expect(store.books.notices.get('refused records')).toContain(reasons[0]);
  }
});

test('an agent that has ended its task, and one of another key, may not write; a copy of what is stored is a repeat', async () => {
  const store = await begun();
  const line = output('last words\n');
  await store.from(AGENT, line);
  await store.logs(result({ status: 'completed', success: true }, { id: eventId(9) }));
  const { rejected, reasons } = await store.from(AGENT, output('after\n'));
  expect([rejected, reasons]).toEqual([1, [expect.stringMatching(/task task-1 has ended/)]]);
  expect(await store.from(AGENT, line)).toEqual({ rejected: 0, reasons: [] });
  await store.logs(metadata({ status: 'running' }, { attempt: 2, atMs: 60_000 }));
  expect((await store.from(AGENT, output('second attempt\n'))).rejected).toBe(0);
});

test('what an agent has left is stored after the end of its task, with no more rights than it had', async () => {
  const left: Sender = { ...AGENT, isLeft: true };
  const store = await begun();
  await store.logs(
    event('workflow_start', {}, { task: 'task-1' }),
    result({ status: 'failed', success: false, error: 'no' }, { id: eventId(9) }),
  );
  const own = event('step_start', { step: 's' });
  expect(await store.from(left, output('late\n'), own)).toEqual({ rejected: 0, reasons: [] });
  const lines = linesOf(store.dir, 'task-1', '03-agent-output.jsonl');
  expect(lines.map(({ content }) => content)).toEqual(['late\n']);
  const forged = [
    result({ status: 'completed', success: true }, { attempt: 2 }),
    metadata({ status: 'running' }),
    output('of another task\n', { task: 'task-2' }),
    event('workflow_complete', { status: 'success' }),
  ];
  for (const record of forged) expect((await store.from(left, record)).rejected).toBe(1);
  expect(documentOf(store.dir, 'task-1', 'metadata.json')).toMatchObject({ status: 'failed' });
});

test('a record of an agent that names no task is about its task; spans that also name another are refused', async () => {
  const store = await begun();
  await store.from(AGENT, log({ id: eventId(50), body: 'nameless', attributes: {} }));
  expect(linesOf(store.dir, 'task-1', '03-agent-output.jsonl')[0]).toMatchObject({ content: 'nameless' });
  await store.spansFrom(AGENT, span({ id: spanId(1), attributes: {} }));
  expect(linesOf(store.dir, 'task-1', 'trace.jsonl')).toHaveLength(1);
  const both = span({ id: spanId(2), attributes: { 'tasktrail.task.ids': ['task-1', 'task-2'] } });
  expect((await store.spansFrom(AGENT, both)).rejected).toBe(1);
  expect(existsSync(join(store.dir, 'task-2', 'trace.jsonl'))).toBe(false);
  expect(linesOf(store.dir, 'task-1', 'trace.jsonl')).toHaveLength(1);
});

test('a span that the trail has announced is not replaced by one of its agent', async () => {
  const store = await begun();
  const start = log({
    event: 'tasktrail.task.metadata',
    id: next(),
    body: { status: 'running' },
    attributes: { 'tasktrail.task.id': 'task-1', 'tasktrail.span.name': 'run', 'tasktrail.span.kind': 1 },
    spanId: spanId(7),
  });
  await store.logs(start);
  expect((await store.spansFrom(AGENT, span({ id: spanId(7) }))).rejected).toBe(1);
  expect((await store.sendSpans(span({ id: spanId(7) }))).rejected).toBe(0);
});

// The forged records.
test.each<[string, Sender, ReceivedLog]>(
  [ANONYMOUS, AGENT].flatMap((sender) =>
    (
      [
        [
          'deletes',
          result(
            { status: 'failed', completed_at: '2001-01-01T00:00:00.000Z' },
            { attempt: Number.MAX_SAFE_INTEGER },
          ),
        ],
        ['ends early', result({ status: 'completed', success: true, metrics: { cost_usd: 1e15 } })],
        ['replaces the input', about('task.input', { message: 'EVIL', source_metadata: {} })],
        [
          'queues again',
          metadata({ status: 'queued', source: 'api', queue_system: 'in_process' }, { attempt: 9 }),
        ],
        ['stands first for ever', metadata({ created_at: '9999-01-01T00:00:00Z' }, { attempt: 10_000 })],
      ] as const
    ).map(([what, record]): [string, Sender, ReceivedLog] => [`${sender.kind}: ${what}`, sender, record]),
  ),
)('a forged record changes nothing of a task of the trail (%s)', async (_name, sender, record) => {
  const store = await begun();
  const before = filesIn(store.dir);
  expect((await store.from(sender, record)).rejected).toBe(1);
  const again = openStore(store.dir);
  await again.store.recover();
  expect((await again.from(sender, record)).rejected).toBe(1);
  await again.pass(60_000);
  expect(filesIn(store.dir)).toEqual(before);
  expect((await again.logs(result({ status: 'failed', success: false, error: 'real' }))).rejected).toBe(0);
  expect(documentOf(store.dir, 'task-1', '04-final-result.json')).toMatchObject({
    status: 'failed',
    error: 'real',
  });
});

test('a forged delivery is kept with its mark, and the genuine one with the same id stands beside it', async () => {
  const store = await newStore();
  const body = { outcome: 'accepted', task_ids: [] };
  const forged = about('webhook.delivery', body, { id: eventId(1), task: null });
  expect((await store.from(ANONYMOUS, forged)).rejected).toBe(0);
  await store.logs(about('webhook.delivery', body, { id: eventId(1), task: null }));
  await store.from(ANONYMOUS, forged);
  const lines = linesOf(store.dir, '_webhooks', '2026-01-02.jsonl');
  expect(lines.map(({ sender }) => sender)).toEqual(['anonymous', undefined]);
  expect(store.books.snapshot()).toMatchObject({ accepted: 2, duplicates: 1 });
});

test.each([
  ['2200', Date.parse('2200-01-01T00:00:00Z')],
  ['1970', 0],
])('a delivery of the year %s is filed under the day of the holder', async (_year, ms) => {
  const store = await newStore();
  const atMs = ms - Date.parse('2026-01-02T03:04:05.000Z');
  await store.logs(about('webhook.delivery', { outcome: 'accepted' }, { task: null, atMs }));
  expect(Object.keys(filesIn(store.dir))).toEqual(['_webhooks/2026-01-02.jsonl']);
});

const OPENING = (id: string): ReceivedLog => metadata({ status: 'running', source: 'webhook' }, { id });
const ENDING = (id: string): ReceivedLog =>
  result({ status: 'completed', success: true, result: 'done' }, { id, atMs: 5 });

test('a task of an anonymous sender is its own from the first to the last record, over restarts', async () => {
  const store = await newStore();
  await store.from(ANONYMOUS, output('first line, before anything else\n'));
  expect(documentOf(store.dir, 'task-1', 'metadata.json')).toMatchObject({ opened_by: 'anonymous' });
  const again = openStore(store.dir);
  expect((await again.from(ANONYMOUS, metadata({ status: 'running', source: 'python' }))).rejected).toBe(0);
  const third = openStore(store.dir);
  expect((await third.from(ANONYMOUS, result({ status: 'completed', success: true }))).rejected).toBe(0);
  expect(documentOf(store.dir, 'task-1', 'metadata.json')).toMatchObject({
    status: 'completed',
    source: 'python',
    opened_by: 'anonymous',
  });
  expect(linesOf(store.dir, 'task-1', 'facts.jsonl').map(({ sender }) => sender)).toEqual([
    'anonymous',
    'anonymous',
  ]);
  // An agent, or another program, does not take it over by a span.
  await third.sendSpans(span({ id: spanId(3) }));
  expect((await third.from(ANONYMOUS, output('more\n'))).rejected).toBe(0);
});

test('the trail takes over what an anonymous copy has opened, and nothing of it is lost or appears twice', async () => {
  const store = await newStore();
  const line = output('line\n', { id: eventId(5) });
  await store.from(ANONYMOUS, OPENING(eventId(1)), line, ENDING(eventId(6)));
  expect(documentOf(store.dir, 'task-1', 'metadata.json')).toMatchObject({ status: 'completed' });
  await store.logs(OPENING(eventId(1)));
  expect(documentOf(store.dir, 'task-1', 'metadata.json')).toMatchObject({
    status: 'running',
    source: 'webhook',
  });
  expect(documentOf(store.dir, 'task-1', 'metadata.json').opened_by).toBeUndefined();
  expect(existsSync(join(store.dir, 'task-1', '04-final-result.json'))).toBe(false);
  expect((await store.logs(line)).rejected).toBe(0);
  expect((await flowOf(store.dir, 'task-1', 'agent-output')).map(({ sender }) => sender)).toEqual([
    undefined,
  ]);
  expect((await store.from(ANONYMOUS, result({ status: 'failed' }))).rejected).toBe(1);
  expect((await store.from(ANONYMOUS, ENDING(eventId(6)))).rejected).toBe(0);
  await store.logs(ENDING(eventId(6)));
  expect(documentOf(store.dir, 'task-1', '04-final-result.json')).toMatchObject({
    status: 'completed',
    result: 'done',
  });
  const documents = filesIn(store.dir);
  const again = openStore(store.dir);
  await again.store.recover();
  expect(filesIn(store.dir)).toEqual(documents);
});

test('the order in which the copies and the records of the trail come does not change the documents', async () => {
  const records = [OPENING(eventId(1)), output('line\n', { id: eventId(5) }), ENDING(eventId(6))];
  const forged = [
    metadata({ model: 'forged', source: 'forged' }, { id: eventId(7), atMs: 9 }),
    result({ status: 'failed' }, { id: eventId(8) }),
  ];
  const documents: unknown[] = [];
  for (const order of ['before', 'after', 'between']) {
    const store = await newStore();
    if (order === 'before') await store.from(ANONYMOUS, ...forged, ...records);
    for (const record of records) {
      await store.logs(record);
      if (order === 'between') await store.from(ANONYMOUS, ...forged, record);
    }
    if (order === 'after') await store.from(ANONYMOUS, ...records, ...forged);
    const files = ['metadata.json', '04-final-result.json'].map((name) =>
      documentOf(store.dir, 'task-1', name),
    );
    documents.push([...files, await flowOf(store.dir, 'task-1', 'agent-output')]);
  }
  expect(documents[1]).toEqual(documents[0]);
  expect(documents[2]).toEqual(documents[0]);
});

test('a directory of an older version is the trail’s', async () => {
  const store = await begun();
  const again = openStore(store.dir);
  expect((await again.from(ANONYMOUS, output('x\n', { task: 'task-2' }))).rejected).toBe(1);
  expect((await again.from(OTHER_AGENT, output('x\n', { task: 'task-2' }))).rejected).toBe(0);
});

test.each([2 ** 53, Number.MAX_SAFE_INTEGER, 10_001, 0, -1, 1.5, 'x'])(
  'the attempt %j is kept as it was said, and is none',
  async (attempt) => {
    const store = await newStore();
    await store.logs(
      metadata({ status: 'running', source: 'api' }, { id: eventId(1) }),
      result({ status: 'completed', success: true }, { id: eventId(2), atMs: 1 }),
      result({ status: 'failed' }, { id: eventId(3), atMs: 2, attempt }),
      output('x\n', { id: eventId(4), attempt }),
    );
    expect(documentOf(store.dir, 'task-1', 'metadata.json')).toMatchObject({
      status: 'completed',
      attempt: 1,
    });
    const [, , forged] = linesOf(store.dir, 'task-1', 'facts.jsonl');
    expect(forged).toMatchObject({ attempt: 1, given_attempt: attempt });
    expect(linesOf(store.dir, 'task-1', '03-agent-output.jsonl')[0]).toMatchObject({ attempt });
  },
);

test('what the holder completes for an anonymous task keeps that mark, and the task stays with its sender', async () => {
  const store = await newStore();
  await store.from(ANONYMOUS, metadata({ status: 'running', source: 'python' }));
  const marked = { 'tasktrail.task.id': 'task-1', 'tasktrail.sender': 'anonymous' };
  const abandoned = { success: false, status: 'abandoned', error: 'silent' };
  await store.logs(log({ event: 'tasktrail.task.result', id: next(), body: abandoned, attributes: marked }));
  await store.sendSpans(span({ id: spanId(4), attributes: marked }));
  expect(documentOf(store.dir, 'task-1', 'metadata.json')).toMatchObject({
    status: 'abandoned',
    source: 'python',
    opened_by: 'anonymous',
  });
  // Its sender was only slow.
  expect((await store.from(ANONYMOUS, result({ status: 'completed', success: true }))).rejected).toBe(0);
  expect(documentOf(store.dir, 'task-1', 'metadata.json')).toMatchObject({
    status: 'completed',
    source: 'python',
  });
});

test('an agent or an anonymous sender does not get rights by the mark of the holder', async () => {
  const store = await begun();
  const attributes = { 'tasktrail.task.id': 'task-1', 'tasktrail.sender': 'trail' };
  const forged = log({ event: 'tasktrail.task.result', id: next(), body: { status: 'failed' }, attributes });
  for (const sender of [ANONYMOUS, AGENT]) expect((await store.from(sender, forged)).rejected).toBe(1);
  // A span that the holder builds from an anonymous workflow does not get into a task of the trail.
  const marked = { 'tasktrail.task.id': 'task-1', 'tasktrail.sender': 'anonymous' };
  expect((await store.sendSpans(span({ id: spanId(5), attributes: marked }))).rejected).toBe(1);
});

test('a task of an anonymous sender stays its own after a restart, so that the end of a silent one keeps its mark', async () => {
  const first = await newStore();
  await first.from(
    ANONYMOUS,
    metadata({ status: 'running', heartbeat_seconds: 10, source: 'theirs' }),
    about('task.input', { message: 'theirs', source_metadata: {} }),
  );
  expect(first.store.liveness.get('task-1')).toMatchObject({ openedBy: 'anonymous' });
  await first.store.close('restart');
  const second = openStore(first.dir);
  await second.store.recover();
  expect(second.store.liveness.get('task-1')).toMatchObject({ openedBy: 'anonymous', status: 'running' });
});
