import { execFile } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { Books } from '../../../src/books.ts';
import { loadConfig } from '../../../src/config/config.ts';
import { indexPath } from '../../../src/search/index/index-file.ts';
import { createIndexView } from '../../../src/search/index/index-view.ts';
import { taskSearch } from '../../../src/search/query/task-search.ts';
import { createRecordSource } from '../../../src/store/read/record-source.ts';
import { createTaskSource } from '../../../src/store/read/task-source.ts';
import { IndexThread, type IndexThreadOptions } from '../../../src/trail/search/index-thread.ts';
import type * as Trails from '../../../src/trail/trail.ts';
import { built, builtUrl, INDEX_URL } from '../../support/built.ts';
import { tempDir } from '../../support/log-dir.ts';
import { writeTask } from '../../support/searched-tasks.ts';
import { until } from '../../support/until.ts';

const ENTRY = pathToFileURL(built('trail/search/index-main.ts'));

function start(
  logDir: string,
  options: Partial<IndexThreadOptions> = {},
): { readonly thread: IndexThread; readonly books: Books } {
  const books = new Books();
  const config = { logDir, workflowDir: join(logDir, '_workflow'), fileMode: 'private' as const };
  const thread = new IndexThread({ config, books, entry: ENTRY, ...options });
  onTestFinished(() => thread.close());
  return { thread, books };
}

function find(from: Pick<IndexThread, 'list'>, q: string): Promise<readonly string[] | undefined> {
  const request = {
    search: taskSearch({ q }, Date.now()),
    sort: 'created',
    after: undefined,
    limit: 9,
  } as const;
  return from.list(request).then((page) => page?.places.map(({ id }) => id));
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
  const { thread, books } = start(await tempDir(), { entry: pathToFileURL('/nowhere/index-main.js') });
  expect(await find(thread, 'words')).toBeUndefined();
  expect(books.notices.get('search index')).toContain('lists come from the files');
});

test('it ends when nothing was asked for a while, and the next query finds what has changed meanwhile', async () => {
  const dir = await tempDir();
  writeTask(dir, { id: 'task-a', message: 'words' });
  const lease = { key: 'k', lease: 7, token: 't' };
  const { thread } = start(dir, { lease, idleMs: 500 });
  const [files, records] = [createTaskSource(dir), createRecordSource(dir)];
  const [view, other] = [7, 8].map((held) =>
    createIndexView({ logDir: dir, files, records, holderLease: async () => held }),
  );
  const answer = async (): Promise<readonly string[] | undefined> => view && find(view, 'words');
  await until(async () => {
    await find(thread, 'words');
    return answer();
  }, 'an index that others may read');
  expect(other && (await find(other, 'words'))).toBeUndefined();
  await until(async () => (await answer()) === undefined, 'its end');
  rmSync(join(dir, 'task-a'), { recursive: true });
  writeTask(dir, { id: 'task-b', message: 'words' });
  expect(await find(thread, 'words')).toEqual(['task-b']);
});

test('lists that the files answer at once start no index', async () => {
  const dir = await tempDir();
  const { startTasktrail } = (await import(builtUrl('trail/trail.ts'))) as typeof Trails;
  const env = { TASK_LOGS_DIR: dir, TASK_LOGS_OTLP_PORT: '0' };
  const trail = await startTasktrail({ config: loadConfig({ env, cwd: '/' }), log: () => {} });
  onTestFinished(() => trail.shutdown());
  writeTask(dir, { id: 'task-a', message: 'words' });
  for (const query of [{}, { status: 'running' as const }, { since: '2026-01-01T00:00:00.000Z' }])
    expect((await trail.reader.listTasks({ ...query, limit: 5 })).items).toHaveLength(1);
  expect(existsSync(indexPath(dir))).toBe(false);
  expect((await trail.reader.listTasks({ sort: 'cost', limit: 5 })).items).toHaveLength(1);
  expect(existsSync(indexPath(dir))).toBe(true);
});

test('a script that awaits a search goes on behind it', async () => {
  const script = `
    const { startTasktrail } = await import('${INDEX_URL}');
    process.on('beforeExit', () => console.log('end'));
    const trail = await startTasktrail();
    await trail.reader.listTasks({ sort: 'cost', limit: 5 });
    console.log('listed');
  `;
  const env = { ...process.env, TASK_LOGS_DIR: await tempDir(), TASK_LOGS_OTLP_PORT: '0' };
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { env });
  expect(stdout.split('\n').slice(0, 2)).toEqual(['listed', 'end']);
});
