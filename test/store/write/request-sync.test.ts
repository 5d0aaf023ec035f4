import { beforeEach, expect, test, vi } from 'vitest';
import { RequestMemory } from '../../../src/model/otlp.ts';
import { TRAIL } from '../../../src/model/sender.ts';
import { linesOf, newStore } from '../../support/log-dir.ts';
import { outputLog } from '../../support/records.ts';

const disk = vi.hoisted(() => ({ isStuck: false, waiting: [] as (() => void)[] }));

vi.mock('node:fs', async (importActual) => {
  const actual = await importActual<typeof import('node:fs')>();
  return {
    ...actual,
    fdatasync: (fd: number, done: (error: Error | null) => void) => {
      if (disk.isStuck) disk.waiting.push(() => actual.fdatasync(fd, done));
      else actual.fdatasync(fd, done);
    },
  };
});

beforeEach(() => {
  disk.isStuck = true;
  disk.waiting = [];
});

function release(): void {
  disk.isStuck = false;
  for (const go of disk.waiting.splice(0)) go();
}

test('a part of a request does not wait for the disk, and the last one waits for all of them', async () => {
  const { store, dir } = await newStore();
  const memory = new RequestMemory();
  for (let part = 0; part < 3; part += 1) {
    await store.ingest({ logs: [outputLog(part)], spans: [], memory, hasMore: true }, TRAIL);
  }
  expect(linesOf(dir, 'task-1', '03-agent-output.jsonl')).toHaveLength(3);
  let isDone = false;
  const last = store.ingest({ logs: [], spans: [], memory }, TRAIL).then(() => {
    isDone = true;
  });
  await vi.waitUntil(() => disk.waiting.length > 0);
  expect(isDone).toBe(false);
  release();
  await last;
});

test('a request of one batch waits for the disk', async () => {
  const { store } = await newStore();
  let isDone = false;
  const only = store.ingest({ logs: [outputLog(1)], spans: [] }, TRAIL).then(() => {
    isDone = true;
  });
  await vi.waitUntil(() => disk.waiting.length > 0);
  expect(isDone).toBe(false);
  release();
  await only;
});
