import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { Books } from '../../../src/books.ts';
import { taskSearch } from '../../../src/search/query/task-search.ts';
import { IndexThread } from '../../../src/trail/search/index-thread.ts';
import { built } from '../../support/built.ts';
import { tempDir } from '../../support/log-dir.ts';
import { writeTask } from '../../support/searched-tasks.ts';
import { until } from '../../support/until.ts';

const ENTRY = pathToFileURL(built('trail/search/index-main.ts'));

function start(logDir: string, entry: URL = ENTRY): { readonly thread: IndexThread; readonly books: Books } {
  const books = new Books();
  const config = { logDir, workflowDir: join(logDir, '_workflow'), fileMode: 'private' as const };
  const thread = new IndexThread({ config, books, entry });
  onTestFinished(() => thread.close());
  return { thread, books };
}

function find(thread: IndexThread, q: string): Promise<readonly string[] | undefined> {
  const request = {
    search: taskSearch({ q }, Date.now()),
    sort: 'created',
    after: undefined,
    limit: 9,
  } as const;
  return thread.list(request).then((page) => page?.places.map(({ id }) => id));
}

test('a query starts the thread, and what is noted is found by the next one', async () => {
  const dir = await tempDir();
  writeTask(dir, { id: 'task-a', message: 'words' });
  const { thread, books } = start(dir);
  await until(() => find(thread, 'words'), 'the index');
  expect(await find(thread, 'words')).toEqual(['task-a']);
  writeTask(dir, { id: 'task-b', message: 'words', at: '2026-01-02T00:00:00.000Z' });
  thread.noteTask('task-b');
  expect(await find(thread, 'words')).toEqual(['task-b', 'task-a']);
  expect(books.notices.has('search index')).toBe(false);
});

test('where there is no program for it, a notice says that the files answer', async () => {
  const { thread, books } = start(await tempDir(), pathToFileURL('/nowhere/index-main.js'));
  expect(await find(thread, 'words')).toBeUndefined();
  expect(books.notices.get('search index')).toContain('lists come from the files');
});
