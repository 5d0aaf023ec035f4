import { spawnSync } from 'node:child_process';
import { readdir, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type CurrentWorkflow, CurrentWorkflows } from '../../../src/cli/workflow/current-workflow.ts';
import { identityOf, ownIdentity } from '../../../src/system/process-identity.ts';
import { tempDir } from '../../support/journal-records.ts';

const STATE: CurrentWorkflow = {
  version: 1,
  workflow_id: 'w-1',
  name: null,
  task_id: null,
  trace_id: 'a'.repeat(32),
  work_item_id: null,
  project: 'p',
  environment: 'e',
  attempt: 1,
  started_at_ms: 1,
  status: 'running',
  phase: null,
  steps: [],
  failed: [],
  starts: [],
  artifacts: [],
  artifact_keys: [],
};

test('a state file is private, replaced atomically and found by its project', async () => {
  const logDir = await tempDir();
  const store = new CurrentWorkflows(logDir);
  expect(store.read('w-1')).toBeUndefined();
  expect(store.workflowOf('/a/project')).toBeUndefined();
  store.write(STATE);
  store.write({ ...STATE, attempt: 2 });
  store.setCurrent('/a/project', 'w-1');
  expect(store.read('w-1')).toEqual({ ...STATE, attempt: 2 });
  expect(store.workflowOf('/a/project')).toBe('w-1');
  expect(store.workflowOf('/another')).toBeUndefined();
  const directory = join(logDir, '_journal', 'current');
  const names = await readdir(directory);
  expect(names).toHaveLength(2);
  for (const name of names) expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600);
});

test.each([
  '',
  '{"version":1',
  '[]',
  '{"version":2,"workflow_id":"w-1"}',
  '{"version":1,"workflow_id":"w-2"}',
])('a damaged file (%s) is an error that names it', async (text) => {
  const logDir = await tempDir();
  const store = new CurrentWorkflows(logDir);
  store.write(STATE);
  await writeFile(join(logDir, '_journal', 'current', 'w-1.json'), text);
  expect(() => store.read('w-1')).toThrow(/w-1\.json is damaged/);
});

test('an id that cannot be part of a path is rejected', async () => {
  const store = new CurrentWorkflows(await tempDir());
  expect(() => store.read('../w')).toThrow(expect.objectContaining({ code: 'ERR_ID_INVALID' }));
});

test('the lock is released when the function throws', async () => {
  const store = new CurrentWorkflows(await tempDir());
  const failing = store.locked('w-1', () => {
    throw new RangeError('no');
  });
  await expect(failing).rejects.toThrow(RangeError);
  expect(await store.locked('w-1', () => 'mine')).toBe('mine');
});

test('the lock of a dead process is taken over, and a live holder is waited for', async () => {
  const logDir = await tempDir();
  const store = new CurrentWorkflows(logDir);
  store.write(STATE);
  const lock = join(logDir, '_journal', 'current', 'w-1.lock');
  const dead = spawnSync(process.execPath, ['-e', '']);
  await writeFile(
    lock,
    JSON.stringify({ ...ownIdentity(), token: 't-1', pid: dead.pid, start: identityOf(1).start }),
  );
  expect(await store.locked('w-1', () => 'mine')).toBe('mine');
  await writeFile(lock, JSON.stringify({ ...ownIdentity(), token: 't-2' }));
  let isIn = false;
  const waiting = store.locked('w-1', () => {
    isIn = true;
  });
  await store.locked('w-2', () => undefined);
  expect(isIn).toBe(false);
  await writeFile(lock, JSON.stringify({ ...ownIdentity(), token: 't-3', pid: dead.pid, start: 'gone' }));
  await waiting;
  expect(isIn).toBe(true);
});

test('old state files are removed', async () => {
  const logDir = await tempDir();
  const store = new CurrentWorkflows(logDir);
  store.sweep(Date.now());
  store.write(STATE);
  store.write({ ...STATE, workflow_id: 'w-2' });
  await utimes(join(logDir, '_journal', 'current', 'w-1.json'), 1, 1);
  store.sweep(1_000_000);
  expect(store.read('w-1')).toBeUndefined();
  expect(store.read('w-2')).toBeDefined();
});
