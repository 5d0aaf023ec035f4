import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { Books } from '../../src/books.ts';
import type { Fact } from '../../src/model/fact.ts';
import type { JsonObject, JsonValue } from '../../src/model/json.ts';
import type { ReceivedLog } from '../../src/model/otlp.ts';
import { ANONYMOUS, TRAIL } from '../../src/model/sender.ts';
import { startReceiver } from '../../src/receive/server.ts';
import { setRecorder } from '../../src/record/recorder.ts';
import { DirectoryLock } from '../../src/store/lock.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { Store } from '../../src/store/write/store.ts';
import { type Reaper, type ReaperOptions, startReaper } from '../../src/trail/reaper.ts';
import { type TaskEnder, taskEnder } from '../../src/trail/thread/task-ender.ts';
import { builtUrl } from '../support/built.ts';
import { documentOf, linesOf, newStore, openStore, type TestStore, tempDir } from '../support/log-dir.ts';
import { MemoryRecorder } from '../support/memory-recorder.ts';
import { attribute, readSpans } from '../support/receiver.ts';
import { eventId, log, outputLog, span, spanId } from '../support/records.ts';
import { until } from '../support/until.ts';

const TICK_MS = 5_000;

/** Coarse ticks for tests that span hours. */
const MINUTES = { tickMs: 60_000 };

let recorder: MemoryRecorder;

beforeEach(() => {
  recorder = new MemoryRecorder();
  setRecorder(recorder);
  onTestFinished(() => setRecorder(undefined));
});

/** A holder's store and reaper on one clock. The store receives the records of the reaper. */
interface Watched extends TestStore {
  readonly reaper: Reaper;
  readonly lines: string[];
  /** Advances the clock tick by tick. */
  seconds(count: number): Promise<void>;
  status(): JsonValue | undefined;
}

function watch(test: TestStore, options: Partial<ReaperOptions> = {}): Watched {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const lines: string[] = [];
  const { tickMs = TICK_MS } = options;
  const reader = createReader(test.dir);
  const reaper = startReaper({
    store: test.store,
    reader,
    ender: taskEnder(reader),
    now: test.now,
    log: (line) => lines.push(line),
    ...options,
  });
  onTestFinished(async () => {
    await reaper.close();
    vi.useRealTimers();
  });
  const deliver = async (): Promise<void> => {
    const facts = recorder.facts.splice(0);
    if (facts.length > 0) await test.logs(...facts.map(logOf));
  };
  return {
    ...test,
    reaper,
    lines,
    seconds: async (count) => {
      for (let left = count * 1_000; left > 0; left -= tickMs) {
        await test.pass(Math.min(tickMs, left));
        vi.advanceTimersByTime(tickMs);
        await idle();
        await deliver();
      }
    },
    status: () => documentOf(test.dir, 'task-1', 'metadata.json').status,
  };
}

/** Waits for the file reads of a tick: each turn goes through the thread pool once. */
async function idle(): Promise<void> {
  const { lstat } = await import('node:fs/promises');
  for (let turn = 0; turn < 20; turn += 1) await lstat('/');
}

function logOf({ eventName, eventId: id, timeMs, body, attributes, span: ids }: Fact): ReceivedLog {
  const plain = JSON.parse(JSON.stringify({ ...attributes, 'tasktrail.event.id': id })) as Record<
    string,
    JsonValue
  >;
  return {
    resource: {},
    scope: { name: 'tasktrail' },
    record: {
      timeUnixNano: `${timeMs}000000`,
      eventName,
      attributes: plain,
      ...(body !== undefined && { body }),
      ...ids,
    },
  };
}

function record(event: string, number: number, body?: JsonObject, attempt = 1): ReceivedLog {
  const attributes = { 'tasktrail.task.id': 'task-1', 'tasktrail.task.attempt': attempt };
  return log({
    event: `tasktrail.task.${event}`,
    id: eventId(number),
    atMs: number,
    attributes,
    ...(body && { body }),
  });
}

const RUNNING = { status: 'running', heartbeat_seconds: 10 };

test('a task without heartbeats is closed as abandoned within a minute, and its result names the reason', async () => {
  const task = watch(await newStore());
  await task.logs(record('metadata', 1, RUNNING), outputLog(2));
  await task.seconds(45);
  expect(task.status()).toBe('running');
  await task.seconds(15);
  expect(task.status()).toBe('abandoned');
  expect(documentOf(task.dir, 'task-1', '04-final-result.json')).toMatchObject({
    success: false,
    status: 'abandoned',
    error: 'its worker is gone: no record or heartbeat for 45 s',
    metrics: { cost_usd: null, input_tokens: null },
  });
  expect(task.lines).toEqual(['closed silent tasks as abandoned: task-1']);
});

test('while records wait that may be about it, a task is not closed; its silence counts from then on', async () => {
  let isBehind = true;
  const task = watch(await newStore(), { isBehind: async () => isBehind });
  await task.logs(record('metadata', 1, RUNNING), outputLog(2));
  await task.seconds(200);
  expect(task.status()).toBe('running');
  isBehind = false;
  await task.seconds(40);
  expect(task.status()).toBe('running');
  await task.seconds(20);
  expect(task.status()).toBe('abandoned');
});

test('a task with heartbeats stays open without a limit', async () => {
  const task = watch(await newStore());
  await task.logs(record('metadata', 1, RUNNING));
  for (let number = 2; number < 50; number += 1) {
    await task.seconds(40);
    await task.logs(record('heartbeat', number));
  }
  expect(task.status()).toBe('running');
});

test.each([
  ['an anonymous sender', ANONYMOUS],
  ['its agent', { kind: 'agent', taskId: 'task-1' } as const],
  ['the agent of another task', { kind: 'agent', taskId: 'task-2' } as const],
])('heartbeats of %s neither keep a task of the trail open nor end it', async (_name, sender) => {
  const task = watch(await newStore());
  await task.logs(record('metadata', 1, RUNNING));
  const beat = async (number: number): Promise<void> => {
    const forged = [record('heartbeat', number), record('heartbeat', number, undefined, 9)];
    expect((await task.from(sender, ...forged)).rejected).toBe(2);
  };
  for (let number = 2; number < 20; number += 2) {
    await task.seconds(30);
    await beat(number);
    await task.logs(record('heartbeat', number + 1));
  }
  expect(task.status()).toBe('running');
  for (let number = 30; number < 32; number += 1) {
    await task.seconds(20);
    await beat(number);
  }
  await task.seconds(20);
  expect(task.status()).toBe('abandoned');
});

test.each([
  ['a heartbeat', [record('metadata', 1, { status: 'running' }), record('heartbeat', 2)]],
  ['a short interval', [record('metadata', 1, { status: 'running', heartbeat_seconds: 1 })]],
])(
  '%s that an anonymous sender sent before the trail opened the task does not end it',
  async (_name, forged) => {
    const task = watch(await newStore(), { tickMs: 15_000 });
    await task.from(ANONYMOUS, ...forged);
    // A library process that promises no heartbeats.
    await task.logs(record('metadata', 5, { status: 'running', source: 'library' }));
    await task.seconds(1_800);
    expect(task.status()).toBe('running');
  },
);

test('a long interval that an anonymous sender named before does not keep a task open', async () => {
  const task = watch(await newStore());
  await task.from(ANONYMOUS, record('metadata', 1, { status: 'running', heartbeat_seconds: 1_000 }));
  await task.logs(record('metadata', 5, { status: 'running' }), record('heartbeat', 6));
  await task.seconds(60);
  expect(task.status()).toBe('abandoned');
});

test('output without heartbeats keeps a task open, spans do not', async () => {
  const task = watch(await newStore());
  await task.logs(record('metadata', 1, RUNNING));
  for (let number = 2; number < 12; number += 1) {
    await task.seconds(30);
    await task.logs(outputLog(number));
  }
  expect(task.status()).toBe('running');
  for (let id = 1; id < 4; id += 1) {
    await task.seconds(20);
    await task.sendSpans(span({ id: spanId(id) }));
  }
  expect(task.status()).toBe('abandoned');
});

test('a task that waits for input is closed when its heartbeats stop, and stays open when it never had any', async () => {
  const promised = watch(await newStore());
  await promised.logs(record('metadata', 1, RUNNING), record('metadata', 2, { status: 'waiting_input' }));
  await promised.seconds(60);
  expect(promised.status()).toBe('abandoned');
  await promised.reaper.close();
  const patient = watch(await newStore(), MINUTES);
  await patient.logs(record('metadata', 1, { status: 'waiting_input' }));
  await patient.seconds(8_000);
  expect(patient.status()).toBe('waiting_input');
});

test('a task without a heartbeat interval is closed after an hour without records and spans', async () => {
  const task = watch(await newStore(), MINUTES);
  await task.logs(log({ body: 'hello', event: 'codex.x' }));
  await task.seconds(3_540);
  await task.sendSpans(span({ id: spanId(1) }));
  await task.seconds(3_540);
  expect(task.status()).toBe('running');
  await task.seconds(180);
  expect(task.status()).toBe('abandoned');
});

test('a longer heartbeat interval gives a longer limit', async () => {
  const task = watch(await newStore());
  await task.logs(record('metadata', 1, { status: 'running', heartbeat_seconds: 60 }));
  await task.seconds(265);
  expect(task.status()).toBe('running');
  await task.seconds(15);
  expect(task.status()).toBe('abandoned');
});

test('a queued task is not closed', async () => {
  const task = watch(await newStore(), MINUTES);
  await task.logs(record('metadata', 1, { status: 'queued' }));
  await task.seconds(7_200);
  expect(task.status()).toBe('queued');
});

test('after a restart of the holder the limit of a running task starts again', async () => {
  const first = await newStore();
  await first.logs(record('metadata', 1, RUNNING));
  const task = watch(openStore(first.dir));
  await task.store.recover();
  await task.seconds(45);
  expect(task.status()).toBe('running');
  await task.seconds(10);
  expect(task.status()).toBe('abandoned');
});

test('the limits start again after the holder was suspended', async () => {
  const task = watch(await newStore());
  await task.logs(record('metadata', 1, RUNNING));
  await task.seconds(40);
  await task.pass(7 * 3_600_000);
  await task.seconds(45);
  expect(task.status()).toBe('running');
  await task.seconds(10);
  expect(task.status()).toBe('abandoned');
});

test('a new attempt starts its limit again', async () => {
  const task = watch(await newStore());
  await task.logs(record('metadata', 1, RUNNING));
  await task.seconds(40);
  await task.logs(record('metadata', 2, { ...RUNNING, attempt: 2 }, 2));
  await task.seconds(40);
  expect(documentOf(task.dir, 'task-1', 'metadata.json')).toMatchObject({ status: 'running', attempt: 2 });
  await task.seconds(20);
  expect(documentOf(task.dir, 'task-1', 'metadata.json')).toMatchObject({ status: 'abandoned', attempt: 2 });
});

test('a heartbeat during the close keeps the task open', async () => {
  const test = await newStore();
  const reader = createReader(test.dir);
  const task = watch(test, {
    reader: {
      readDocument: async (taskId, document) => {
        await test.logs(record('heartbeat', 2));
        return reader.readDocument(taskId, document);
      },
    },
  });
  await task.logs(record('metadata', 1, RUNNING));
  await task.seconds(60);
  expect(task.status()).toBe('running');
});

test('a supervised task is not closed, and its limit starts when the supervision ends', async () => {
  let isWatched = true;
  const store = await newStore();
  const ender: TaskEnder = { ...taskEnder(createReader(store.dir)), isWatched: async () => isWatched };
  const task = watch(store, { ender });
  await task.logs(record('metadata', 1, RUNNING));
  await task.seconds(600);
  isWatched = false;
  await task.seconds(40);
  expect(task.status()).toBe('running');
  await task.seconds(60);
  expect(task.status()).toBe('abandoned');
});

test('a task whose files were removed is forgotten and its directory is not made again', async () => {
  const task = watch(await newStore());
  await task.logs(record('metadata', 1, RUNNING));
  rmSync(join(task.dir, 'task-1'), { recursive: true });
  await task.seconds(60);
  expect(existsSync(join(task.dir, 'task-1'))).toBe(false);
  expect([...task.store.liveness.all()]).toEqual([]);
});

test.each<[string, JsonObject]>([
  ['of another attempt', { status: 'running', attempt: 2 }],
  ['completed', { status: 'completed', attempt: 1 }],
])('a task that is %s on disk is not closed', async (_, metadata) => {
  const task = watch(await newStore(), {
    reader: { readDocument: async () => metadata },
  });
  await task.logs(record('metadata', 1, RUNNING));
  await task.seconds(60);
  expect(task.status()).toBe('running');
});

test('a failed read is logged, and the task is tried again after another limit', async () => {
  const readDocument = async (): Promise<never> => Promise.reject(new Error('EIO'));
  const task = watch(await newStore(), { reader: { readDocument } });
  await task.logs(record('metadata', 1, RUNNING));
  await task.seconds(60);
  expect(task.lines).toEqual(['task task-1 is silent and cannot be closed: EIO']);
  await task.seconds(60);
  expect(task.lines).toHaveLength(2);
});

test('a late result replaces the abandonment', async () => {
  const task = watch(await newStore());
  await task.logs(record('metadata', 1, RUNNING));
  await task.seconds(60);
  expect(task.status()).toBe('abandoned');
  await task.logs(record('result', 3, { success: true, status: 'completed', result: 'done after all' }));
  expect(task.status()).toBe('completed');
  expect(documentOf(task.dir, 'task-1', '04-final-result.json')).toMatchObject({
    success: true,
    result: 'done after all',
    error: null,
  });
});

test('no task is closed after the reaper was closed, or without a recorder', async () => {
  const task = watch(await newStore());
  await task.logs(record('metadata', 1, RUNNING));
  setRecorder(undefined);
  await task.seconds(60);
  expect(task.store.liveness.get('task-1')).toBeDefined();
  setRecorder(recorder);
  await task.reaper.close();
  await task.seconds(60);
  expect(task.status()).toBe('running');
});

const WORKER = (): string => `
  import { startTask, startTasktrail } from '${builtUrl('index.ts')}';
  const trail = await startTasktrail();
  const task = startTask({ source: 'test', message: 'm', taskId: 'task-killed' });
  const workflow = task.startWorkflow('review', { workflowId: 'workflow-killed' });
  const phase = workflow.startPhase('build');
  const step = phase.startStep('compile');
  setInterval(() => {}, 1_000);
`;

test('a killed worker leaves an abandoned task, and each span that it announced is closed as lost', {
  tags: 'full',
  timeout: 120_000,
}, async () => {
  const dir = await tempDir();
  const lock = await DirectoryLock.acquire(dir, () => {});
  let offsetMs = 0;
  const now = (): number => Date.now() + offsetMs;
  const source = { resource: { attributes: [] }, scope: { name: 'tasktrail' } };
  const store = new Store({
    logDir: dir,
    books: new Books(),
    now,
    onSpan: (span) => void store.ingest({ logs: [], spans: [{ ...source, span }] }, TRAIL),
    log() {},
  });
  recorder.emit = (fact) => void store.ingest({ logs: [logOf(fact)], spans: [] }, TRAIL);
  const receiver = await startReceiver({
    host: '127.0.0.1',
    port: 0,
    sink: store,
    secrets: { key: lock.key },
  });
  await lock.announce(receiver.url);
  const reaper = startReaper({
    store,
    reader: createReader(dir),
    ender: taskEnder(createReader(dir)),
    now,
    tickMs: 200,
    silenceMs: 1_000,
    log() {},
  });
  const env = { PATH: process.env.PATH ?? '', HOME: dir, TASK_LOGS_DIR: dir };
  const worker = spawn(process.execPath, ['--input-type=module', '-e', WORKER()], {
    env,
    stdio: 'inherit',
  });
  onTestFinished(async () => {
    worker.kill('SIGKILL');
    await reaper.close();
    await receiver.close(0);
    await store.close('the test is over');
    await lock.release();
  });
  const announced = (): JsonObject[] =>
    linesOf(dir, 'task-killed', 'facts.jsonl').filter(({ span }) => span !== undefined);
  await until(async () => whenTrue(() => announced().length === 4), 'the spans to be announced', 20_000);
  worker.kill('SIGKILL');
  await once(worker, 'close');
  // The document is written after the announcements.
  const status = (): JsonValue | undefined => documentOf(dir, 'task-killed', 'metadata.json').status;
  await until(async () => whenTrue(() => status() === 'abandoned'), 'the abandonment', 20_000);
  const workflow = await until(async () => {
    const found = await createReader(dir).readWorkflow('workflow-killed');
    return found?.state.status === 'running' ? undefined : found;
  }, 'the end of its workflow');
  expect(workflow.state).toMatchObject({ status: 'cancelled', attempt: 1, task_ids: ['task-killed'] });
  expect(workflow.events.at(-1)?.payload).toMatchObject({
    reason: 'its worker is gone: no record or heartbeat for 1 s',
  });
  offsetMs = 10_001;
  await store.tick();
  const spansNow = () => readSpans(dir, 'task-killed').catch(() => []);
  await until(async () => (await spansNow()).length === 4, 'the lost spans');
  const spans = await readSpans(dir, 'task-killed');
  expect(spans.map(({ spanId }) => spanId).sort()).toEqual(
    announced()
      .map((fact) => fact.span_id)
      .sort(),
  );
  expect(spans.map(({ name }) => name).sort()).toEqual([
    'phase build',
    'process test',
    'step compile',
    'workflow review',
  ]);
  for (const one of spans) {
    expect(one.status?.code).toBe(2);
    const type = one.name.startsWith('workflow ') ? 'cancelled' : 'process_lost';
    expect(attribute(one, 'error.type'), one.name).toBe(type);
  }
});

/** Undefined while the files do not exist yet. */
function whenTrue(holds: () => boolean): boolean | undefined {
  try {
    return holds();
  } catch {
    return undefined;
  }
}
