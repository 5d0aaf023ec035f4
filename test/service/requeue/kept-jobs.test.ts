import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { Books } from '../../../src/books.ts';
import type { JsonObject } from '../../../src/model/json.ts';
import { InProcessQueue } from '../../../src/queue/in-process-queue.ts';
import { JobStore } from '../../../src/queue/job-store.ts';
import type { Job } from '../../../src/queue/queue.ts';
import { queueUnavailable } from '../../../src/queue/unavailable.ts';
import { Requeueing } from '../../../src/service/requeue/kept-jobs.ts';
import { ownIdentity } from '../../../src/system/process-identity.ts';
import { tempDir } from '../../support/log-dir.ts';
import { jobOf } from '../../support/queue-contract.ts';

/** A queue in Redis that knows no job. */
class EmptyQueue extends InProcessQueue {
  readonly pushed: Job[] = [];
  isAway = false;

  constructor() {
    super({ name: 'agent', concurrency: 1 });
    Object.assign(this, { system: 'bullmq', home: undefined });
  }

  override async push(job: Job): Promise<void> {
    if (this.isAway) throw queueUnavailable('Redis is away');
    this.pushed.push(job);
  }
}

const DEAD = { ...ownIdentity(), start: 'dead-1' };
const RUNNING = { status: 'running', attempt: 1, created_at: '2026-01-01T00:00:00.000Z' };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
});

afterEach(() => {
  vi.useRealTimers();
});

interface Opened {
  readonly requeueing: Requeueing;
  readonly queue: EmptyQueue;
  /** Number of passes so far. */
  passes(): number;
  /** Lets the time pass, and waits for the passes that have begun meanwhile. */
  pass(ms: number): Promise<void>;
}

async function open(metadata: JsonObject): Promise<Opened> {
  const logDir = await tempDir();
  const jobs = await JobStore.open(logDir);
  const queue = new EmptyQueue();
  await jobs.add(jobOf('task-1'), { name: 'agent', system: 'bullmq', home: undefined }, true);
  await jobs.update('task-1', { worker: DEAD });
  const requeueing = new Requeueing({
    jobs,
    home: 'here',
    queue,
    trail: {
      config: { logDir },
      books: new Books(),
      reader: { readDocument: async () => metadata, listTasks: async () => ({ tasks: [] }) },
      recovered: Promise.resolve(),
    } as never,
    intake: { has: () => false, isBusy: () => false },
    log: () => {},
  });
  onTestFinished(() => requeueing.close());
  const runs = vi.spyOn(requeueing, 'run');
  const pass = async (ms: number): Promise<void> => {
    vi.advanceTimersByTime(ms);
    await Promise.all(runs.mock.results.map(({ value }) => value));
  };
  return { requeueing, queue, passes: () => runs.mock.calls.length, pass };
}

test('a job whose worker is gone is queued by the pass that the one before has named, and no other pass runs', async () => {
  const at = await open(RUNNING);
  await at.requeueing.run();
  const before = at.passes();
  await at.pass(9_900);
  expect([at.queue.pushed, at.passes()]).toEqual([[], before]);
  await at.pass(200);
  expect(at.queue.pushed).toMatchObject([{ taskId: 'task-1', attempt: 2 }]);
  expect(at.passes()).toBe(before + 1);
});

test('when the queue takes nothing, the next pass comes after ten seconds; without a reason to wait after a minute', async () => {
  const at = await open(RUNNING);
  at.queue.isAway = true;
  await at.requeueing.run();
  await at.pass(10_100);
  const before = at.passes();
  at.queue.isAway = false;
  await at.pass(9_900);
  expect(at.passes()).toBe(before);
  await at.pass(200);
  expect(at.queue.pushed).toHaveLength(1);
  const after = at.passes();
  await at.pass(9_000);
  expect(at.passes()).toBe(after);
});
