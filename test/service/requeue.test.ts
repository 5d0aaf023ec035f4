import { expect, test } from 'vitest';
import type { JsonObject } from '../../src/model/json.ts';
import { InProcessQueue } from '../../src/queue/in-process-queue.ts';
import type { Job } from '../../src/queue/queue.ts';
import { setRecorder } from '../../src/record/recorder.ts';
import { requeueUnfinished } from '../../src/service/requeue.ts';
import { agentsOf, Fleet, submit, waitingUntilGo } from '../support/fleet.ts';
import { MemoryRecorder } from '../support/memory-recorder.ts';
import { readDocument, resultOf } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const HOUR_AGO = new Date(Date.now() - 3_600_000).toISOString();
const TRACEPARENT = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;

/** A queue in Redis, as far as the tasks that were lost from it are concerned. */
class KnowingQueue extends InProcessQueue {
  override readonly system: 'in_process';
  readonly known: readonly string[];
  readonly pushed: Job[] = [];

  constructor(known: readonly string[] = []) {
    super({ name: 'agent', concurrency: 1, home: 'here' });
    this.system = 'in_process';
    this.known = known;
  }

  override async push(job: Job): Promise<void> {
    this.pushed.push(job);
  }

  override async knows(taskId: string): Promise<boolean> {
    return this.known.includes(taskId);
  }
}

interface Case {
  readonly tasks: readonly JsonObject[];
  readonly known?: readonly string[];
  readonly isVolatile?: boolean;
  readonly own?: readonly string[];
  /** The metadata on the disk when the task is read again. */
  readonly now?: (task: JsonObject) => JsonObject;
}

function task(id: string, more: JsonObject = {}): JsonObject {
  return {
    task_id: id,
    status: 'queued',
    attempt: 1,
    created_at: HOUR_AGO,
    queue_system: 'in_process',
    traceparent: TRACEPARENT,
    command: 'review',
    ...more,
  };
}

async function requeue({ tasks, known = [], isVolatile = false, own = [], now }: Case): Promise<Job[]> {
  const queue = new KnowingQueue(known);
  const count = await requeueUnfinished({
    queue,
    isVolatile,
    isOwn: (id) => own.includes(id),
    reader: {
      listTasks: async ({ status }) => ({
        items: tasks.filter((one) => one.status === status),
        nextCursor: null,
      }),
      readDocument: async (id, document) => {
        if (document === 'input') return { message: `of ${id}`, source_metadata: { repo: 'acme/app' } };
        const found = tasks.find((one) => one.task_id === id);
        return found && (now?.(found) ?? found);
      },
    },
  });
  expect(count).toBe(queue.pushed.length);
  return queue.pushed;
}

test('a task that is lost from Redis is queued again unchanged, oldest first', async () => {
  const tasks = [task('task-2', { attempt: 3, stops: 2, workflow_ids: ['workflow-1'] }), task('task-1')];
  expect(await requeue({ tasks })).toEqual([
    {
      taskId: 'task-1',
      message: 'of task-1',
      sourceMetadata: { repo: 'acme/app' },
      command: 'review',
      agent: null,
      attempt: 1,
      stops: 0,
      carrier: { traceparent: TRACEPARENT },
    },
    expect.objectContaining({ taskId: 'task-2', attempt: 3, stops: 2, workflowId: 'workflow-1' }),
  ]);
});

test('a task with the home of this queue is queued again', async () => {
  const jobs = await requeue({ tasks: [task('task-1', { queue_home: 'here' })], isVolatile: true });
  expect(jobs.map(({ taskId }) => taskId)).toEqual(['task-1']);
});

test('the attributes for the spans of later attempts are restored', async () => {
  const known = { source: 'webhook', provider: 'github', assigned_agent: 'claude', model: 'opus' };
  const [job] = await requeue({ tasks: [task('task-1', { ...known, traceparent: null })] });
  expect(job?.carrier).toEqual(known);
});

test.each<[string, Case]>([
  ['that Redis knows, waiting or over', { tasks: [task('task-1')], known: ['task-1'] }],
  ['that runs: its worker has it', { tasks: [task('task-1', { status: 'running' })] }],
  ['that is young', { tasks: [task('task-1', { created_at: new Date().toISOString() })] }],
  ['of another queue', { tasks: [task('task-1', { queue_system: 'bullmq' })] }],
  ['of such a queue elsewhere', { tasks: [task('task-1', { queue_home: 'elsewhere' })], isVolatile: true }],
  ['of no queue at all', { tasks: [task('task-1', { queue_system: null })] }],
  [
    'that was taken while the list was read',
    { tasks: [task('task-1')], now: (one) => ({ ...one, status: 'running' }) },
  ],
  ['that this process has queued itself', { tasks: [task('task-1')], isVolatile: true, own: ['task-1'] }],
])('a task %s is left alone', async (_which, given) => {
  expect(await requeue(given)).toEqual([]);
});

test('with an in-process queue, running tasks are queued as their next attempt, and recorded as queued', async () => {
  const recorder = new MemoryRecorder();
  setRecorder(recorder);
  try {
    const tasks = [task('task-1', { status: 'running' }), task('task-2', { status: 'waiting_input' })];
    const jobs = await requeue({ tasks, isVolatile: true });
    expect(jobs.map(({ taskId, attempt }) => [taskId, attempt])).toEqual([
      ['task-2', 2],
      ['task-1', 2],
    ]);
    expect(recorder.facts.map(({ body }) => body)).toEqual([
      { status: 'queued', attempt: 2 },
      { status: 'queued', attempt: 2 },
    ]);
  } finally {
    setRecorder(undefined);
  }
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
