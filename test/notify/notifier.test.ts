import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import type { JsonObject } from '../../src/model/json.ts';
import { isoFromMs } from '../../src/model/time.ts';
import type { Candidate, Mark, NotifySource } from '../../src/notify/candidate.ts';
import { Notifier } from '../../src/notify/notifier.ts';
import type { Receiver } from '../../src/notify/notify-receiver.ts';
import { fileStorage } from '../../src/notify/outbox/file-storage.ts';
import { readMark, writeMark } from '../../src/notify/outbox/mark-file.ts';
import { readOutbox } from '../../src/notify/outbox/read-outbox.ts';
import { tempDir } from '../support/log-dir.ts';
import { NOTIFY_SECRET } from '../support/notify-receiver.ts';

const START = Date.parse('2026-01-02T00:00:00Z');

const RECEIVER: Receiver = {
  ...{ name: 'chat', url: 'http://127.0.0.1:1/hook', secrets: [NOTIFY_SECRET], on: ['task.*'] },
  ...{ allowAddresses: [], link: undefined, matches: undefined },
};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
});
afterEach(() => {
  vi.useRealTimers();
});

interface Rig {
  readonly logDir: string;
  readonly notifier: Notifier;
  readonly scans: Mark[];
  /** Ends a task, as its documents say. */
  end(id: string): Candidate;
  /** Ids of the tasks in the file of the receiver. */
  queued(): Promise<readonly string[]>;
  /** A tick of ten seconds. */
  tick(): Promise<void>;
  failReads(error: Error | undefined): void;
}

async function rig(logDir: string, found: readonly string[] = []): Promise<Rig> {
  let now = START;
  let failure: Error | undefined;
  const scans: Mark[] = [];
  const tasks = new Map<string, JsonObject>(found.map((id) => [id, endedAt(now)]));
  const source: NotifySource = {
    readTask: async (id) => {
      if (failure !== undefined) throw failure;
      const metadata = tasks.get(id);
      return metadata && { metadata, input: undefined, result: undefined };
    },
    waitsOf: async () => [],
    readWorkflow: async () => undefined,
    mark: async () => ({ at: isoFromMs(now), feed: undefined }),
    since: async function* (mark) {
      scans.push(mark);
      for (const id of tasks.keys()) yield { kind: 'task', id };
    },
  };
  const notifier = new Notifier({
    storage: fileStorage(logDir, { isHeld: () => true, now: () => now }),
    ...{ directory: 'd', receivers: [RECEIVER], source, traceUrls: [], now: () => now },
    ...{ onCounts: () => {}, onTrouble: () => {}, log: () => {} },
  });
  await notifier.open();
  onTestFinished(() => notifier.close(0));
  return {
    ...{ logDir, notifier, scans },
    end: (id) => {
      const metadata = endedAt(now);
      tasks.set(id, metadata);
      return { kind: 'task', id, ended: metadata };
    },
    queued: async () => {
      const all = [...((await readOutbox(logDir, 'chat'))?.state.all ?? [])];
      return all.map(({ subject }) => subject.replace('task ', ''));
    },
    tick: async () => {
      now += 10_000;
      await vi.advanceTimersByTimeAsync(10_000);
      await notifier.settled();
    },
    failReads: (error) => {
      failure = error;
    },
  };
}

function endedAt(nowMs: number): JsonObject {
  return { status: 'completed', attempt: 1, completed_at: isoFromMs(nowMs) };
}

test('an end is in the file soon after it was noted, and is not queued again when it is found', async () => {
  const { notifier, end, queued } = await rig(await tempDir());
  notifier.note(end('task-1'));
  await expect.poll(queued).toEqual(['task-1']);
  notifier.note({ kind: 'task', id: 'task-1' });
  notifier.scan();
  notifier.note(end('task-2'));
  await expect.poll(queued).toEqual(['task-1', 'task-2']);
});

test('the mark moves only after the search, and stays a minute behind', async () => {
  const logDir = await tempDir();
  const { notifier, end, scans, queued, tick } = await rig(logDir);
  expect((await readMark(logDir))?.at).toBe(isoFromMs(START));
  for (let count = 0; count < 9; count += 1) await tick();
  // The recovery has not ended: nothing was searched, and nothing may be passed over.
  expect((await readMark(logDir))?.at).toBe(isoFromMs(START));
  notifier.note(end('task-1'));
  notifier.scan();
  await expect.poll(queued).toEqual(['task-1']);
  await expect.poll(() => scans).toEqual([{ at: isoFromMs(START), feed: undefined }]);
  await tick();
  await expect.poll(async () => (await readMark(logDir))?.at).toBe(isoFromMs(START + 40_000));
});

test('while a task cannot be read, no mark passes it', async () => {
  const logDir = await tempDir();
  const { notifier, end, queued, tick, failReads } = await rig(logDir);
  notifier.scan();
  failReads(new Error('EIO'));
  notifier.note(end('task-1'));
  for (let count = 0; count < 12; count += 1) await tick();
  expect((await readMark(logDir))?.at).toBe(isoFromMs(START));
  expect(await queued()).toEqual([]);
});

test('a mark that cannot be read is not replaced, and the search waits for it', async () => {
  const logDir = await tempDir();
  mkdirSync(join(logDir, '_notify', '_mark.json'), { recursive: true });
  const first = await rig(logDir, ['task-1']);
  first.notifier.scan();
  first.notifier.note(first.end('task-2'));
  await expect.poll(first.queued).toEqual(['task-2']);
  expect(first.scans).toEqual([]);
  rmSync(join(logDir, '_notify', '_mark.json'), { recursive: true });
  const before = { at: isoFromMs(START - 3_600_000), feed: undefined };
  await writeMark(logDir, before);
  await first.tick();
  await expect.poll(() => first.scans).toEqual([before]);
  await expect.poll(first.queued).toEqual(['task-2', 'task-1']);
});

test('a damaged mark lets the last hour be searched again', async () => {
  const logDir = await tempDir();
  const first = await rig(logDir);
  await first.notifier.close(0);
  writeFileSync(join(logDir, '_notify', '_mark.json'), '{"at":');
  const second = await rig(logDir);
  second.notifier.scan();
  await expect.poll(() => second.scans).toEqual([{ at: isoFromMs(START - 3_600_000), feed: undefined }]);
});
