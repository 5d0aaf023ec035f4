import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { WorkflowQuery } from '../../../src/model/workflow.ts';
import type { Reader } from '../../../src/serve/reader.ts';
import { createReader } from '../../../src/store/read/reader.ts';
import { openStore, tempDir } from '../../support/log-dir.ts';
import { eventId, log } from '../../support/records.ts';
import { documentOf, fact, foldOf, linesOf, wholeRun, writeWorkflow } from '../../support/workflow-files.ts';

const ID = 'workflow-199-20261121T100000Z';

async function openDir(): Promise<{ dir: string; month: string; reader: Reader }> {
  const dir = await tempDir();
  return { dir, month: join(dir, '_workflow', '2026', '11'), reader: createReader(dir) };
}

async function listIds(reader: Reader, query: Partial<WorkflowQuery> = {}): Promise<unknown[]> {
  return (await reader.listWorkflows({ limit: 50, ...query })).items.map((item) => item.workflow_id);
}

test('a workflow has its events in order, its state, its document and the upload state', async () => {
  const { month, reader } = await openDir();
  const facts = wholeRun(ID);
  const document = documentOf(ID, facts);
  const uploaded = {
    bucket: 'logs',
    key: `w/${ID}.json`,
    revision: 1,
    verified_at: '2026-11-21T10:01:00.000Z',
  };
  writeWorkflow(month, ID, { facts: [...facts].reverse(), document, uploaded });
  const found = await reader.readWorkflow(ID);
  expect(found?.events.map((event) => event.event_type)).toEqual(facts.map((one) => one.event_type));
  expect(found?.state).toEqual(foldOf(ID, facts).state);
  expect(found?.document).toEqual(document);
  expect(found?.upload).toEqual({
    status: 'verified',
    url: `s3://logs/w/${ID}.json`,
    revision: 1,
    verified_at: '2026-11-21T10:01:00.000Z',
  });
});

test('stored workflows are read back, also in the list and in the feed', async () => {
  const { dir, logs } = openStore(await tempDir());
  const reader = createReader(dir);
  const attributes = { 'tasktrail.workflow.id': 'w-7', 'tasktrail.task.id': 'task-1' };
  const payload = { context: { work_item_id: '199' } };
  await logs(log({ event: 'tasktrail.workflow_start', id: eventId(1), attributes, body: payload }));
  expect(await reader.readWorkflow('w-7')).toMatchObject({
    state: { status: 'running' },
    document: undefined,
  });
  const end = log({
    event: 'tasktrail.workflow_complete',
    id: eventId(2),
    atMs: 900,
    attributes,
    body: { status: 'success' },
  });
  await logs(end, end);
  const found = await reader.readWorkflow('w-7');
  expect(found?.events.map(({ event_type: type }) => type)).toEqual(['workflow_start', 'workflow_complete']);
  expect(found).toMatchObject({
    state: { status: 'success', task_ids: ['task-1'] },
    document: { revision: 1 },
  });
  expect(await listIds(reader, { work_item_id: '199', status: 'success' })).toEqual(['w-7']);
  const feed = await reader.readFeed({ limit: 10 });
  expect(feed.items.map((item) => JSON.parse(item) as unknown)).toEqual(found?.events);
});

test('repeats, torn and invalid lines and lines of another workflow are skipped', async () => {
  const { month, reader } = await openDir();
  const [start, phase] = wholeRun(ID);
  const repeat = { ...start, event_id: 'later', timestamp: '2026-11-21T10:00:30.000Z' };
  const other = fact('workflow-198-20261121T100000Z', 2, { event_type: 'error' });
  const text = `${linesOf([start, phase])}nonsense\n\n${linesOf([start, repeat, other, { event_id: 'x' }])}{"torn`;
  writeWorkflow(month, ID, { facts: text });
  const found = await reader.readWorkflow(ID);
  expect(found?.events.map((event) => event.event_id)).toEqual([start?.event_id, phase?.event_id]);
  expect(found?.document).toBeUndefined();
  expect(found?.upload).toBeUndefined();
});

test('a workflow without facts is read from its events', async () => {
  const { month, reader } = await openDir();
  const artifact = { artifact: { type: 'spec' } };
  const facts = [
    ...wholeRun(ID).slice(0, 4),
    fact(ID, 8, { event_type: 'artifact_create', payload: artifact, key: 'a' }),
    fact(ID, 9, { event_type: 'artifact_create', payload: artifact, key: 'b' }),
  ];
  const { envelopes } = foldOf(ID, facts);
  writeWorkflow(month, ID, { events: `${linesOf(envelopes)}nonsense\n` });
  const found = await reader.readWorkflow(ID);
  expect(found?.events).toEqual(envelopes);
  expect(found?.events).toHaveLength(6);
  expect(found?.state).toMatchObject({ status: 'running', work_item_id: '199', phase: 'architect' });
  expect(await listIds(reader)).toEqual([ID]);
});

test('a document that is damaged, of another workflow or of an earlier attempt is left out, and the events are not', async () => {
  const { month, reader } = await openDir();
  const facts = wholeRun(ID);
  const document = documentOf(ID, facts);
  for (const wrong of ['{"half', '[]', { ...document, workflow_id: 'x' }, { ...document, revision: 'one' }]) {
    writeWorkflow(month, ID, { facts, document: wrong });
    const found = await reader.readWorkflow(ID);
    expect([found?.document, found?.events.length, found?.state.status]).toEqual([undefined, 7, 'success']);
  }
  writeWorkflow(month, ID, { facts: facts.slice(0, 6), document });
  expect((await reader.readWorkflow(ID))?.document).toBeUndefined();
  const resumed = [...facts, fact(ID, 9, { event_type: 'workflow_resumed' })];
  writeWorkflow(month, ID, { facts: resumed, document });
  expect(await reader.readWorkflow(ID)).toMatchObject({
    document: undefined,
    state: { status: 'running', attempt: 2, completed_at: null },
  });
  const again = [
    ...resumed,
    fact(ID, 12, { event_type: 'workflow_complete', payload: { status: 'failure' } }),
  ];
  writeWorkflow(month, ID, { facts: again, document });
  expect((await reader.readWorkflow(ID))?.document).toBeUndefined();
  writeWorkflow(month, ID, { facts: again, document: documentOf(ID, again, 2) });
  expect((await reader.readWorkflow(ID))?.document).toMatchObject({ attempt: 2, revision: 2 });
});

test('an upload is pending while S3 has another revision than the disk', async () => {
  const { month, reader } = await openDir();
  const facts = wholeRun(ID);
  const uploaded = { bucket: 'logs', key: 'k', revision: 1, verified_at: '2026-11-21T10:01:00.000Z' };
  writeWorkflow(month, ID, { facts, document: documentOf(ID, facts, 2), uploaded });
  expect((await reader.readWorkflow(ID))?.upload).toMatchObject({ status: 'pending', revision: 1 });
  const { items } = await reader.listWorkflows({ limit: 5 });
  expect(items[0]?.upload).toMatchObject({ status: 'pending', url: 's3://logs/k' });
});

test('a missing workflow is undefined, also in a missing directory', async () => {
  const { reader, month } = await openDir();
  expect(await reader.readWorkflow(ID)).toBeUndefined();
  expect(await reader.readWorkflow('by-hand')).toBeUndefined();
  expect(await reader.listWorkflows({ limit: 5 })).toEqual({ items: [], nextCursor: null });
  writeWorkflow(month, ID, { facts: '', document: documentOf(ID, wholeRun(ID)) });
  expect(await reader.readWorkflow(ID)).toBeUndefined();
  expect(await listIds(reader)).toEqual([]);
});

test.each(['..', '.', '', '/etc', '../x', 'a/b', '_feed', 'x'.repeat(129), 'w.trace'])(
  'the id %j is refused before anything is opened',
  async (id) => {
    const { reader } = await openDir();
    await expect(reader.readWorkflow(id)).rejects.toMatchObject({ code: 'ERR_ID_INVALID' });
  },
);

test('a workflow without a stamp is found in every month, also after a move', async () => {
  const { dir, month, reader } = await openDir();
  writeWorkflow(month, 'nightly', { facts: [fact('nightly', 0)] });
  expect((await reader.readWorkflow('nightly'))?.state.workflow_id).toBe('nightly');
  const december = join(dir, '_workflow', '2026', '12');
  mkdirSync(december);
  renameSync(join(month, 'nightly.facts'), join(december, 'nightly.facts'));
  expect((await reader.readWorkflow('nightly'))?.state.workflow_id).toBe('nightly');
  rmSync(december, { recursive: true });
  expect(await reader.readWorkflow('nightly')).toBeUndefined();
});

test('a workflow in two months is the earlier one, by its id and in the list', async () => {
  const { dir, month, reader } = await openDir();
  writeWorkflow(join(dir, '_workflow', '2026', '12'), 'twice', {
    facts: [fact('twice', 0, { project: 'late' })],
  });
  writeWorkflow(month, 'twice', { facts: [fact('twice', 0, { project: 'early' })] });
  expect((await reader.readWorkflow('twice'))?.state.project).toBe('early');
  expect((await reader.listWorkflows({ limit: 5 })).items).toMatchObject([{ project: 'early' }]);
});

test('the workflow directory may be outside the log directory', async () => {
  const { dir } = await openDir();
  const elsewhere = await tempDir();
  writeWorkflow(join(elsewhere, '2026', '11'), ID, { facts: [fact(ID, 0)] });
  const reader = createReader(dir, { workflowDir: elsewhere });
  expect(await listIds(reader)).toEqual([ID]);
  expect((await reader.readWorkflow(ID))?.events).toHaveLength(1);
  expect(await listIds(createReader(dir))).toEqual([]);
});

test('nothing is read through a symbolic link, and a pipe or directory in place of a file does not block', async () => {
  const { dir, month, reader } = await openDir();
  const outside = join(await tempDir(), '2026', '10');
  const secret = wholeRun('secret');
  writeWorkflow(outside, 'secret', { facts: secret, document: documentOf('secret', secret) });
  mkdirSync(month, { recursive: true });
  symlinkSync(outside, join(dir, '_workflow', '2026', '10'));
  symlinkSync(join(outside, '..'), join(dir, '_workflow', '2025'));
  symlinkSync(join(outside, 'secret.facts'), join(month, 'linked.facts'));
  execFileSync('mkfifo', [join(month, 'pipe.facts')]);
  mkdirSync(join(month, 'folder.facts'));
  for (const id of ['secret', 'linked', 'pipe', 'folder', 'secret-20261001T000000Z']) {
    expect(await reader.readWorkflow(id), id).toBeUndefined();
  }
  expect(await listIds(reader)).toEqual([]);
  writeWorkflow(month, 'linked', { events: foldOf('linked', wholeRun('linked')).envelopes });
  expect((await reader.readWorkflow('linked'))?.events).toHaveLength(7);
  expect(await listIds(reader)).toEqual(['linked']);
  writeWorkflow(month, 'mine', { facts: wholeRun('mine') });
  symlinkSync(join(outside, 'secret.json'), join(month, 'mine.json'));
  symlinkSync(join(outside, 'secret.json'), join(month, 'mine.uploaded'));
  expect(await reader.readWorkflow('mine')).toMatchObject({ document: undefined, upload: undefined });
});

test.skipIf(process.getuid?.() === 0)(
  'a file without read permission is an error by its id, and is not listed',
  async () => {
    const { month, reader } = await openDir();
    writeWorkflow(month, ID, { facts: [fact(ID, 0)] });
    chmodSync(join(month, `${ID}.facts`), 0o000);
    await expect(reader.readWorkflow(ID)).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
      message: `a file of workflow ${ID} cannot be read: EACCES`,
    });
    expect(await listIds(reader)).toEqual([]);
  },
);

test('the list has each workflow once, without its levels, and no foreign file', async () => {
  const { dir, month, reader } = await openDir();
  writeWorkflow(month, ID, { facts: wholeRun(ID), events: foldOf(ID, wholeRun(ID)).envelopes });
  writeWorkflow(join(dir, '_workflow', '_feed'), '2026-11-21', { events: [fact('w', 0)] });
  writeWorkflow(join(dir, '_workflow', 'other', '11'), 'stray', { facts: [fact('stray', 0)] });
  writeFileSync(join(month, `${ID}.trace.jsonl`), '{}\n');
  writeFileSync(join(month, `.${ID}.jsonl.77.tmp`), '{}\n');
  writeFileSync(join(month, 'not an id.facts'), linesOf([fact('w', 0)]));
  const { levels: _levels, ...state } = foldOf(ID, wholeRun(ID)).state;
  expect(await reader.listWorkflows({ limit: 50 })).toEqual({
    items: [{ ...state, waits_for: null }],
    nextCursor: null,
  });
});

test('the list reflects new events and added and removed files', async () => {
  const { month, reader } = await openDir();
  const facts = wholeRun(ID);
  writeWorkflow(month, ID, { facts: facts.slice(0, 6) });
  expect(await listIds(reader, { status: 'running' })).toEqual([ID]);
  writeWorkflow(month, ID, { facts });
  expect(await listIds(reader, { status: 'running' })).toEqual([]);
  expect(await listIds(reader, { status: 'success' })).toEqual([ID]);
  writeWorkflow(month, 'second', { facts: wholeRun('second') });
  expect(await listIds(reader, { status: 'success' })).toEqual([ID, 'second']);
  rmSync(join(month, `${ID}.facts`));
  expect(await listIds(reader)).toEqual(['second']);
});

test('an unchanged workflow is not read again for the list', async () => {
  const { month, reader } = await openDir();
  const path = join(month, 'w.facts');
  const write = (project: string): void => {
    writeWorkflow(month, 'w', { facts: [fact('w', 0, { project })] });
    utimesSync(path, new Date('2026-01-01T00:00:00Z'), new Date('2026-01-01T00:00:00Z'));
  };
  write('aaaa');
  const { ino } = statSync(path);
  expect(await listIds(reader, { project: 'aaaa' })).toEqual(['w']);
  // Same inode, size and mtime with other content: only a cached summary still has the old state.
  write('bbbb');
  expect(statSync(path).ino).toBe(ino);
  expect(await listIds(reader, { project: 'aaaa' })).toEqual(['w']);
});
