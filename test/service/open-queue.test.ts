import { expect, onTestFinished, test } from 'vitest';
import { Books } from '../../src/books.ts';
import { loadConfig } from '../../src/config/config.ts';
import { type OpenQueue, openQueue } from '../../src/service/open-queue.ts';
import { directoryId } from '../../src/store/directory-id.ts';
import { freePort } from '../support/free-port.ts';
import { tempDir } from '../support/log-dir.ts';

async function open(env: Record<string, string>): Promise<OpenQueue & { readonly books: Books }> {
  const books = new Books();
  const opened = await openQueue(loadConfig({ env, cwd: '/' }), { books, log: () => {} });
  onTestFinished(() => opened.close(0));
  return { ...opened, books };
}

test('without a Redis the queue is in this process, and belongs to the log directory', async () => {
  const logDir = await tempDir();
  const { queue, books } = await open({ TASK_LOGS_DIR: logDir });
  expect(queue).toMatchObject({ system: 'in_process', home: await directoryId(logDir) });
  expect(books.reasons.size).toBe(0);
});

test('without a store the queue in this process belongs to no log directory', async () => {
  const logDir = await tempDir();
  const { queue } = await open({ TASK_LOGS_DIR: logDir, TASK_LOGS_STORE: 'false' });
  expect(queue.home).not.toBe(await directoryId(logDir));
});

test('a Redis that is not reachable does not fail the start, and is a reason of /readyz', {
  tags: 'full',
}, async () => {
  const { queue, books } = await open({ REDIS_URL: `redis://127.0.0.1:${await freePort()}` });
  expect(queue.home).toBeUndefined();
  expect(books.reasons.get('queue')).toEqual(expect.any(String));
});
