import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { JsonObject } from '../../../src/model/json.ts';
import { InProcessQueue } from '../../../src/queue/in-process-queue.ts';
import type { JobWorker } from '../../../src/queue/job-entry.ts';
import { JobStore } from '../../../src/queue/job-store.ts';
import type { Job } from '../../../src/queue/queue.ts';
import { setRecorder } from '../../../src/record/recorder.ts';
import { requeueUnfinished } from '../../../src/service/requeue/requeue.ts';
import { ownIdentity } from '../../../src/system/process-identity.ts';
import { agentsOf, Fleet, submit, waitingUntilGo } from '../../support/fleet.ts';
import { tempDir } from '../../support/log-dir.ts';
import { MemoryRecorder } from '../../support/memory-recorder.ts';
import { jobOf } from '../../support/queue-contract.ts';
import { readDocument, resultOf } from '../../support/service-process.ts';
import { until } from '../../support/until.ts';

/** A queue that knows these jobs and collects what is pushed. */
class KnowingQueue extends InProcessQueue {
  readonly known: readonly string[];
  readonly over: readonly string[];
  readonly pushed: Job[] = [];

  constructor(known: readonly string[] = [], over: readonly string[] = []) {
    super({ name: 'agent', concurrency: 1, home: 'here' });
    this.known = known;
    this.over = over;
  }

  override async push(job: Job): Promise<void> {
    this.pushed.push(job);
  }

  override async knows(taskId: string): Promise<boolean> {
    return this.known.includes(taskId) || this.over.includes(taskId);
  }

  override async has(taskId: string): Promise<boolean> {
    return this.known.includes(taskId);
  }
}

const HERE = { name: 'agent', system: 'in_process', home: 'here' };
const REDIS = { name: 'agent', system: 'bullmq', home: undefined };

interface Kept {
  readonly job: Job;
  readonly queue?: typeof HERE | typeof REDIS;
  readonly isStarted?: boolean;
  readonly worker?: JobWorker;
  /** Milliseconds since the entry was written. */
  readonly ageMs?: number;
}

interface Case {
  readonly kept: readonly Kept[];
  /** By task id. */
  readonly metadata?: Readonly<Record<string, JsonObject>>;
  readonly known?: readonly string[];
  readonly over?: readonly string[];
  readonly isRedis?: boolean;
  readonly busy?: readonly string[];
  /** By task id: for how many milliseconds its worker is known to be gone. */
  readonly goneMs?: Readonly<Record<string, number>>;
}

interface Outcome {
  readonly pushed: readonly Job[];
  readonly left: readonly string[];
  readonly recorded: readonly unknown[];
  readonly problems: ReadonlyMap<string, string>;
  /** In how many milliseconds a pass is to look again. */
  readonly early: readonly number[];
}

async function requeue(given: Case): Promise<Outcome> {
  const { kept, metadata = {}, known, over, isRedis, busy = [], goneMs = {} } = given;
  const now = performance.now();
  const gone = new Map(Object.entries(goneMs).map(([id, ms]) => [id, now - ms]));
  const logDir = await tempDir();
  const jobs = await JobStore.open(logDir);
  for (const { job, queue = isRedis ? REDIS : HERE, isStarted, worker, ageMs = 60_000 } of kept) {
    await jobs.add(job, queue, isStarted);
    if (worker !== undefined) await jobs.update(job.taskId, { worker });
    const path = join(logDir, '_queue', `${job.taskId}.json`);
    const entry = JSON.parse(await readFile(path, 'utf8'));
    const then = new Date(Date.now() - ageMs).toISOString();
    await writeFile(path, JSON.stringify({ ...entry, created_at: then, updated_at: then }));
  }
  const queue = new KnowingQueue(known, over);
  if (isRedis) Object.assign(queue, { system: 'bullmq', home: undefined });
  const recorder = new MemoryRecorder();
  setRecorder(recorder);
  const problems = new Map<string, string>();
  const early: number[] = [];
  try {
    const count = await requeueUnfinished({
      jobs,
      queue,
      home: 'here',
      isBusy: (id) => busy.includes(id),
      onProblem: (id, reason) => void problems.set(id, reason),
      onEarly: (ms) => void early.push(ms),
      gone,
      reader: { readDocument: async (id) => metadata[id] },
    });
    expect(count).toBe(queue.pushed.length);
  } finally {
    setRecorder(undefined);
  }
  const recorded = recorder.facts.map(({ body }) => body);
  return { pushed: queue.pushed, left: await jobs.taskIds(), recorded, problems, early };
}

const QUEUED = { status: 'queued', attempt: 1 };
const RUNNING = { status: 'running', attempt: 1 };

test('a kept job that the queue lost is queued again unchanged, oldest first', async () => {
  const second = { ...jobOf('task-2'), attempt: 3, stops: 2, workflowId: 'workflow-1' };
  const { pushed, left } = await requeue({
    kept: [{ job: second }, { job: jobOf('task-1') }],
    metadata: { 'task-1': QUEUED, 'task-2': { status: 'queued', attempt: 3 } },
  });
  expect(pushed).toEqual([{ ...jobOf('task-1'), stops: 0 }, second]);
  expect(left).toEqual(['task-1', 'task-2']);
});

test('what records say about the job of a task changes nothing', async () => {
  const forged = {
    ...QUEUED,
    message: 'EVIL',
    command: 'deploy',
    requested_agent: 'root',
    workflow_ids: ['workflow-evil'],
    stops: -1_000,
    source: 'evil',
    traceparent: `00-${'e'.repeat(32)}-${'e'.repeat(16)}-01`,
    queue_system: 'elsewhere',
    queue_home: 'elsewhere',
  };
  const { pushed } = await requeue({ kept: [{ job: jobOf('task-1') }], metadata: { 'task-1': forged } });
  expect(pushed).toEqual([{ ...jobOf('task-1'), stops: 0 }]);
});

test.each<[string, Omit<Case, 'kept'> & Partial<Kept>]>([
  ['that the queue knows', { metadata: { 'task-1': QUEUED }, known: ['task-1'] }],
  ['of a queue elsewhere', { queue: { ...HERE, home: 'elsewhere' } }],
  ['of Redis, which this service does not use', { queue: REDIS }],
  ['that is being accepted', { busy: ['task-1'] }],
  ['of Redis that a worker runs', { isRedis: true, metadata: { 'task-1': RUNNING } }],
  ['of Redis that is young', { isRedis: true, ageMs: 1_000, metadata: { 'task-1': QUEUED } }],
  [
    'of a silent worker, that Redis hands out again',
    { isRedis: true, known: ['task-1'], metadata: { 'task-1': { status: 'abandoned' } } },
  ],
  [
    'with a forged end, that still waits',
    { known: ['task-1'], metadata: { 'task-1': { status: 'completed' } } },
  ],
])('a job %s is left alone', async (_which, { queue, ageMs, ...given }) => {
  const kept = { job: jobOf('task-1'), ...(queue && { queue }), ...(ageMs !== undefined && { ageMs }) };
  expect(await requeue({ kept: [kept], ...given })).toMatchObject({ pushed: [], left: ['task-1'] });
});

/** Of this machine, and not alive. */
const DEAD = { ...ownIdentity(), start: 'dead-1' };

test.each<[string, Omit<Case, 'kept'> & Partial<Kept>, number | undefined]>([
  ['of a worker that is gone', { isStarted: true, worker: DEAD, metadata: { 'task-1': RUNNING } }, 10_000],
  [
    'of a worker that is gone for six seconds',
    { isStarted: true, worker: DEAD, metadata: { 'task-1': RUNNING }, goneMs: { 'task-1': 6_000 } },
    4_000,
  ],
  ['that is young', { ageMs: 5_000, metadata: { 'task-1': QUEUED } }, 5_000],
  [
    'that is young, of a worker that is gone',
    { isStarted: true, worker: DEAD, ageMs: 5_000, metadata: { 'task-1': QUEUED } },
    5_000,
  ],
  [
    'of a worker that lives',
    { isStarted: true, worker: ownIdentity(), metadata: { 'task-1': RUNNING } },
    undefined,
  ],
  ['that another machine runs', { isStarted: true, metadata: { 'task-1': RUNNING } }, undefined],
])('a job of Redis %s says when the next pass is to look at it', async (_which, given, dueMs) => {
  const { isStarted, worker, ageMs, ...rest } = given;
  const kept = [
    {
      job: jobOf('task-1'),
      ...(isStarted && { isStarted }),
      ...(worker && { worker }),
      ...(ageMs !== undefined && { ageMs }),
    },
  ];
  const { pushed, early } = await requeue({ kept, isRedis: true, ...rest });
  expect(pushed).toEqual([]);
  expect(early).toHaveLength(dueMs === undefined ? 0 : 1);
  for (const ms of early) expect(ms).toBeLessThanOrEqual(dueMs ?? 0);
});

test('a job of Redis whose worker is gone for longer is queued as its next attempt', async () => {
  const kept = [{ job: jobOf('task-1'), isStarted: true, worker: DEAD }];
  const given = { kept, isRedis: true, metadata: { 'task-1': RUNNING }, goneMs: { 'task-1': 10_001 } };
  expect(await requeue(given)).toMatchObject({ pushed: [{ taskId: 'task-1', attempt: 2 }], early: [] });
});

test.each(['completed', 'failed', 'cancelled'])(
  'the entry of a task that is %s is removed',
  async (status) => {
    for (const isRedis of [false, true]) {
      const given = {
        kept: [{ job: jobOf('task-1'), isStarted: true }],
        metadata: { 'task-1': { status } },
        isRedis,
      };
      expect(await requeue(given)).toMatchObject({ pushed: [], left: [] });
    }
  },
);

test('a job of a silent worker that Redis has lost is queued as its next attempt', async () => {
  const kept = [{ job: jobOf('task-1'), isStarted: true }];
  const metadata = { 'task-1': { status: 'abandoned', attempt: 1 } };
  for (const isRedis of [false, true]) {
    const { pushed } = await requeue({ kept, metadata, isRedis });
    expect(pushed).toMatchObject([{ taskId: 'task-1', attempt: 2 }]);
  }
});

test('a job that is over in Redis is removed, also while the end of its task is on its way', async () => {
  const given = { kept: [{ job: jobOf('task-1') }], over: ['task-1'], isRedis: true };
  expect(await requeue({ ...given, metadata: { 'task-1': QUEUED } })).toMatchObject({ pushed: [], left: [] });
});

test.each<[string, Partial<Kept>, JsonObject, number]>([
  ['that had begun', { isStarted: true }, RUNNING, 2],
  ['that had begun, which is not recorded', { isStarted: true }, QUEUED, 2],
  ['that is recorded as begun', {}, RUNNING, 2],
  ['that waits for input', { isStarted: true }, { status: 'waiting_input', attempt: 1 }, 2],
  ['of a later recorded attempt', { isStarted: true }, { status: 'running', attempt: 4 }, 5],
  ['with an attempt of 2^53', {}, { status: 'queued', attempt: 2 ** 53 }, 1],
])(
  'a job %s is queued as the next attempt, and recorded as queued',
  async (_which, kept, metadata, attempt) => {
    const { pushed, recorded } = await requeue({
      kept: [{ job: jobOf('task-1'), ...kept }],
      metadata: { 'task-1': metadata },
    });
    expect(pushed).toMatchObject([{ taskId: 'task-1', attempt }]);
    expect(recorded).toEqual([{ status: 'queued', attempt }]);
  },
);

test('a job of the process goes to Redis when that is set later', async () => {
  const kept = [{ job: jobOf('task-1'), queue: HERE, isStarted: true }];
  const { pushed } = await requeue({ kept, metadata: { 'task-1': RUNNING }, isRedis: true });
  expect(pushed).toMatchObject([{ taskId: 'task-1', attempt: 2 }]);
});

test('a kept task whose records were lost is recorded again', async () => {
  const carrier = { source: 'webhook', provider: 'github', assigned_agent: 'claude' };
  const { pushed, recorded } = await requeue({ kept: [{ job: { ...jobOf('task-1'), carrier } }] });
  expect(pushed).toHaveLength(1);
  expect(recorded).toEqual([
    expect.objectContaining({ ...carrier, status: 'queued', attempt: 1, command: 'review' }),
    {
      message: 'message of task-1',
      source_metadata: { provider: 'github', repo: 'acme/app', issue_number: 42 },
    },
  ]);
});

test('what another sender says about a kept task of which the trail has no record ends nothing', async () => {
  const forged = { status: 'completed', attempt: 7, opened_by: 'anonymous' };
  const { pushed, left, recorded } = await requeue({
    kept: [{ job: jobOf('task-1') }],
    metadata: { 'task-1': forged },
  });
  expect([pushed, left]).toMatchObject([[{ taskId: 'task-1', attempt: 1 }], ['task-1']]);
  expect(recorded[0]).toMatchObject({ status: 'queued', attempt: 1 });
});

test('tasks that ran when the service was killed are queued as their next attempt until they run', {
  tags: 'full',
}, async () => {
  const fleet = await Fleet.open();
  await fleet.configure({ agents: { waiting: { command: waitingUntilGo() } } });
  const first = await fleet.start('start', { TASK_LOGS_CONCURRENCY: '2' });
  const ids = [await submit(first), await submit(first)];
  for (const id of ids) await fleet.untilPrinted(id, 'begun');
  await first.dispose();
  for (const id of ids) await fleet.killAgents(id);
  const second = await fleet.start('start', { TASK_LOGS_CONCURRENCY: '1' });
  const states = await until(async () => {
    const found = await Promise.all(ids.map((id) => readDocument(fleet.logDir, id, 'metadata.json')));
    const all = found.map((metadata) => [metadata?.status, metadata?.attempt]);
    return all.every(([, attempt]) => attempt === 2) && all.some(([status]) => status === 'running')
      ? all
      : undefined;
  }, 'both to be attempted again');
  expect(states.sort()).toEqual([
    ['queued', 2],
    ['running', 2],
  ]);
  expect(second.stdout).toContain('2 unfinished task(s) of an earlier run are queued again');
  await fleet.go();
  for (const id of ids) {
    expect(await resultOf(fleet.logDir, id)).toMatchObject({ status: 'completed' });
    expect(await agentsOf(id)).toEqual([]);
  }
});
