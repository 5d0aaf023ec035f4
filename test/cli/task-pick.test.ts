import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pickTask, type TaskSource } from '../../src/cli/task-pick.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { tempDir } from './run-command.ts';
import { storeIn, writeTask } from './stored-tasks.ts';

async function withTasks(...ids: readonly string[]): Promise<TaskSource> {
  const cwd = await tempDir();
  const store = storeIn(cwd);
  for (const [index, id] of ids.entries())
    await writeTask(store, { id, metadata: { created_at: `2026-01-0${index + 1}T00:00:00.000Z` } });
  await store.store.close('the test has written its tasks');
  const logDir = join(cwd, 'logs');
  return { logDir, reader: createReader(logDir) };
}

test('without a name, and as "-" or "latest", it is the newest task', async () => {
  const source = await withTasks('task-b', 'task-a');
  for (const wanted of [undefined, '-', 'latest']) expect(await pickTask(source, wanted)).toBe('task-a');
});

test('a task with the id "latest" is meant by that name', async () => {
  expect(await pickTask(await withTasks('latest', 'task-b'), 'latest')).toBe('latest');
});

test.each(['task-01kdy0', 'task-01k', '01kdy', '01KDY0', 'TASK-01KDY'])('%s is found', async (wanted) => {
  expect(await pickTask(await withTasks('task-01kdy0', 'task-02'), wanted)).toBe('task-01kdy0');
});

test('a whole id is meant even where another one begins with it', async () => {
  expect(await pickTask(await withTasks('task-a', 'task-ab'), 'task-a')).toBe('task-a');
});

test('an ambiguous beginning is refused with the newest candidates', async () => {
  const ids = ['1', '2', '3', '4', '5', '6', '7'].map((name) => `task-a${name}`);
  await expect(pickTask(await withTasks(...ids), 'a')).rejects.toMatchObject({
    code: 'ERR_INPUT_INVALID',
    message: [
      '7 task ids begin with a: give more characters of one of them',
      ...['task-a7', 'task-a6', 'task-a5', 'task-a4', 'task-a3'],
      'and 2 more',
    ].join('\n'),
  });
});

test('where there is no such task, or no directory, nothing is found', async () => {
  expect(await pickTask(await withTasks('task-a'), 'task-b')).toBeUndefined();
  const logDir = join(await tempDir(), 'nowhere');
  for (const wanted of [undefined, 'task-a'])
    expect(await pickTask({ logDir, reader: createReader(logDir) }, wanted)).toBeUndefined();
});

test.each(['../etc', '', '_webhooks', 'a/b'])('%j cannot be an id', async (wanted) => {
  await expect(pickTask(await withTasks('task-a'), wanted)).rejects.toMatchObject({ code: 'ERR_ID_INVALID' });
});
