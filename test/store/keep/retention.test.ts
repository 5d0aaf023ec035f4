import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Books } from '../../../src/books.ts';
import { TRAIL } from '../../../src/model/sender.ts';
import {
  type PruneOptions,
  planPrune,
  type RetentionOptions,
  runRetention,
} from '../../../src/store/keep/retention.ts';
import { Tombstones } from '../../../src/store/keep/tombstones.ts';
import { Store } from '../../../src/store/write/store.ts';
import { builtUrl } from '../../support/built.ts';
import { filesIn, linesOf, tempDir } from '../../support/log-dir.ts';
import { eventId, log, outputLog, T0 } from '../../support/records.ts';
import {
  documentOf,
  fact,
  linesOf as jsonLines,
  wholeRun,
  writeWorkflow,
} from '../../support/workflow-files.ts';

const DAY_MS = 86_400_000;
/** The workflows of the fixture end a minute before; the tasks below end now. */
const ENDED_MS = Date.parse('2026-11-21T10:00:06.000Z');
const OUTPUT = '03-agent-output.jsonl';

function optionsOf(logDir: string, nowMs: number): PruneOptions {
  return { logDir, workflowDir: join(logDir, '_workflow'), taskDays: 30, workflowDays: 7, nowMs };
}

async function runOptions(logDir: string, nowMs: number): Promise<RetentionOptions> {
  return { ...optionsOf(logDir, nowMs), tombstones: await Tombstones.open(logDir) };
}

function putTask(logDir: string, id: string, more: object | string = {}): void {
  mkdirSync(join(logDir, id), { recursive: true });
  const metadata = {
    task_id: id,
    status: 'completed',
    completed_at: new Date(ENDED_MS).toISOString(),
    settled: true,
  };
  const whole = typeof more === 'string' ? metadata : { ...metadata, ...more };
  // The end counts as of the clock of the holder.
  const text =
    typeof more === 'string' ? more : JSON.stringify({ end_received_at: whole.completed_at, ...whole });
  writeFileSync(join(logDir, id, 'metadata.json'), `${text}\n`);
  writeFileSync(join(logDir, id, OUTPUT), '{"event_id":"a","timestamp":"2026-11-21T10:00:00.000Z"}\n');
}

function monthOf(logDir: string): string {
  return join(logDir, '_workflow', '2026', '11');
}

/** An ended workflow with all of its files. */
function putWorkflow(
  logDir: string,
  id: string,
  facts = wholeRun(id),
  document: unknown = documentOf(id, facts),
): void {
  const month = writeWorkflow(monthOf(logDir), id, { facts, events: facts, document });
  writeFileSync(join(month, `${id}.trace.jsonl`), '{}\n');
}

async function goingIds(options: PruneOptions): Promise<string[]> {
  return (await planPrune(options)).items.map(({ kind, id }) => `${kind} ${id}`);
}

test('a task is removed when its end is older than its days, for every terminal status', async () => {
  const dir = await tempDir();
  for (const status of ['completed', 'failed', 'cancelled', 'abandoned']) putTask(dir, status, { status });
  expect(await goingIds(optionsOf(dir, ENDED_MS + 30 * DAY_MS))).toEqual([]);
  const { items } = await planPrune(optionsOf(dir, ENDED_MS + 30 * DAY_MS + 1));
  expect(items.map(({ id }) => id)).toEqual(['abandoned', 'cancelled', 'completed', 'failed']);
  expect(items[2]).toEqual({
    kind: 'task',
    id: 'completed',
    path: join(dir, 'completed'),
    endedAt: '2026-11-21T10:00:06.000Z',
    bytes: Object.values(filesIn(join(dir, 'completed'))).join('').length,
  });
});

test('a task that has not ended is kept, and so is a directory that is not a task', async () => {
  const dir = await tempDir();
  for (const status of ['queued', 'running', 'waiting_input', 'unheard-of']) putTask(dir, status, { status });
  mkdirSync(join(dir, 'foreign'));
  writeFileSync(join(dir, 'a-file'), 'x');
  mkdirSync(join(dir, '_agent', 'task-1'), { recursive: true });
  const elsewhere = await tempDir();
  putTask(elsewhere, 'old');
  symlinkSync(join(elsewhere, 'old'), join(dir, 'linked'));
  expect(await planPrune(optionsOf(dir, ENDED_MS + 900 * DAY_MS))).toEqual({
    items: [],
    compress: [],
    kept: [],
  });
});

test('a task whose end cannot be read is kept and reported', async () => {
  const dir = await tempDir();
  putTask(dir, 'torn', '{"status":"comp');
  const { items, kept } = await planPrune(optionsOf(dir, ENDED_MS + 900 * DAY_MS));
  expect(items).toEqual([]);
  expect(kept).toEqual([expect.stringMatching(/^task torn stays: metadata\.json of task torn is damaged/)]);
});

test.each([
  '2001-01-01T00:00:00.000Z',
  '9999-12-31T23:59:59.999Z',
  '1970-01-01T00:00:00.000Z',
  null,
  'yesterday',
])(
  'an end at %j, as the task says, decides nothing: its days begin when the holder stored it',
  async (completed_at) => {
    const dir = await tempDir();
    putTask(dir, 'new', { completed_at, end_received_at: new Date(ENDED_MS).toISOString() });
    putTask(dir, 'older', { completed_at, end_received_at: undefined });
    const then = new Date(ENDED_MS);
    utimesSync(join(dir, 'older', 'metadata.json'), then, then);
    expect(await goingIds(optionsOf(dir, ENDED_MS + 29 * DAY_MS))).toEqual([]);
    expect(await goingIds(optionsOf(dir, ENDED_MS + 31 * DAY_MS))).toEqual(['task new', 'task older']);
    const compressing = { ...optionsOf(dir, ENDED_MS + 3 * DAY_MS), compressDays: 5 };
    expect((await planPrune(compressing)).compress).toEqual([]);
  },
);

test.each([0, 253_402_300_799_999])(
  'a workflow whose last event is at %d ms is kept for its days after it was stored',
  async (ms) => {
    const dir = await tempDir();
    const facts = wholeRun('w').map((one) => ({ ...one, timestamp: new Date(ms).toISOString() }));
    putWorkflow(dir, 'w', facts);
    const then = new Date(ENDED_MS);
    utimesSync(join(monthOf(dir), 'w.facts'), then, then);
    expect(await goingIds(optionsOf(dir, ENDED_MS + 6 * DAY_MS))).toEqual([]);
    expect(await goingIds(optionsOf(dir, ENDED_MS + 8 * DAY_MS))).toEqual(['workflow w']);
  },
);

test('a workflow is removed with all of its files when its end is older than its days', async () => {
  const dir = await tempDir();
  putWorkflow(dir, 'workflow-1');
  putWorkflow(dir, 'workflow-10');
  expect(await goingIds(optionsOf(dir, ENDED_MS + 7 * DAY_MS))).toEqual([]);
  const { items } = await planPrune(optionsOf(dir, ENDED_MS + 7 * DAY_MS + 1));
  expect(items.map(({ id }) => id)).toEqual(['workflow-1', 'workflow-10']);
  const files = Object.entries(filesIn(monthOf(dir))).filter(([name]) => name.startsWith('workflow-1.'));
  expect(files).toHaveLength(4);
  expect(items[0]).toMatchObject({
    path: monthOf(dir),
    endedAt: '2026-11-21T10:00:06.000Z',
    bytes: files.map(([, text]) => text).join('').length,
  });
});

test('a running workflow is kept, also when an earlier attempt has ended', async () => {
  const dir = await tempDir();
  putWorkflow(dir, 'never-ended', wholeRun('never-ended').slice(0, -1), '');
  const resumed = [...wholeRun('resumed'), fact('resumed', 60, { event_type: 'workflow_resumed' })];
  // With or without the event in the document.
  putWorkflow(dir, 'resumed', resumed, documentOf('resumed', wholeRun('resumed')));
  putWorkflow(dir, 'resumed', resumed, { ...documentOf('resumed', wholeRun('resumed')), events: resumed });
  const month = monthOf(dir);
  writeWorkflow(month, 'no-document', { facts: wholeRun('no-document') });
  const { items, kept } = await planPrune(optionsOf(dir, ENDED_MS + 900 * DAY_MS));
  expect(items).toEqual([]);
  expect(kept).toEqual([expect.stringMatching(/^workflow never-ended stays: .* is damaged/)]);
});

test('the age of a workflow is that of its last event, and it is kept while its document is incomplete', async () => {
  const dir = await tempDir();
  const late = fact('late', 3 * 86_400, {
    event_type: 'artifact_create',
    payload: { artifact: { type: 'log' } },
  });
  const facts = [...wholeRun('late'), late];
  putWorkflow(dir, 'late', facts);
  expect(await goingIds(optionsOf(dir, ENDED_MS + 9 * DAY_MS))).toEqual([]);
  expect(await goingIds(optionsOf(dir, ENDED_MS + 11 * DAY_MS))).toEqual(['workflow late']);
  putWorkflow(dir, 'late', facts, documentOf('late', wholeRun('late')));
  expect(await goingIds(optionsOf(dir, ENDED_MS + 11 * DAY_MS))).toEqual([]);
  // A repeat is in no document: only the earliest event of a key is kept.
  const repeat = fact('late', 8, { event_type: 'workflow_complete', payload: { status: 'success' } });
  putWorkflow(dir, 'late', [...wholeRun('late'), repeat], documentOf('late', wholeRun('late')));
  expect(await goingIds(optionsOf(dir, ENDED_MS + 11 * DAY_MS))).toEqual(['workflow late']);
});

test('a workflow without facts is judged by its events, and without those by its document', async () => {
  const dir = await tempDir();
  const envelopes = documentOf('copied', wholeRun('copied')).events;
  writeWorkflow(monthOf(dir), 'copied', {
    events: envelopes,
    document: documentOf('copied', wholeRun('copied')),
  });
  writeWorkflow(monthOf(dir), 'bare', { document: documentOf('bare', wholeRun('bare')) });
  expect(await goingIds(optionsOf(dir, ENDED_MS + 8 * DAY_MS))).toEqual(['workflow bare', 'workflow copied']);
});

test('with uploads to S3, a workflow is kept and reported until its document is uploaded', async () => {
  const dir = await tempDir();
  putWorkflow(dir, 'there');
  putWorkflow(dir, 'not-there');
  const asked: string[] = [];
  const isUploaded = async (id: string): Promise<boolean> => {
    asked.push(id);
    return id === 'there';
  };
  expect(await planPrune({ ...optionsOf(dir, ENDED_MS + DAY_MS), isUploaded })).toMatchObject({
    items: [],
    kept: [],
  });
  expect(asked).toEqual([]);
  const options = { ...(await runOptions(dir, ENDED_MS + 8 * DAY_MS)), isUploaded };
  const { pruned, kept } = await runRetention(options);
  expect(pruned.map(({ id }) => id)).toEqual(['there']);
  expect(kept).toEqual(['workflow not-there stays: its document is not in S3 yet']);
  expect(Object.keys(filesIn(monthOf(dir))).every((name) => name.startsWith('not-there.'))).toBe(true);
});

test('delivery files follow the limit of tasks, feed files that of workflows, and the newest feed file is kept', async () => {
  const dir = await tempDir();
  const days = ['2026-11-20', '2026-11-21', '2026-11-22', '2026-13-45'];
  for (const folder of ['_webhooks', join('_workflow', '_feed')]) {
    mkdirSync(join(dir, folder), { recursive: true });
    for (const day of [...days, 'notes']) writeFileSync(join(dir, folder, `${day}.jsonl`), '{}\n');
  }
  const at = (days: number): PruneOptions =>
    optionsOf(dir, Date.parse('2026-11-22T00:00:00Z') + days * DAY_MS + 1);
  expect(await goingIds(at(6))).toEqual(['feed 2026-11-20']);
  expect(await goingIds(at(7))).toEqual(['feed 2026-11-20', 'feed 2026-11-21']);
  expect(await goingIds(at(30))).toEqual([
    'feed 2026-11-20',
    'webhooks 2026-11-20',
    'feed 2026-11-21',
    'webhooks 2026-11-21',
    'feed 2026-11-22',
  ]);
  await runRetention(await runOptions(dir, at(30).nowMs));
  expect(readdirSync(join(dir, '_webhooks')).sort()).toEqual([
    '2026-11-22.jsonl',
    '2026-13-45.jsonl',
    'notes.jsonl',
  ]);
  expect(readdirSync(join(dir, '_workflow', '_feed')).sort()).toEqual(['2026-13-45.jsonl', 'notes.jsonl']);
  for (const name of ['2026-13-45', 'notes'])
    expect(existsSync(join(dir, '_webhooks', `${name}.jsonl`))).toBe(true);
  const feed = join(dir, 'other', '_feed');
  mkdirSync(feed, { recursive: true });
  for (const day of ['2026-01-01', '2026-01-02']) writeFileSync(join(feed, `${day}.jsonl`), '{}\n');
  expect(await goingIds({ ...at(900), logDir: join(dir, 'none'), workflowDir: join(dir, 'other') })).toEqual([
    'feed 2026-01-01',
  ]);
});

test('a plan changes nothing, and is empty for a missing directory', async () => {
  const dir = await tempDir();
  putTask(dir, 'task-1');
  putWorkflow(dir, 'workflow-1');
  const before = filesIn(dir);
  expect(
    (await planPrune({ ...optionsOf(dir, ENDED_MS + 60 * DAY_MS), compressDays: 1 })).items,
  ).toHaveLength(2);
  expect(filesIn(dir)).toEqual(before);
  expect(await planPrune(optionsOf(join(dir, 'nowhere'), ENDED_MS))).toEqual({
    items: [],
    compress: [],
    kept: [],
  });
});

test('expired items are removed completely and get a tombstone, and the others are untouched', async () => {
  const dir = await tempDir();
  putTask(dir, 'old');
  putTask(dir, 'young', { completed_at: new Date(ENDED_MS + 50 * DAY_MS).toISOString() });
  putTask(dir, 'running', { status: 'running' });
  putWorkflow(dir, 'workflow-1');
  writeFileSync(join(monthOf(dir), '.workflow-1.json.77.tmp'), 'half');
  mkdirSync(join(dir, '.pruned-task-0'));
  writeFileSync(join(dir, '.pruned-task-0', 'metadata.json'), '{}');
  const options = await runOptions(dir, ENDED_MS + 60 * DAY_MS);
  const { pruned, problems } = await runRetention(options);
  expect(problems).toEqual([]);
  expect(pruned.map(({ kind, id }) => `${kind} ${id}`)).toEqual(['task old', 'workflow workflow-1']);
  // The folders of the month and the year are empty.
  expect(readdirSync(dir).sort()).toEqual(['_pruned.jsonl', '_workflow', 'running', 'young']);
  expect(readdirSync(join(dir, '_workflow'))).toEqual([]);
  for (const known of [options.tombstones, await Tombstones.open(dir)]) {
    expect(known.has('task', 'old') && known.has('workflow', 'workflow-1')).toBe(true);
    expect(known.has('task', 'young') || known.has('task', 'running')).toBe(false);
  }
  const again = await runRetention(options);
  expect(again).toEqual({ pruned: [], compressed: [], kept: [], problems: [] });
});

test('a task for which the service has a job stays as long as after the acceptance, and its job goes with it', async () => {
  const dir = await tempDir();
  putTask(dir, 'task-1');
  mkdirSync(join(dir, '_queue'));
  const job = join(dir, '_queue', 'task-1.json');
  writeFileSync(job, '{}');
  const nowMs = ENDED_MS + 60 * DAY_MS;
  const acceptedAt = (ms: number): void => utimesSync(job, new Date(ms), new Date(ms));
  // Its records say that it ended long before: they may be another sender's.
  acceptedAt(nowMs - 30 * DAY_MS + 1);
  expect((await runRetention(await runOptions(dir, nowMs))).pruned).toEqual([]);
  expect(readdirSync(join(dir, '_queue'))).toEqual(['task-1.json']);
  acceptedAt(nowMs - 30 * DAY_MS - 1);
  expect((await runRetention(await runOptions(dir, nowMs))).pruned).toMatchObject([{ id: 'task-1' }]);
  expect(readdirSync(join(dir, '_queue'))).toEqual([]);
});

test('the empty folder of the current month is kept', async () => {
  const dir = await tempDir();
  putWorkflow(dir, 'workflow-1');
  await runRetention(await runOptions(dir, Date.parse('2026-11-30T00:00:00Z')));
  expect(readdirSync(monthOf(dir))).toEqual([]);
});

test('nothing is removed before its tombstone is on disk', async () => {
  const dir = await tempDir();
  putTask(dir, 'task-1');
  putWorkflow(dir, 'workflow-1');
  const before = filesIn(dir);
  const options = await runOptions(dir, ENDED_MS + 60 * DAY_MS);
  mkdirSync(join(dir, '_pruned.jsonl'));
  const { pruned, problems } = await runRetention(options);
  expect(pruned).toEqual([]);
  expect(problems).toEqual([
    expect.stringMatching(/^task task-1 cannot be removed: .*_pruned\.jsonl/),
    expect.stringMatching(/^workflow workflow-1 cannot be removed: /),
  ]);
  expect(filesIn(dir)).toEqual(before);
});

test('an item that starts again between the plan and the removal is kept', async () => {
  const dir = await tempDir();
  putTask(dir, 'task-1');
  putTask(dir, 'task-2', { completed_at: new Date(ENDED_MS + 50 * DAY_MS).toISOString() });
  putWorkflow(dir, 'workflow-1');
  const facts = [...wholeRun('workflow-1'), fact('workflow-1', 90, { event_type: 'workflow_resumed' })];
  const options = await runOptions(dir, ENDED_MS + 60 * DAY_MS);
  const turns: string[] = [];
  const { pruned, compressed } = await runRetention({
    ...options,
    compressDays: 5,
    withFilesOf: async (kind, id, fn) => {
      turns.push(`${kind} ${id}`);
      if (kind === 'task') putTask(dir, id, { status: 'running' });
      else writeFileSync(join(monthOf(dir), `${id}.facts`), jsonLines(facts));
      return fn();
    },
  });
  expect(turns).toEqual(['task task-1', 'workflow workflow-1', 'task task-2']);
  expect([pruned, compressed]).toEqual([[], []]);
  expect(existsSync(join(dir, '_pruned.jsonl'))).toBe(false);
  expect(readdirSync(monthOf(dir))).toHaveLength(4);
});

test('a failure affects only its own item, and a stopped run does not go on', async () => {
  const dir = await tempDir();
  for (const id of ['task-1', 'task-2', 'task-3', 'task-4']) putTask(dir, id);
  let count = 0;
  const { pruned, problems } = await runRetention({
    ...(await runOptions(dir, ENDED_MS + 60 * DAY_MS)),
    isStopped: () => count >= 3,
    withFilesOf: async (_kind, id, fn) => {
      count += 1;
      if (id === 'task-2') throw new RangeError('the disk is on fire');
      return fn();
    },
  });
  expect(problems).toEqual(['task task-2 cannot be removed: the disk is on fire']);
  expect(pruned.map(({ id }) => id)).toEqual(['task-1', 'task-3']);
  expect(readdirSync(dir).sort()).toEqual(['_pruned.jsonl', 'task-2', 'task-4']);
});

test('a settled task is gzipped after its days, an unsettled or expired one is not', async () => {
  const dir = await tempDir();
  putTask(dir, 'settled');
  putTask(dir, 'unsettled', { settled: undefined });
  putTask(dir, 'running', { status: 'running' });
  putTask(dir, 'old', { completed_at: new Date(ENDED_MS - 40 * DAY_MS).toISOString() });
  const none = await runOptions(dir, ENDED_MS + 7 * DAY_MS);
  expect((await runRetention({ ...none, compressDays: 7 })).compressed).toEqual([]);
  const options = { ...(await runOptions(dir, ENDED_MS + 7 * DAY_MS + 1)), compressDays: 7 };
  expect((await planPrune(options)).compress).toEqual(['settled']);
  expect(await runRetention(options)).toMatchObject({ compressed: ['settled'], problems: [] });
  expect(readdirSync(join(dir, 'settled')).sort()).toEqual([`${OUTPUT}.gz`, 'metadata.json']);
  for (const id of ['unsettled', 'running']) expect(readdirSync(join(dir, id))).toContain(OUTPUT);
  expect((await runRetention(options)).compressed).toEqual([]);
});

test('remaining files of a removed workflow are removed, unless they were written to since', async () => {
  const dir = await tempDir();
  putWorkflow(dir, 'half');
  putWorkflow(dir, 'again');
  const month = monthOf(dir);
  const options = await runOptions(dir, ENDED_MS + 8 * DAY_MS);
  const pruned_at = new Date(options.nowMs - DAY_MS).toISOString();
  await options.tombstones.add(['half', 'again'].map((id) => ({ kind: 'workflow', id, pruned_at })));
  const before = new Date(options.nowMs - 2 * DAY_MS);
  for (const name of readdirSync(month)) utimesSync(join(month, name), before, before);
  writeFileSync(join(month, 'half.json'), '');
  utimesSync(join(month, 'half.json'), before, before);
  const after = new Date(options.nowMs);
  writeFileSync(join(month, 'again.facts'), jsonLines([fact('again', 8 * 86_400)]));
  utimesSync(join(month, 'again.facts'), after, after);
  expect((await runRetention(options)).pruned.map(({ id }) => id)).toEqual(['half']);
  expect(readdirSync(month)).toHaveLength(4);
});

test('a late record of a removed task or workflow creates nothing', async () => {
  const dir = await tempDir();
  const tombstones = await Tombstones.open(dir);
  let nowMs = T0;
  const store = new Store({
    logDir: dir,
    books: new Books(),
    now: () => nowMs,
    isPruned: (kind, id) => tombstones.has(kind, id),
    onSpan: () => undefined,
    log: () => undefined,
  });
  const workflow = { 'tasktrail.workflow.id': 'workflow-1' };
  const logs = [
    outputLog(1),
    log({
      event: 'tasktrail.task.result',
      id: eventId(2),
      atMs: 2,
      body: { success: true, status: 'completed' },
    }),
    log({ event: 'tasktrail.workflow_start', id: eventId(3), atMs: 3, body: {}, attributes: workflow }),
    log({
      event: 'tasktrail.workflow_complete',
      id: eventId(4),
      atMs: 4,
      body: { status: 'success' },
      attributes: workflow,
    }),
  ];
  await store.ingest({ logs, spans: [] }, TRAIL);
  const stored = Object.keys(filesIn(dir)).filter((name) => !name.includes('_feed'));
  expect(stored.map((name) => name.split('/').at(-1))).toContain('workflow-1.json');
  // The fake clock is not that of the disk.
  for (const name of stored.filter((one) => one.endsWith('.facts')))
    utimesSync(join(dir, name), new Date(nowMs), new Date(nowMs));
  nowMs += 60 * DAY_MS;
  // Both are open in the store.
  const withFilesOf: RetentionOptions['withFilesOf'] = (kind, id, fn) => store.withFilesOf(kind, id, fn);
  const { pruned, problems } = await runRetention({ ...optionsOf(dir, nowMs), tombstones, withFilesOf });
  expect(problems).toEqual([]);
  expect(pruned.map(({ kind }) => kind).sort()).toEqual(['task', 'workflow']);
  const left = Object.keys(filesIn(dir));
  const again = await store.ingest({ logs, spans: [] }, TRAIL);
  expect(again.rejected).toBe(4);
  expect(again.reasons).toEqual([
    'expired: task task-1 was removed for its age',
    'expired: workflow workflow-1 was removed for its age',
  ]);
  await store.tick();
  await store.recover();
  expect(Object.keys(filesIn(dir))).toEqual(left);
  await store.close('the test is over');
});

test('after a kill at any moment nothing is half removed, and the next run completes the removal', {
  tags: 'full',
  timeout: 120_000,
}, async () => {
  let midway = 0;
  for (let kill = 0; kill < 10; kill += 1) {
    const dir = await tempDir();
    for (let n = 0; n < 60; n += 1) putTask(dir, `task-${n}`);
    for (let n = 0; n < 60; n += 1) putWorkflow(dir, `workflow-${n}`);
    const whole = Object.keys(filesIn(join(dir, 'task-0')));
    const options = optionsOf(dir, Date.now() + 60 * DAY_MS);
    await killed(options, kill);
    const tasks = readdirSync(dir).filter((name) => name.startsWith('task-'));
    for (const id of tasks) expect(readdirSync(join(dir, id)).sort()).toEqual(whole);
    if (tasks.length > 0 && tasks.length < 60) midway += 1;
    const tombstones = await Tombstones.open(dir);
    for (let n = 0; n < 60; n += 1) {
      if (!tasks.includes(`task-${n}`)) expect(tombstones.has('task', `task-${n}`)).toBe(true);
      const files = Object.keys(filesIn(join(dir, '_workflow'))).filter((name) =>
        name.includes(`workflow-${n}.`),
      );
      if (files.length < 4) expect(tombstones.has('workflow', `workflow-${n}`)).toBe(true);
    }
    expect((await runRetention({ ...options, tombstones })).problems).toEqual([]);
    expect(readdirSync(dir).sort()).toEqual(['_pruned.jsonl', '_workflow']);
    expect(readdirSync(join(dir, '_workflow'))).toEqual([]);
    expect(new Set(linesOf(dir, '_pruned.jsonl').map(({ id }) => id)).size).toBe(120);
  }
  // Otherwise no kill interrupted the work.
  expect(midway).toBeGreaterThan(2);
});

/** Runs retention in a child process and kills it during the run. */
async function killed(options: PruneOptions, kill: number): Promise<void> {
  const script = `
    import { writeSync } from 'node:fs';
    import { runRetention } from '${builtUrl('store/keep/retention.ts')}';
    import { Tombstones } from '${builtUrl('store/keep/tombstones.ts')}';
    const options = JSON.parse(process.argv[1]);
    let done = 0;
    await runRetention({
      ...options,
      tombstones: await Tombstones.open(options.logDir),
      withFilesOf: async (_kind, _id, fn) => { writeSync(1, (done += 1) + '\\n'); return fn(); },
    });
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = 0;
  child.stdout.on('data', (data: Buffer) => {
    printed += data.toString().split('\n').length - 1;
    // The kill hits a random moment of a removal.
    if (printed >= kill * 11 + 3) setTimeout(() => child.kill('SIGKILL'), Math.random() * 4);
  });
  await once(child, 'close');
}

test('a tombstone is removed after a year', async () => {
  const dir = await tempDir();
  const options = await runOptions(dir, ENDED_MS);
  const pruned_at = new Date(ENDED_MS - 366 * DAY_MS).toISOString();
  await options.tombstones.add([{ kind: 'task', id: 'task-1', pruned_at }]);
  await runRetention(options);
  expect(readFileSync(join(dir, '_pruned.jsonl'), 'utf8')).toBe('');
});
