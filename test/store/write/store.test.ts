import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ReceivedLog } from '../../../src/model/otlp.ts';
import { TRAIL } from '../../../src/model/sender.ts';
import { countReads } from '../../support/count-reads.ts';
import { fc } from '../../support/fast-check.ts';
import { documentOf, filesIn, linesOf, newStore, openStore, tempDir } from '../../support/log-dir.ts';
import { eventId, log, outputLog, span, spanId } from '../../support/records.ts';

const OUTPUT = '03-agent-output.jsonl';

function metadataLog(
  number: number,
  body: ReceivedLog['record']['attributes'],
  taskId = 'task-1',
): ReceivedLog {
  const attributes = { 'tasktrail.task.id': taskId, 'tasktrail.task.attempt': 1 };
  return log({ event: 'tasktrail.task.metadata', id: eventId(number), atMs: number, body, attributes });
}

function resultLog(number: number, taskId = 'task-1', attempt = 1): ReceivedLog {
  return log({
    event: 'tasktrail.task.result',
    id: eventId(number),
    atMs: number,
    body: { success: true, status: 'completed', result: 'done', metrics: { cost_usd: 0.5 } },
    attributes: { 'tasktrail.task.id': taskId, 'tasktrail.task.attempt': attempt },
  });
}

test('a repeated record is stored once and counted as a duplicate', async () => {
  const { dir, logs, books } = await newStore();
  await logs(outputLog(1), outputLog(1));
  await logs(outputLog(1), outputLog(2));
  expect(linesOf(dir, 'task-1', OUTPUT).map((line) => line.content)).toEqual(['line 1\n', 'line 2\n']);
  expect(books.snapshot()).toMatchObject({ accepted: 2, duplicates: 2 });
});

test('foreign records get ids that are stable across resends', async () => {
  const { dir, logs } = await newStore();
  const record = log({ body: 'hello', event: 'codex.x' });
  await logs(record);
  await logs(record);
  expect(linesOf(dir, 'task-1', OUTPUT)).toHaveLength(1);
  await logs(record, record);
  expect(linesOf(dir, 'task-1', OUTPUT)).toHaveLength(2);
});

test('equal foreign records of two tasks keep their ids for every split of the requests', async () => {
  const { dir, logs } = await newStore();
  const of = (task: string): ReceivedLog =>
    log({ body: 'hello', attributes: {}, resource: { 'tasktrail.task.id': task } });
  await logs(of('task-1'), of('task-2'));
  await logs(of('task-2'));
  expect(linesOf(dir, 'task-2', OUTPUT)).toHaveLength(1);
});

test('records without a task are counted by service, and the first one logs the remedy', async () => {
  const { dir, logs, books, logged } = await newStore();
  const stray = log({ body: 'x', attributes: {}, resource: { 'service.name': 'shop' } });
  expect(await logs(stray, stray, outputLog(1))).toEqual({ rejected: 0, reasons: [] });
  expect(books.snapshot().unattributed).toEqual({ shop: 2 });
  expect(logged).toHaveLength(1);
  expect(logged[0]).toContain('OTEL_RESOURCE_ATTRIBUTES=tasktrail.task.id=');
  expect(readdirSync(dir)).toEqual(['task-1']);
});

test('an invalid record is rejected once with its reason, and the others are stored', async () => {
  const { dir, logs } = await newStore();
  const bad = log({ body: 'x', attributes: { 'tasktrail.task.id': '../../etc' } });
  expect(await logs(outputLog(1), bad, bad, outputLog(2))).toEqual({
    rejected: 2,
    reasons: ['tasktrail.task.id is not a valid id'],
  });
  expect(linesOf(dir, 'task-1', OUTPUT)).toHaveLength(2);
});

test('a record that fails to project is rejected and not retried', async () => {
  const { dir, logs } = await newStore();
  const broken = outputLog(2);
  // No receiver passes such a record; the others are stored in any case.
  const unreadable = { ...broken, record: { ...broken.record, attributes: null as never } };
  expect(await logs(outputLog(1), unreadable)).toMatchObject({ rejected: 1 });
  expect(linesOf(dir, 'task-1', OUTPUT)).toHaveLength(1);
});

test('04-final-result.json is written before the metadata has the status completed', async () => {
  const { dir, logs } = await newStore();
  await logs(metadataLog(1, { status: 'running' }));
  // A directory in its place makes the write of 04 fail.
  mkdirSync(join(dir, 'task-1', '04-final-result.json'));
  expect(await logs(resultLog(2))).toMatchObject({ rejected: 1 });
  expect(documentOf(dir, 'task-1', 'metadata.json').status).toBe('running');
  rmSync(join(dir, 'task-1', '04-final-result.json'), { recursive: true });
  await logs(resultLog(2));
  expect(documentOf(dir, 'task-1', '04-final-result.json').status).toBe('completed');
  expect(documentOf(dir, 'task-1', 'metadata.json').status).toBe('completed');
});

test('batches that only add lines, and facts that change nothing, do not rewrite the documents', async () => {
  const { dir, logs } = await newStore();
  await logs(metadataLog(1, { status: 'running', created_at: '2026-01-01T00:00:00Z' }), outputLog(5));
  const before = statSync(join(dir, 'task-1', 'metadata.json'));
  await logs(outputLog(6), outputLog(7));
  await logs(metadataLog(8, { status: 'running' }));
  expect(statSync(join(dir, 'task-1', 'metadata.json')).ino).toBe(before.ino);
});

test('a task with only foreign records is created at the time of the first one', async () => {
  const { dir, logs } = await newStore();
  const without = log({ body: 'no time' });
  await logs({ ...without, record: { ...without.record, timeUnixNano: '0' } }, outputLog(50));
  await logs(outputLog(20));
  expect(documentOf(dir, 'task-1', 'metadata.json')).toMatchObject({
    source: 'otlp',
    created_at: '2026-01-02T03:04:05.020Z',
  });
});

test('files only grow while a task runs, and are sorted after its end and a quiet time', async () => {
  const { dir, logs, pass } = await newStore();
  const path = join(dir, 'task-1', OUTPUT);
  let before = '';
  for (const number of [5, 3, 9, 1]) {
    await logs(outputLog(number));
    await pass(30_000);
    const text = readFileSync(path, 'utf8');
    expect(text.startsWith(before) && text.length > before.length).toBe(true);
    before = text;
  }
  await logs(resultLog(10));
  await pass(1_900);
  expect(readFileSync(path, 'utf8')).toBe(before);
  await pass(200);
  expect(linesOf(path).map((line) => line.content)).toEqual([1, 3, 5, 9].map((at) => `line ${at}\n`));
});

test('late records after the end double the quiet time', async () => {
  const { dir, logs, pass } = await newStore();
  const contents = (): unknown[] => linesOf(dir, 'task-1', OUTPUT).map((line) => line.content);
  await logs(outputLog(90), resultLog(100));
  await pass(20_000);
  // The quiet time is 2 s at first; with each later sorting 4, 8, ... up to 60 s.
  for (const [index, wait] of [2, 2, 4, 8, 16, 32, 60, 60].entries()) {
    const number = 80 - index;
    // Several late records in a row count once.
    await logs(outputLog(number));
    await logs(outputLog(number - 40));
    await pass(wait * 1000 - 1);
    expect(contents().at(-1)).toBe(`line ${number - 40}\n`);
    await pass(1);
    expect(contents().at(-1)).toBe('line 90\n');
  }
});

test('a settled task is marked and closed, and its next record opens it again', async () => {
  const { dir, logs, pass, books } = await newStore();
  await logs(outputLog(1), resultLog(2));
  await pass(2_500);
  expect(documentOf(dir, 'task-1', 'metadata.json').settled).toBeUndefined();
  await pass(10_000);
  expect(documentOf(dir, 'task-1', 'metadata.json').settled).toBe(true);
  await pass(10_000);
  // Closed: the file is read again.
  writeFileSync(join(dir, 'task-1', OUTPUT), 'not json\n');
  await logs(outputLog(1));
  expect(books.snapshot().skippedLines).toBe(1);
  expect(linesOfGood(dir)).toEqual(['line 1\n']);
});

function linesOfGood(dir: string): unknown[] {
  const text = readFileSync(join(dir, 'task-1', OUTPUT), 'utf8').split('\n');
  return text
    .filter((line) => line.startsWith('{'))
    .map((line) => (JSON.parse(line) as { content: unknown }).content);
}

test('another attempt after the end sets the task to running', async () => {
  const { dir, logs, pass } = await newStore();
  await logs(resultLog(1));
  await pass(20_000);
  const attributes = { 'tasktrail.task.id': 'task-1', 'tasktrail.task.attempt': 2 };
  const running = { status: 'running' };
  await logs(log({ event: 'tasktrail.task.metadata', id: eventId(2), body: running, attributes }));
  expect(documentOf(dir, 'task-1', 'metadata.json')).toMatchObject({ status: 'running', attempt: 2 });
  expect(documentOf(dir, 'task-1', 'metadata.json').settled).toBeUndefined();
});

test('only a task whose directory is a file is refused', async () => {
  const { dir, logs, books } = await newStore();
  writeFileSync(join(dir, 'task-bad'), '');
  const outcome = await logs(outputLog(1), outputLog(2, 'x', 'task-bad'), outputLog(3, 'y', 'task-bad'));
  expect(outcome).toMatchObject({ rejected: 2, reasons: [expect.stringContaining('task task-bad')] });
  expect(linesOf(dir, 'task-1', OUTPUT)).toHaveLength(1);
  // The disk works: the process stays ready and has a notice.
  expect(books.reasons.size).toBe(0);
  expect(books.notices.get('store')).toContain('task-bad');
  rmSync(join(dir, 'task-bad'));
  await logs(outputLog(2, 'x', 'task-bad'));
  expect(books.notices.size).toBe(0);
});

test('a read-only log directory refuses a batch until it is writable again', async () => {
  const { dir, logs, books } = await newStore();
  await logs(outputLog(1));
  renameSync(dir, `${dir}.away`);
  writeFileSync(dir, '');
  await expect(logs(outputLog(2))).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE', retryable: true });
  expect(books.reasons.has('store')).toBe(true);
  rmSync(dir);
  renameSync(`${dir}.away`, dir);
  expect(await logs(outputLog(1), outputLog(2))).toEqual({ rejected: 0, reasons: [] });
  expect(linesOf(dir, 'task-1', OUTPUT)).toHaveLength(2);
  expect(books.reasons.size).toBe(0);
});

test('a task whose directory was removed while it was open is created again', async () => {
  const { dir, logs } = await newStore();
  await logs(outputLog(1));
  rmSync(join(dir, 'task-1'), { recursive: true });
  expect(await logs(outputLog(2))).toMatchObject({ rejected: 0 });
  expect(linesOf(dir, 'task-1', OUTPUT)).toHaveLength(1);
});

test('a closed store writes nothing and throws a retryable error', async () => {
  const { dir, store, logs } = await newStore();
  await logs(outputLog(1));
  const before = filesIn(dir);
  const late = logs(outputLog(2), log({ event: 'tasktrail.webhook.delivery', body: {}, attributes: {} }));
  const closed = store.close('the lock was lost');
  await late;
  await closed;
  const after = filesIn(dir);
  for (const name of Object.keys(before)) expect(after[name]).toContain(before[name] ?? '');
  await expect(logs(outputLog(3))).rejects.toMatchObject({
    code: 'ERR_STORE_UNAVAILABLE',
    retryable: true,
    message: 'the lock was lost',
  });
  expect(filesIn(dir)).toEqual(after);
});

test('a store that has lost its lock neither stores records nor sorts files', async () => {
  let held = true;
  const { dir, logs, pass } = openStore(await tempDir(), { isHeld: () => held });
  await logs(outputLog(5), outputLog(1), resultLog(9));
  const before = filesIn(dir);
  held = false;
  await expect(logs(outputLog(7))).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE', retryable: true });
  await pass(60_000);
  expect(filesIn(dir)).toEqual(before);
});

test('concurrent ingests for one task store each record once', async () => {
  const { dir, logs } = await newStore();
  const list = Array.from({ length: 50 }, (_, index) => outputLog(index));
  await Promise.all([logs(...list), logs(...list.toReversed()), logs(...list.slice(10))]);
  const ids = linesOf(dir, 'task-1', OUTPUT).map((line) => line.event_id);
  expect(ids).toHaveLength(50);
  expect(new Set(ids).size).toBe(50);
});

test('later batches of an open task read nothing from its files, and another store reads them once', async () => {
  const first = await newStore();
  await first.logs(...Array.from({ length: 5_000 }, (_, index) => outputLog(index)));
  const reads = await countReads();
  for (let batch = 0; batch < 10; batch += 1) {
    await first.logs(...Array.from({ length: 50 }, (_, index) => outputLog(5_000 + batch * 50 + index)));
    await first.pass(1);
  }
  expect(reads).toEqual({ calls: 0, bytes: 0 });
  const second = openStore(first.dir);
  await second.logs(outputLog(0));
  const { size } = statSync(join(first.dir, 'task-1', OUTPUT));
  expect(reads.bytes).toBe(size);
});

test('10,000 records of 50 tasks in concurrent batches with duplicates are stored exactly once', {
  tags: 'full',
}, async () => {
  const { dir, logs, books } = await newStore();
  const records = Array.from({ length: 10_000 }, (_, index) => outputLog(index, 'x\n', `task-${index % 50}`));
  const batches = Array.from({ length: 20 }, (_, index) => records.slice(index * 500, index * 500 + 600));
  await Promise.all([...batches, ...batches.slice(0, 5)].map((batch) => logs(...batch)));
  const seen = new Set<unknown>();
  let lines = 0;
  for (let task = 0; task < 50; task += 1) {
    for (const line of linesOf(dir, `task-${task}`, OUTPUT)) {
      seen.add(line.event_id);
      lines += 1;
    }
  }
  expect([lines, seen.size, books.snapshot().accepted]).toEqual([10_000, 10_000, 10_000]);
});

test('documents do not depend on order, batches or restarts', { tags: 'full' }, async () => {
  const records = [
    metadataLog(1, { status: 'queued', source: 'api', created_at: '2026-01-02T03:04:05Z' }),
    log({
      event: 'tasktrail.task.input',
      id: eventId(2),
      body: { message: 'do', source_metadata: { a: 1 } },
    }),
    metadataLog(3, { status: 'running', model: 'a', secret: 'ghp_0123456789012345678901234567890123456789' }),
    outputLog(4),
    outputLog(5),
    metadataLog(6, { model: 'b', workflow_ids: ['workflow-1'] }),
    resultLog(7),
  ];
  const ordered = await newStore();
  await ordered.logs(...records);
  await ordered.pass(20_000);
  const { 'task-1/facts.jsonl': _, ...expected } = filesIn(ordered.dir);
  expect(expected['task-1/metadata.json']).toContain('[redacted:github-token]');
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray(records, { minLength: records.length }),
      fc.nat(records.length),
      async (list, cut) => {
        const first = await newStore();
        await first.logs(...list.slice(0, cut), ...list.slice(0, 2));
        await first.store.close('restart');
        const second = openStore(first.dir);
        await second.store.recover();
        await second.logs(...list);
        await second.pass(20_000);
        const { 'task-1/facts.jsonl': _facts, ...files } = filesIn(first.dir);
        expect(files).toEqual(expected);
      },
    ),
    { numRuns: 30 },
  );
});

test('a batch of very many tasks opens few files at a time and keeps few tasks open', {
  tags: 'full',
}, async () => {
  const { store, dir } = await newStore();
  const logs = Array.from({ length: 2_500 }, (_, index) => outputLog(index, 'x\n', `task-${index}`));
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, readdirSync('/proc/self/fd').length);
  }, 1);
  const before = readdirSync('/proc/self/fd').length;
  const { rejected } = await store.ingest({ logs, spans: [] }, TRAIL);
  clearInterval(watch);
  expect(rejected).toBe(0);
  expect(readdirSync(dir)).toHaveLength(2_500);
  expect(most - before).toBeLessThan(100);
  // A closed task is read back: no line is repeated.
  await store.ingest({ logs, spans: [] }, TRAIL);
  expect(linesOf(dir, 'task-0', '03-agent-output.jsonl')).toHaveLength(1);
});

test('batches are refused while ownership of the directory is unknown, and stored afterwards', async () => {
  let isHeld = true;
  const { dir, logs } = openStore(await tempDir(), { isHeld: () => isHeld });
  await logs(outputLog(1));
  isHeld = false;
  await expect(logs(outputLog(2))).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE', retryable: true });
  isHeld = true;
  await logs(outputLog(2));
  expect(linesOf(dir, 'task-1', '03-agent-output.jsonl')).toHaveLength(2);
});

test('a record whose line no reader would take is refused and counted, and those beside it are kept', async () => {
  const { dir, logs, sendSpans, books } = await newStore();
  const long = 'x'.repeat(17 * 1_048_576);
  const attributes = { 'tasktrail.task.id': 'task-1', note: long };
  const workflow = { 'tasktrail.workflow.id': 'flow-20260102T030405Z' };
  const outcome = await logs(
    log({ event: 'tool.result', id: eventId(1), body: 'x', attributes }),
    log({ event: 'tasktrail.task.metadata', id: eventId(2), body: { model: long } }),
    log({ event: 'tasktrail.workflow_start', id: eventId(3), body: { note: long }, attributes: workflow }),
    log({
      event: 'tasktrail.webhook.delivery',
      id: eventId(4),
      body: { outcome: 'rejected', reason: long },
      attributes: {},
    }),
    outputLog(5),
  );
  expect(outcome).toEqual({
    rejected: 4,
    reasons: ['the line of a record would be longer than 12582912 bytes'],
  });
  const spans = await sendSpans(span({ id: spanId(1), attributes }), span({ id: spanId(2) }));
  expect(spans.rejected).toBe(1);
  expect(books.snapshot().dropped).toEqual({ 'lines over the limit': 5 });
  expect(linesOf(dir, 'task-1', OUTPUT)).toHaveLength(1);
  expect(linesOf(dir, 'task-1', 'trace.jsonl')).toHaveLength(1);
  for (const [name, text] of Object.entries(filesIn(dir))) expect(text.length, name).toBeLessThan(10_000);
});
