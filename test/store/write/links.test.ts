import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Books } from '../../../src/books.ts';
import { Journal } from '../../../src/journal/journal.ts';
import { formatSegmentName } from '../../../src/journal/segment-name.ts';
import { runRetention } from '../../../src/store/keep/retention.ts';
import { Tombstones } from '../../../src/store/keep/tombstones.ts';
import { findUnreadable, stillUnreadable, unreadableText } from '../../../src/store/keep/unreadable.ts';
import { WorkflowUploads } from '../../../src/store/keep/workflow-uploads.ts';
import { TASK_FILES } from '../../../src/store/layout.ts';
import { createReader } from '../../../src/store/read/reader.ts';
import { WorkflowPlaces } from '../../../src/store/workflow-place.ts';
import { ownIdentity } from '../../../src/system/process-identity.ts';
import { filesIn, linesOf, openStore, tempDir } from '../../support/log-dir.ts';
import { eventId, log, outputLog, span, spanId, T0 } from '../../support/records.ts';

const isPosix = process.platform !== 'win32';
const OUTPUT = '03-agent-output.jsonl';
const WORKFLOW = 'workflow-199-20260102T030405Z-ab12';

function resultLog(number: number, taskId = 'task-1'): ReturnType<typeof log> {
  return log({
    event: 'tasktrail.task.result',
    id: eventId(number),
    atMs: number,
    body: { success: true, status: 'completed', completed_at: new Date(T0).toISOString() },
    attributes: { 'tasktrail.task.id': taskId, 'tasktrail.task.attempt': 1 },
  });
}

const stageLog = (number: number): ReturnType<typeof log> =>
  log({ event: 'tasktrail.webhook.received', id: eventId(number), atMs: number });

const delivery = (number: number): ReturnType<typeof log> =>
  log({
    event: 'tasktrail.webhook.delivery',
    id: eventId(number),
    atMs: number,
    body: { provider: 'github', outcome: 'accepted', task_ids: [] },
    attributes: {},
  });

const event = (number: number, type = 'workflow_start'): ReturnType<typeof log> =>
  log({
    event: `tasktrail.${type}`,
    id: eventId(number),
    atMs: number,
    body: type === 'workflow_complete' ? { status: 'success' } : {},
    attributes: { 'tasktrail.workflow.id': WORKFLOW, 'tasktrail.span.derive': true },
  });

/** A log directory, and a folder outside it that nothing may be written to. */
async function place(): Promise<{ readonly dir: string; readonly outside: string }> {
  const top = await tempDir();
  const [dir, outside] = [join(top, 'logs'), join(top, 'outside')];
  mkdirSync(dir);
  mkdirSync(outside);
  return { dir, outside };
}

/** Moves a folder out of the log directory and leaves a link to it. */
function replaceByLink(path: string, outside: string): string {
  const target = join(outside, 'moved');
  renameSync(path, target);
  symlinkSync(target, path);
  return target;
}

test.runIf(isPosix)(
  'nothing is written through a link in place of a task, before or while it is open',
  async () => {
    const { dir, outside } = await place();
    symlinkSync(outside, join(dir, 'task-1'));
    const { logs, books } = openStore(dir);
    const refused = await logs(outputLog(1), outputLog(2, 'kept\n', 'task-2'));
    expect(refused).toEqual({
      rejected: 1,
      reasons: ['cannot write task task-1: task-1 is a symbolic link, which is not followed'],
    });
    expect(readdirSync(outside)).toEqual([]);
    expect(books.notices.get('store')).toContain('task-1 is a symbolic link');
    expect(linesOf(dir, 'task-2', OUTPUT)).toHaveLength(1);
    const moved = replaceByLink(join(dir, 'task-2'), outside);
    const before = filesIn(moved);
    expect(await logs(outputLog(3, 'late\n', 'task-2'), resultLog(4, 'task-2'))).toMatchObject({
      rejected: 2,
    });
    expect(filesIn(moved)).toEqual(before);
    // The real folder is back: everything goes on.
    rmSync(join(dir, 'task-2'));
    renameSync(moved, join(dir, 'task-2'));
    expect(await logs(outputLog(3, 'late\n', 'task-2'))).toMatchObject({ rejected: 0 });
    expect(linesOf(dir, 'task-2', OUTPUT)).toHaveLength(2);
  },
);

test.runIf(isPosix)(
  'a task that became a link after its end is not settled, compressed or recovered through it',
  async () => {
    const { dir, outside } = await place();
    const first = openStore(dir);
    await first.logs(outputLog(2), outputLog(1), resultLog(3));
    const moved = replaceByLink(join(dir, 'task-1'), outside);
    const before = filesIn(moved);
    await first.pass(120_000);
    const second = openStore(dir);
    await second.store.recover();
    expect(second.books.notices.get('store')).toContain('task-1 is a symbolic link');
    await second.pass(120_000);
    const nowMs = T0 + 400 * 86_400_000;
    const options = {
      logDir: dir,
      workflowDir: join(dir, '_workflow'),
      taskDays: 30,
      workflowDays: 7,
      nowMs,
    };
    const tombstones = await Tombstones.open(dir);
    const result = await runRetention({ ...options, compressDays: 1, tombstones });
    expect(result).toMatchObject({ pruned: [], compressed: [] });
    expect(filesIn(moved)).toEqual(before);
    const found = await findUnreadable(dir, join(dir, '_workflow'));
    expect(unreadableText(found)).toBe('set aside, because symbolic links are not followed: task-1');
  },
);

test.runIf(isPosix)(
  'a link or a pipe in place of a line file is refused, and of a document is replaced',
  async () => {
    const { dir, outside } = await place();
    writeFileSync(join(outside, 'theirs'), 'theirs\n');
    for (const task of ['task-1', 'task-2', 'task-3']) mkdirSync(join(dir, task));
    symlinkSync(join(outside, 'theirs'), join(dir, 'task-1', OUTPUT));
    execFileSync('mkfifo', [join(dir, 'task-2', 'facts.jsonl')]);
    symlinkSync(join(outside, 'theirs'), join(dir, 'task-3', 'metadata.json'));
    const { logs } = openStore(dir);
    const outcome = await logs(outputLog(1), resultLog(2, 'task-2'), outputLog(3, 'x\n', 'task-3'));
    expect(outcome.reasons).toEqual([
      `cannot write task task-1: ${OUTPUT} is a symbolic link, which is not followed`,
      'cannot write task task-2: facts.jsonl is not a regular file',
    ]);
    expect(filesIn(outside)).toEqual({ theirs: 'theirs\n' });
    expect(filesIn(join(dir, 'task-3'))['metadata.json']).toContain('"task_id":"task-3"');
  },
);

// Every file of a task, as a link to a file of another task and of another program, before and while the task is open.
test.runIf(isPosix).each(
  Object.values(TASK_FILES).flatMap((name) =>
    [name, `${name}.gz`].flatMap((file) => [
      [file, 'before'],
      [file, 'while'],
    ]),
  ),
)('nothing is written through a link in place of %s, made %s the task is open', async (file, when) => {
  const { dir, outside } = await place();
  const start = (number: number, taskId: string): ReturnType<typeof log> =>
    log({
      event: 'tasktrail.task.metadata',
      id: eventId(number),
      body: { status: 'running', source: 'api' },
      attributes: { 'tasktrail.task.id': taskId },
    });
  const theirs = join(outside, 'theirs');
  for (const target of [theirs, join(dir, 'victim', file)]) {
    rmSync(dir, { recursive: true });
    mkdirSync(join(dir, 'victim'), { recursive: true });
    // Longer than what is written, so that a truncation shows as well.
    writeFileSync(
      target,
      `{"event_id":"a","timestamp":"2026-01-01T00:00:00.000Z","content":"theirs"}\n`.repeat(400),
    );
    const bytes = readFileSync(target, 'utf8');
    const store = openStore(dir);
    const replace = (): void => {
      mkdirSync(join(dir, 'task-1'), { recursive: true });
      rmSync(join(dir, 'task-1', file), { force: true });
      symlinkSync(target, join(dir, 'task-1', file));
    };
    const feed = async (number: number): Promise<void> => {
      await store.logs(start(number, 'task-1'), outputLog(number + 1), stageLog(number + 2));
      await store.sendSpans(span({ id: spanId(number) }));
    };
    if (when === 'before') replace();
    await feed(10);
    if (when === 'while') replace();
    await feed(20);
    await store.logs(outputLog(5), resultLog(31));
    await store.pass(120_000);
    const again = openStore(dir);
    await again.store.recover();
    await again.logs(outputLog(6));
    await again.pass(120_000);
    const nowMs = T0 + 20 * 86_400_000;
    const days = { taskDays: 30, workflowDays: 30, compressDays: 1 };
    const tombstones = await Tombstones.open(dir);
    await runRetention({ logDir: dir, workflowDir: join(dir, '_workflow'), ...days, nowMs, tombstones });
    const third = openStore(dir);
    await third.logs(outputLog(7));
    expect(readFileSync(target, 'utf8')).toBe(bytes);
    const longAfter = { ...days, nowMs: T0 + 400 * 86_400_000, tombstones };
    await runRetention({ logDir: dir, workflowDir: join(dir, '_workflow'), ...longAfter });
    if (target === theirs) expect(readFileSync(target, 'utf8')).toBe(bytes);
  }
});

test
  .runIf(isPosix)
  .each(['_workflow', '_workflow/2026', '_workflow/2026/01', '_workflow/_feed', '_webhooks'])(
  'nothing is written or removed through a link in place of %s',
  async (name) => {
    const { dir, outside } = await place();
    const store = openStore(dir);
    await store.logs(event(1), event(2, 'workflow_complete'), delivery(3));
    await store.pass(60_000);
    const moved = replaceByLink(join(dir, name), outside);
    const before = filesIn(outside);
    const late = await store.logs(event(4, 'step_start'), event(5, 'artifact_create'), delivery(6));
    expect(late.rejected).toBeGreaterThan(0);
    expect(late.reasons.join()).toContain('is a symbolic link');
    await store.pass(60_000);
    const again = openStore(dir);
    await again.store.recover();
    await again.logs(event(7, 'step_start'), delivery(8));
    const nowMs = T0 + 3_650 * 86_400_000;
    const options = { logDir: dir, workflowDir: join(dir, '_workflow'), taskDays: 1, workflowDays: 1, nowMs };
    await runRetention({ ...options, tombstones: await Tombstones.open(dir) });
    const uploads = new WorkflowUploads(new WorkflowPlaces(join(dir, '_workflow')), {
      bucket: 'b',
      keyOf: (id) => id,
    });
    await uploads.markVerified(WORKFLOW, { bucket: 'b', key: WORKFLOW, revision: 1, verified_at: 'x' });
    if (!name.endsWith('_feed') && name !== '_webhooks') expect(await uploads.read(WORKFLOW)).toBeUndefined();
    expect(filesIn(outside)).toEqual(before);
    expect(existsSync(moved)).toBe(true);
    const text = unreadableText(await findUnreadable(dir, join(dir, '_workflow')));
    if (name !== '_workflow/_feed') expect(text).toContain(name);
  },
);

test.runIf(isPosix)('a reader returns nothing that lies behind a link', async () => {
  const { dir, outside } = await place();
  const store = openStore(dir);
  await store.logs(outputLog(1), resultLog(2), event(3), event(4, 'workflow_complete'), delivery(5));
  const secret = join(outside, 'secret');
  writeFileSync(secret, '{"event_id":"a","timestamp":"2026-01-01T00:00:00.000Z","content":"secret"}\n');
  const read = async (): Promise<string> => {
    const reader = createReader(dir);
    const flow = await reader.openFlow('task-1', 'agent-output');
    const lines: string[] = [];
    if (flow !== undefined) for await (const line of flow.lines()) lines.push(line);
    await flow?.close();
    const parts = [
      lines,
      await reader.readDocument('task-1', 'metadata'),
      await reader.readWorkflow(WORKFLOW),
      (await reader.listTasks({ limit: 9 })).items,
      (await reader.listWorkflows({ limit: 9 })).items,
      (await reader.listDeliveries({ limit: 9 })).items,
      (await reader.readFeed({ limit: 9 })).items,
    ];
    return JSON.stringify(parts);
  };
  expect(await read()).toContain('line 1');
  rmSync(join(dir, 'task-1', OUTPUT));
  symlinkSync(secret, join(dir, 'task-1', OUTPUT));
  expect(await read()).not.toContain('secret');
  for (const name of ['task-1', '_workflow', '_webhooks']) {
    renameSync(join(dir, name), join(outside, name));
    symlinkSync(join(outside, name), join(dir, name));
  }
  expect(await read()).toBe('[[],null,null,[],[],[],[]]');
});

test.runIf(isPosix)('removal of a task does not follow links in it', async () => {
  const { dir, outside } = await place();
  const store = openStore(dir);
  await store.logs(outputLog(1), resultLog(2));
  await store.pass(120_000);
  writeFileSync(join(outside, 'theirs'), 'theirs\n');
  symlinkSync(outside, join(dir, 'task-1', 'more'));
  symlinkSync(outside, join(dir, '.pruned-task-9'));
  const nowMs = T0 + 400 * 86_400_000;
  const options = { logDir: dir, workflowDir: join(dir, '_workflow'), taskDays: 30, workflowDays: 7, nowMs };
  const result = await runRetention({ ...options, tombstones: await Tombstones.open(dir) });
  expect(result.pruned.map(({ id }) => id)).toEqual(['task-1']);
  expect(readdirSync(dir).filter((name) => name !== '_pruned.jsonl')).toEqual([]);
  expect(filesIn(outside)).toEqual({ theirs: 'theirs\n' });
});

test.runIf(isPosix)('the log directory itself may be a link', async () => {
  const { dir, outside } = await place();
  const alias = join(outside, 'alias');
  symlinkSync(dir, alias);
  const store = openStore(alias);
  await store.logs(outputLog(1), resultLog(2), event(3), delivery(4));
  expect(linesOf(dir, 'task-1', OUTPUT)).toHaveLength(1);
  expect((await createReader(alias).listTasks({ limit: 9 })).items).toHaveLength(1);
});

test.runIf(isPosix)(
  'a journal that is a link gets no segment, and a segment that is a link or a pipe is set aside',
  async () => {
    const { dir, outside } = await place();
    const source = { resource: { attributes: [] }, scope: { name: 'test' } };
    const directory = join(dir, '_journal');
    symlinkSync(outside, directory);
    const books = new Books();
    const journal = new Journal({ directory, destinations: ['holder'], books });
    journal.append(source, { kind: 'L', json: '{}' });
    journal.flush();
    expect(books.reasons.get('journal')).toContain('_journal is a symbolic link');
    expect(await journal.claimOrphans()).toBe(0);
    expect(books.reasons.get('journal claims')).toContain('_journal is a symbolic link');
    expect(readdirSync(outside)).toEqual([]);
    rmSync(directory);
    mkdirSync(directory);
    journal.flush();
    expect(books.reasons.get('journal')).toBeUndefined();
    writeFileSync(join(outside, 'theirs'), 'theirs\n');
    const name = (id: string): string =>
      join(directory, formatSegmentName({ id, owner: ownIdentity(), state: 'closed' }));
    symlinkSync(join(outside, 'theirs'), name('01ARZ3NDEKTSV4RRFFQ69G5FA0'));
    execFileSync('mkfifo', [name('01ARZ3NDEKTSV4RRFFQ69G5FA1')]);
    expect(await journal.claimOrphans()).toBe(0);
    const batch = await journal.next('holder');
    expect(batch?.entries).toHaveLength(1);
    if (batch !== undefined) await journal.done('holder', batch);
    expect(await journal.next('holder')).toBeUndefined();
    expect(books.notices.get('journal segments')).toContain('2 segments cannot be read');
    await journal.close();
    expect(filesIn(outside)).toEqual({ theirs: 'theirs\n' });
  },
);

test.runIf(isPosix)(
  'a file or a pipe where a folder of our own belongs is named, with what to do',
  async () => {
    const dir = await tempDir();
    for (const name of ['_webhooks', '_workflow', '_queue', '_config', '_agent'])
      writeFileSync(join(dir, name), 'x');
    execFileSync('mkfifo', [join(dir, '_journal')]);
    const found = await findUnreadable(dir, join(dir, '_workflow'));
    expect(unreadableText(found)).toBe(
      'a file stands where a folder belongs, so nothing is stored there: remove _agent, _config, _journal, _queue, _webhooks and 1 more',
    );
    rmSync(join(dir, '_webhooks'));
    mkdirSync(join(dir, '_webhooks'));
    expect((await stillUnreadable(found)).map(({ name }) => name)).not.toContain('_webhooks');
  },
);
