import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { documentOf, linesOf, newStore, openStore, tempDir } from '../../support/log-dir.ts';
import { eventId, log, outputLog } from '../../support/records.ts';

const start = log({ event: 'tasktrail.task.metadata', id: eventId(1), atMs: 1, body: { status: 'running' } });
const end = log({
  event: 'tasktrail.task.result',
  id: eventId(9),
  atMs: 9,
  body: { success: true, result: 'done' },
});

test('an end is not stored when the lines that came with it are not', async () => {
  const { dir, logs } = await newStore();
  await logs(start);
  const output = join(dir, 'task-1', '03-agent-output.jsonl');
  mkdirSync(output);
  expect((await logs(outputLog(2), end)).rejected).toBe(2);
  expect(documentOf(dir, 'task-1', 'metadata.json').status).toBe('running');
  expect(linesOf(dir, 'task-1', 'facts.jsonl')).toHaveLength(1);
  rmSync(output, { recursive: true });
  expect((await logs(outputLog(2), end)).rejected).toBe(0);
  expect(documentOf(dir, 'task-1', 'metadata.json').status).toBe('completed');
  expect(linesOf(dir, 'task-1', '03-agent-output.jsonl')).toHaveLength(1);
});

test('a document that could not be written is written later, though its sender never comes again', async () => {
  const { dir, logs, pass } = await newStore();
  await logs(start);
  const metadata = join(dir, 'task-1', 'metadata.json');
  rmSync(metadata);
  mkdirSync(metadata);
  expect((await logs(end)).rejected).toBe(1);
  await pass(1_000);
  rmSync(metadata, { recursive: true });
  await pass(1_000);
  expect(documentOf(dir, 'task-1', 'metadata.json').status).toBe('completed');
  // As one that was written at once: it settles.
  for (let seconds = 0; seconds < 15; seconds += 1) await pass(1_000);
  expect(documentOf(dir, 'task-1', 'metadata.json').settled).toBe(true);
});

test('a task that could not be begun is not made by later tries', async () => {
  const dir = await tempDir();
  const store = openStore(dir, {
    probeNames: async () => {
      throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    },
  });
  await expect(store.logs(start)).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
  expect(store.books.reasons.get('store')).toContain('ENOSPC');
  await store.pass(1_000);
  expect(store.books.reasons.size).toBe(0);
  expect(readdirSync(dir)).toEqual([]);
});
