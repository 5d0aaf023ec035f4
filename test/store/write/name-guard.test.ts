import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TRAIL } from '../../../src/model/sender.ts';
import { NameGuard, type NameRules, probeNames } from '../../../src/store/write/name-guard.ts';
import { linesOf, openStore, tempDir } from '../../support/log-dir.ts';
import { eventId, log, outputLog } from '../../support/records.ts';

const FOLDING: NameRules = { foldsCase: true, keepsCase: true, dropsDots: false, hasDevices: false };
const WINDOWS: NameRules = { foldsCase: true, keepsCase: true, dropsDots: true, hasDevices: true };

const guardOf = (dir: string, rules: NameRules): NameGuard => new NameGuard(dir, async () => rules);

/** Set to a directory on a mounted file system that folds case, to try the probe there. */
const FOLDED_DIR = process.env.TEST_FOLDED_DIR;

test('the file system of the tests tells names apart, and the probe leaves nothing behind', async () => {
  const dir = join(await tempDir(), 'logs');
  const rules = await probeNames(dir);
  if (process.platform === 'linux')
    expect(rules).toEqual({ foldsCase: false, keepsCase: true, dropsDots: false, hasDevices: false });
  expect(readdirSync(dir)).toEqual([]);
});

test('an id that differs only in case from a stored one is refused with its reason; all others are kept', async () => {
  const dir = await tempDir();
  // What such a file system shows after the folder of Task-1 was made: it exists under both names.
  mkdirSync(join(dir, 'Task-1'));
  mkdirSync(join(dir, 'task-1'));
  const { store, books } = openStore(dir, { probeNames: async () => FOLDING });
  await store.ingest({ logs: [outputLog(1, 'one\n', 'task-1')], spans: [] }, TRAIL);
  expect(linesOf(dir, 'task-1', '03-agent-output.jsonl')).toHaveLength(1);
  mkdirSync(join(dir, 'other'));
  const guard = guardOf(dir, FOLDING);
  await expect(guard.checkFolder('OTHER')).rejects.toThrow(
    'task id OTHER differs only in upper and lower case from other, which has the same files here',
  );
  await guard.checkFolder('other');
  expect([...books.notices]).toEqual([]);
});

test.runIf(FOLDED_DIR !== undefined)('a real file system that folds case is known as one', async () => {
  const dir = join(FOLDED_DIR ?? '', `logs-${process.pid}`);
  expect(await probeNames(dir)).toMatchObject({ foldsCase: true });
  const { store } = openStore(dir);
  expect(await store.ingest({ logs: [outputLog(1, 'one\n', 'task-a')], spans: [] }, TRAIL)).toMatchObject({
    rejected: 0,
  });
  const outcome = await store.ingest(
    {
      logs: [outputLog(2, 'two\n', 'TASK-A'), outputLog(3, 'x\n', 'task-b')],
      spans: [],
    },
    TRAIL,
  );
  expect(outcome.rejected).toBe(1);
  expect(outcome.reasons[0]).toMatch(
    /task id TASK-A (differs only in upper and lower case|has upper-case letters)/,
  );
  expect(linesOf(dir, 'task-a', '03-agent-output.jsonl').map((line) => line.content)).toEqual(['one\n']);
  expect(linesOf(dir, 'task-b', '03-agent-output.jsonl')).toHaveLength(1);
});

test('a workflow whose file belongs to an id in other letters is refused', async () => {
  const month = await tempDir();
  writeFileSync(join(month, 'flow-a.trace.jsonl'), '');
  const guard = guardOf(month, FOLDING);
  await expect(guard.checkFiles(month, 'FLOW-a')).rejects.toThrow('workflow id FLOW-a differs only');
  await guard.checkFiles(month, 'flow-a');
  await guard.checkFiles(month, 'flow');
  await guardOf(month, { ...FOLDING, foldsCase: false }).checkFiles(month, 'FLOW-a');
});

test('names of devices and trailing dots are refused where the file system has them, and nowhere else', async () => {
  const dir = await tempDir();
  for (const id of ['con', 'CON', 'nul', 'aux.txt', 'com1', 'LPT9.log', 'prn'])
    await expect(guardOf(dir, WINDOWS).checkNew('task', id)).rejects.toThrow('is the name of a device');
  await expect(guardOf(dir, WINDOWS).checkNew('task', 'task.')).rejects.toThrow('ends in a dot');
  for (const id of ['console', 'com10', 'com', 'nul-1', 'task.1'])
    await guardOf(dir, WINDOWS).checkNew('task', id);
  for (const id of ['con', 'task.']) await guardOf(dir, FOLDING).checkNew('task', id);
  await expect(guardOf(dir, { ...FOLDING, keepsCase: false }).checkNew('task', 'Task')).rejects.toThrow(
    'upper-case',
  );
});

test('a refused id is counted in the answer, and its record is not stored', async () => {
  const dir = await tempDir();
  const { store, books } = openStore(dir, { probeNames: async () => WINDOWS });
  const metadata = log({
    event: 'tasktrail.task.metadata',
    id: eventId(1),
    body: { status: 'running' },
    attributes: { 'tasktrail.task.id': 'con' },
  });
  expect(await store.ingest({ logs: [metadata, outputLog(2)], spans: [] }, TRAIL)).toEqual({
    rejected: 1,
    reasons: ['cannot write task con: task id con is the name of a device on Windows'],
  });
  expect(books.notices.get('store')).toContain('task id con');
  expect(readdirSync(dir)).toEqual(['task-1']);
});

test('what a killed process has left of the probe is removed with the next start', async () => {
  const dir = await tempDir();
  mkdirSync(join(dir, '_workflow'));
  for (const folder of [dir, join(dir, '_workflow')]) writeFileSync(join(folder, '.Probe-1'), '');
  await openStore(dir).store.recover();
  expect(readdirSync(dir)).toEqual(['_workflow']);
  expect(readdirSync(join(dir, '_workflow'))).toEqual([]);
});
