import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { JsonObject } from '../../../src/model/json.ts';
import { InProcessQueue } from '../../../src/queue/in-process-queue.ts';
import { JobStore } from '../../../src/queue/job-store.ts';
import { setRecorder } from '../../../src/record/recorder.ts';
import { adoptFormerTasks, closeUnaccepted } from '../../../src/service/requeue/former-tasks.ts';
import { tempDir } from '../../support/log-dir.ts';
import { MemoryRecorder } from '../../support/memory-recorder.ts';
import { jobOf } from '../../support/queue-contract.ts';

const TRACEPARENT = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;

function task(id: string, more: JsonObject = {}): JsonObject {
  return {
    task_id: id,
    status: 'queued',
    attempt: 1,
    created_at: '2026-01-02T03:04:05.000Z',
    queue_system: 'in_process',
    queue_home: 'here',
    traceparent: TRACEPARENT,
    command: 'review',
    ...more,
  };
}

interface Given {
  readonly tasks: readonly JsonObject[];
  readonly own?: readonly string[];
  /** Lines of `facts.jsonl`, by task. */
  readonly facts?: Readonly<Record<string, readonly JsonObject[]>>;
}

async function open({ tasks, own = [], facts = {} }: Given) {
  const logDir = await tempDir();
  for (const [id, lines] of Object.entries(facts)) {
    mkdirSync(join(logDir, id));
    writeFileSync(join(logDir, id, 'facts.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  }
  const jobs = await JobStore.open(logDir);
  const problems = new Map<string, string>();
  const options = {
    jobs,
    logDir,
    home: 'here',
    queue: new InProcessQueue({ name: 'agent', concurrency: 1, home: 'here' }),
    isOwn: (id: string) => own.includes(id),
    onProblem: (id: string, reason: string) => void problems.set(id, reason),
    reader: {
      listTasks: async ({ status }: { readonly status?: string | undefined }) => ({
        items: tasks.filter((one) => one.status === status),
        nextCursor: null,
      }),
      readDocument: async (id: string, document: string) =>
        document === 'input'
          ? { message: `of ${id}`, source_metadata: { repo: 'acme/app' } }
          : tasks.find((one) => one.task_id === id),
    },
  };
  return { jobs, problems, options };
}

test('the unfinished tasks of an earlier version are kept as they are recorded, once', async () => {
  const running = task('task-2', { status: 'running', attempt: 3, stops: 2, workflow_ids: ['workflow-1'] });
  const { jobs, options } = await open({
    tasks: [task('task-1'), running, task('task-3', { status: 'completed' })],
  });
  await adoptFormerTasks(options);
  expect(await jobs.taskIds()).toEqual(['task-1', 'task-2']);
  expect(await jobs.read('task-1')).toMatchObject({
    job: {
      taskId: 'task-1',
      message: 'of task-1',
      sourceMetadata: { repo: 'acme/app' },
      command: 'review',
      agent: null,
      attempt: 1,
      carrier: { traceparent: TRACEPARENT },
    },
    isStarted: false,
    queue: { system: 'in_process', home: 'here' },
  });
  expect(await jobs.read('task-2')).toMatchObject({
    job: { attempt: 3, stops: 2, workflowId: 'workflow-1' },
    isStarted: true,
  });
  expect(await jobs.readOpening()).toMatchObject({ fromRecords: true });
});

test.each<[string, Given]>([
  ['that this process has accepted', { tasks: [task('task-1')], own: ['task-1'] }],
  ['of another queue', { tasks: [task('task-1', { queue_system: 'bullmq' })] }],
  ['of a queue elsewhere', { tasks: [task('task-1', { queue_home: 'elsewhere' })] }],
  ['of no queue', { tasks: [task('task-1', { queue_system: null })] }],
  [
    'that another sender has recorded',
    { tasks: [task('task-1')], facts: { 'task-1': [{}, { sender: 'anonymous' }] } },
  ],
])('a task %s is not taken over', async (_which, given) => {
  const { jobs, options } = await open(given);
  await adoptFormerTasks(options);
  expect(await jobs.taskIds()).toEqual([]);
});

test('a recorded task of this directory without a job has ended as not queued', async () => {
  const tasks = [
    task('task-kept'),
    task('task-lost'),
    task('task-own'),
    task('task-elsewhere', { queue_home: 'elsewhere' }),
    task('task-library', { queue_home: null, queue_system: null }),
    task('task-running', { status: 'running' }),
  ];
  const { jobs, options } = await open({ tasks, own: ['task-own'] });
  await jobs.add(jobOf('task-kept'), options.queue);
  const recorder = new MemoryRecorder();
  setRecorder(recorder);
  try {
    expect(await closeUnaccepted(options)).toBe(true);
  } finally {
    setRecorder(undefined);
  }
  const ended = { status: 'failed', error: expect.stringMatching(/^not queued/) };
  expect(recorder.facts).toMatchObject([{ attributes: { 'tasktrail.task.id': 'task-lost' }, body: ended }]);
});

test('a task that this process accepts while its records are read is not ended', async () => {
  const own: string[] = [];
  const { options } = await open({ tasks: [task('task-again')], own });
  const recorder = new MemoryRecorder();
  setRecorder(recorder);
  try {
    const { readDocument } = options.reader;
    options.reader.readDocument = async (id, document) => {
      own.push(id);
      return readDocument(id, document);
    };
    expect(await closeUnaccepted(options)).toBe(true);
  } finally {
    setRecorder(undefined);
  }
  expect(recorder.facts).toEqual([]);
});
