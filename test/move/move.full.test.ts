import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ANONYMOUS } from '../../src/model/sender.ts';
import { compressTask } from '../../src/store/compress.ts';
import { ask } from '../serve/log-server.ts';
import { GOLDEN_CASES } from '../store/golden-cases.ts';
import { filesIn, newStore, type TestStore, tempDir } from '../support/log-dir.ts';
import { eventId, log, outputLog } from '../support/records.ts';
import { expectSame, expectSameEvents, expectSameLists, expectSameTask } from '../support/same-answers.ts';
import { findVictoriaLogs, startVictoriaLogs, type VictoriaLogsServer } from '../support/victoria-logs.ts';
import { both, filesAt, rowsAt, runImport } from './moved-stores.ts';

const tool = findVictoriaLogs();

describe.skipIf('missing' in tool)('tasktrail import', () => {
  let server: VictoriaLogsServer;

  beforeAll(async () => {
    server = await startVictoriaLogs(tool);
  });
  afterAll(() => server.stop());

  test.each(GOLDEN_CASES)('what was moved answers as the source, and back again: %s', async (_, batches) => {
    const source = await newStore();
    for (const batch of batches()) await source.store.ingest(batch, { kind: 'trail' });
    await settle(source);
    const there = server.newTenant();
    const back = join(await tempDir(), 'back');
    expect(await runImport({ from: source.dir, to: there })).toMatchObject({ code: 0 });
    await expectSameTask(both(await filesAt(source.dir), await rowsAt(there)), 'task-1');
    await expectSameLists(both(await filesAt(source.dir), await rowsAt(there)));
    await expectSameEvents(both(await filesAt(source.dir), await rowsAt(there)), '/tasks/task-1/stream');
    expect(await runImport({ from: there, to: back })).toMatchObject({ code: 0 });
    await expectSameTask(both(await filesAt(source.dir), await filesAt(back)), 'task-1');
    await expectSameLists(both(await filesAt(source.dir), await filesAt(back)));
    expect(tasksIn(back)).toEqual(tasksIn(source.dir));
  });

  test('running tasks, copies of other senders, compressed, damaged and old files answer as before', async () => {
    const source = await newStore();
    await source.from(ANONYMOUS, task('task-1', 1, { source: 'forged' }), outputLog(2, 'a copy\n'));
    await source.logs(
      task('task-1', 3, { source: 'api' }),
      outputLog(2, 'the record\n'),
      outputLog(4, 'more\n'),
    );
    await source.logs(task('task-gzip', 5), outputOf('task-gzip', 6, 'x'.repeat(9_000)), end('task-gzip', 7));
    await settle(source);
    await source.store.close('test');
    expect(await compressTask(join(source.dir, 'task-gzip'))).toBe(true);
    writeOldTask(source.dir);
    const torn = join(source.dir, 'task-1', '02-webhook-flow.jsonl');
    writeFileSync(
      torn,
      '{"half\n{"timestamp":"2026-01-02T03:04:05.000Z","stage":"received","event_id":"e1"}\n',
    );
    const there = server.newTenant();
    const moved = await runImport({ from: source.dir, to: there });
    expect(moved).toMatchObject({ code: 1 });
    expect(moved.stdout).toContain('task task-1: 1 line(s) of 02-webhook-flow.jsonl are damaged');
    const stores = both(await filesAt(source.dir), await rowsAt(there));
    for (const id of ['task-1', 'task-gzip'])
      for (const part of ['', '/logs/metadata', '/logs/input', '/logs/final-result', '/logs/agent-output'])
        await expectSame(stores, `/tasks/${id}${part}`);
    const { port } = await rowsAt(there);
    const old = await ask(port, '/tasks/task-old/logs/full');
    expect(old.json()).toMatchObject({
      metadata: { status: 'completed', source: 'api', completed_at: '2026-01-02T03:04:05.000Z' },
      input: { message: 'review it' },
      final_result: { result: 'done' },
    });
    const list = await ask(port, '/tasks');
    expect(list.json()).toMatchObject({ items: { length: 3 } });
  });

  test('a second run stores nothing, and a comparison alone neither', async () => {
    const source = await newStore();
    await source.logs(task('task-1', 1), outputLog(2), end('task-1', 3));
    await settle(source);
    const there = server.newTenant();
    expect((await runImport({ from: source.dir, to: there })).stdout).toMatch(/^3 line\(s\) stored, 0 were/);
    expect((await runImport({ from: source.dir, to: there })).stdout).toMatch(/^0 line\(s\) stored, 3 were/);
    const elsewhere = server.newTenant();
    const checked = await runImport({ from: source.dir, to: elsewhere, check: true });
    expect(checked).toMatchObject({ code: 1 });
    expect(checked.stdout).toContain('task task-1: 3 of 3 line(s) are not in the target');
    expect((await runImport({ from: source.dir, to: elsewhere, check: true })).code).toBe(1);
  });

  test('a target with other lines of a task keeps them, and the task is named', async () => {
    const [source, other] = [await newStore(), await newStore()];
    await source.logs(task('task-1', 1), outputLog(2, 'of the source\n'));
    await other.logs(outputLog(9, 'of the target\n'));
    const there = server.newTenant();
    const back = await newStore();
    await back.logs(outputLog(8, 'of the directory\n'));
    for (const one of [source, other, back]) await one.store.close('test');
    await runImport({ from: other.dir, to: there });
    const refused = await runImport({ from: source.dir, to: there });
    expect(refused.code).toBe(1);
    expect(refused.stdout).toContain('task task-1: it was not moved: the target has 1 line(s)');
    expect(await contentsAt(there)).toEqual(['of the target\n']);
    await runImport({ from: source.dir, to: there, merge: true });
    await server.flush();
    expect(await contentsAt(there)).toEqual(['of the source\n', 'of the target\n']);
    expect((await runImport({ from: there, to: back.dir })).stdout).toContain('the target has 1 line(s)');
    await runImport({ from: there, to: back.dir, merge: true });
    const lines = readFileSync(join(back.dir, 'task-1', '03-agent-output.jsonl'), 'utf8');
    for (const content of ['of the source', 'of the target', 'of the directory'])
      expect(lines).toContain(content);
  });

  test('what a newer version has written is left, and named', async () => {
    const source = await newStore();
    await source.logs(task('task-1', 1), end('task-1', 2));
    await settle(source);
    const path = join(source.dir, 'task-1', 'metadata.json');
    const metadata = JSON.parse(readFileSync(path, 'utf8')) as object;
    writeFileSync(path, JSON.stringify({ ...metadata, schema_version: 999 }));
    const there = server.newTenant();
    const moved = await runImport({ from: source.dir, to: there });
    expect(moved.code).toBe(1);
    expect(moved.stdout).toContain('task task-1: it was not moved: a newer version');
    expect(await contentsAt(there)).toEqual([]);
  });

  async function contentsAt(address: string): Promise<readonly string[]> {
    await server.flush();
    const { port } = await rowsAt(address);
    const answer = await fetch(`http://127.0.0.1:${port}/tasks/task-1/logs/agent-output`);
    if (!answer.ok) return [];
    return ((await answer.json()) as { content: string }[]).map(({ content }) => content);
  }
});

async function settle(store: TestStore): Promise<void> {
  for (let times = 0; times < 3; times += 1) await store.pass(15_000);
  // Spans that the facts announce are built by then.
  if (store.spans.length === 0) return;
  const source = { resource: { attributes: [] }, scope: { name: 'tasktrail' } };
  await store.sendSpans(...store.spans.splice(0).map((span) => ({ ...source, span })));
  for (let times = 0; times < 3; times += 1) await store.pass(70_000);
}

/** The files of tasks and workflows that the same lines make. */
function tasksIn(dir: string): Record<string, string> {
  const kept = Object.entries(filesIn(dir)).filter(([name]) =>
    /^(?:task|_webhooks|_workflow\/\d)/.test(name),
  );
  return Object.fromEntries(
    kept.map(([name, text]) => [name, text.replace(/"revision":\d+/, '"revision":1')]),
  );
}

function task(id: string, number: number, more: Record<string, string> = {}): ReturnType<typeof log> {
  const body = { status: 'running', source: 'api', created_at: '2026-01-02T03:04:05.000Z', ...more };
  return of(id, number, 'task.metadata', body);
}

function end(id: string, number: number): ReturnType<typeof log> {
  return of(id, number, 'task.result', { success: true, status: 'completed', result: 'ok', error: null });
}

function outputOf(id: string, number: number, body: string): ReturnType<typeof log> {
  const attributes = { 'tasktrail.task.id': id, 'tasktrail.agent.output.type': 'output' };
  return log({ event: 'tasktrail.agent.output', id: eventId(number), atMs: number, body, attributes });
}

function of(id: string, number: number, event: string, body: object): ReturnType<typeof log> {
  const attributes = { 'tasktrail.task.id': id };
  return log({
    event: `tasktrail.${event}`,
    id: eventId(number),
    atMs: number,
    body: body as never,
    attributes,
  });
}

/** As the first versions wrote it: without facts. */
function writeOldTask(dir: string): void {
  const folder = join(dir, 'task-old');
  mkdirSync(folder);
  const at = '2026-01-02T03:04:05.000Z';
  const metadata = {
    ...{ provider: null, started_at: null, assigned_agent: null, agent_type: null, model: null },
    task_id: 'task-old',
    source: 'api',
    created_at: at,
    completed_at: at,
    status: 'completed',
  };
  const result = {
    success: true,
    result: 'done',
    error: null,
    completed_at: at,
    status: 'completed',
    metrics: {},
  };
  writeFileSync(join(folder, 'metadata.json'), JSON.stringify(metadata));
  writeFileSync(join(folder, '01-input.json'), JSON.stringify({ message: 'review it', source_metadata: {} }));
  writeFileSync(join(folder, '04-final-result.json'), JSON.stringify(result));
}
