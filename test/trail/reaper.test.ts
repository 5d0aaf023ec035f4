import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { Books } from '../../src/books.ts';
import type { Fact } from '../../src/model/fact.ts';
import type { JsonObject, JsonValue } from '../../src/model/json.ts';
import type { ReceivedLog } from '../../src/model/otlp.ts';
import { startReceiver } from '../../src/receive/server.ts';
import { setRecorder } from '../../src/record/recorder.ts';
import { DirectoryLock } from '../../src/store/lock.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { Store } from '../../src/store/write/store.ts';
import { type Reaper, type ReaperOptions, startReaper } from '../../src/trail/reaper.ts';
import { builtUrl } from '../support/built.ts';
import { documentOf, linesOf, newStore, openStore, type TestStore, tempDir } from '../support/log-dir.ts';
import { MemoryRecorder } from '../support/memory-recorder.ts';
import { attribute, readSpans, until } from '../support/receiver.ts';
import { eventId, log, outputLog, span, spanId } from '../support/records.ts';

const TICK_MS = 5_000;

/** For tests in which hours go by. */
const MINUTES = { tickMs: 60_000 };

let recorder: MemoryRecorder;

beforeEach(() => {
  recorder = new MemoryRecorder();
  setRecorder(recorder);
  onTestFinished(() => setRecorder(undefined));
});

/** A holder's store and reaper on one clock; what the reaper records goes into the store. */
interface Watched extends TestStore {
  readonly reaper: Reaper;
  readonly told: string[];
  /** So many seconds go by, tick by tick. */
  seconds(count: number): Promise<void>;
  status(): JsonValue | undefined;
}

function watch(test: TestStore, options: Partial<ReaperOptions> = {}): Watched {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const told: string[] = [];
  const { tickMs = TICK_MS } = options;
  const reader = createReader(test.dir);
  const reaper = startReaper({
    store: test.store,
    reader,
    now: test.now,
    log: (line) => told.push(line),
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
    told,
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

/** The reads that a tick has begun are done: some turns of the event loop and of the threads behind it. */
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

test('a task whose heartbeat has ended is closed as abandoned within a minute, with a result that says why', async () => {
  const task = watch(await newStore());
  await task.logs(record('metadata', 1, RUNNING), outputLog(2));
  await task.seconds(45);
  expect(task.status()).toBe('running');
  await task.seconds(15);
  expect(task.status()).toBe('abandoned');
  expect(documentOf(task.dir, 'task-1', '04-final-result.json')).toMatchObject({
    success: false,
    status: 'abandoned',
    error: 'its worker is gone: nothing was heard of it for 45 s',
    metrics: { cost_usd: null, input_tokens: null },
  });
  expect(task.told).toEqual(['closed as abandoned, for their silence: task-1']);
});

test('a task that beats is left alone, however long it takes', async () => {
  const task = watch(await newStore());
  await task.logs(record('metadata', 1, RUNNING));
  for (let number = 2; number < 50; number += 1) {
    await task.seconds(40);
    await task.logs(record('heartbeat', number));
  }
  expect(task.status()).toBe('running');
});

test('output without heartbeats is life, spans of helpers are not', async () => {
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

test('a task that waits for a person is closed when its worker is gone, and not when it never had to beat', async () => {
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

test('a task that never promised a heartbeat is closed after an hour in which nothing came, not even a span', async () => {
  const task = watch(await newStore(), MINUTES);
  await task.logs(log({ body: 'hello', event: 'codex.x' }));
  await task.seconds(3_540);
  await task.sendSpans(span({ id: spanId(1) }));
  await task.seconds(3_540);
  expect(task.status()).toBe('running');
  await task.seconds(180);
  expect(task.status()).toBe('abandoned');
});

test('who promised to beat every minute is waited for longer', async () => {
  const task = watch(await newStore());
  await task.logs(record('metadata', 1, { status: 'running', heartbeat_seconds: 60 }));
  await task.seconds(265);
  expect(task.status()).toBe('running');
  await task.seconds(15);
  expect(task.status()).toBe('abandoned');
});

test('a queued task is not the reaper`s', async () => {
  const task = watch(await newStore(), MINUTES);
  await task.logs(record('metadata', 1, { status: 'queued' }));
  await task.seconds(7_200);
  expect(task.status()).toBe('queued');
});

test('after a start of the holder what was left running has all of its time again, and then ends', async () => {
  const first = await newStore();
  await first.logs(record('metadata', 1, RUNNING));
  const task = watch(openStore(first.dir));
  await task.store.recover();
  await task.seconds(45);
  expect(task.status()).toBe('running');
  await task.seconds(10);
  expect(task.status()).toBe('abandoned');
});

test('a holder that stood still measures no silence', async () => {
  const task = watch(await newStore());
  await task.logs(record('metadata', 1, RUNNING));
  await task.seconds(40);
  await task.pass(7 * 3_600_000);
  await task.seconds(45);
  expect(task.status()).toBe('running');
  await task.seconds(10);
  expect(task.status()).toBe('abandoned');
});

test('a task that went on to another attempt is not closed for the one before', async () => {
  const task = watch(await newStore());
  await task.logs(record('metadata', 1, RUNNING));
  await task.seconds(40);
  await task.logs(record('metadata', 2, { ...RUNNING, attempt: 2 }, 2));
  await task.seconds(40);
  expect(documentOf(task.dir, 'task-1', 'metadata.json')).toMatchObject({ status: 'running', attempt: 2 });
  await task.seconds(20);
  expect(documentOf(task.dir, 'task-1', 'metadata.json')).toMatchObject({ status: 'abandoned', attempt: 2 });
});

test('a task that speaks while it is about to be closed is not closed', async () => {
  const test = await newStore();
  const reader = createReader(test.dir);
  const task = watch(test, {
    reader: {
      readDocument: async (taskId, document) => {
        await test.logs(record('heartbeat', 2));
        return reader.readDocument(taskId, document);
      },
      readWorkflow: async () => undefined,
    },
  });
  await task.logs(record('metadata', 1, RUNNING));
  await task.seconds(60);
  expect(task.status()).toBe('running');
});

test('a task that somebody watches is left alone, and has all of its time when nobody does any more', async () => {
  let isWatched = true;
  const task = watch(await newStore(), { isWatched: () => isWatched });
  await task.logs(record('metadata', 1, RUNNING));
  await task.seconds(600);
  isWatched = false;
  await task.seconds(40);
  expect(task.status()).toBe('running');
  await task.seconds(60);
  expect(task.status()).toBe('abandoned');
});

test('a task whose files were removed is forgotten, not made anew', async () => {
  const task = watch(await newStore());
  await task.logs(record('metadata', 1, RUNNING));
  rmSync(join(task.dir, 'task-1'), { recursive: true });
  await task.seconds(60);
  expect(existsSync(join(task.dir, 'task-1'))).toBe(false);
  expect([...task.store.liveness.all()]).toEqual([]);
});

test.each<[string, JsonObject]>([
  ['of another attempt', { status: 'running', attempt: 2 }],
  ['over', { status: 'completed', attempt: 1 }],
])('a task that is %s on the disk is not closed', async (_, metadata) => {
  const task = watch(await newStore(), {
    reader: { readDocument: async () => metadata, readWorkflow: async () => undefined },
  });
  await task.logs(record('metadata', 1, RUNNING));
  await task.seconds(60);
  expect(task.status()).toBe('running');
});

test('files that cannot be read are told of, and looked at again after another silence', async () => {
  const readDocument = async (): Promise<never> => Promise.reject(new Error('EIO'));
  const task = watch(await newStore(), { reader: { readDocument, readWorkflow: async () => undefined } });
  await task.logs(record('metadata', 1, RUNNING));
  await task.seconds(60);
  expect(task.told).toEqual(['task task-1 is silent and cannot be closed: EIO']);
  await task.seconds(60);
  expect(task.told).toHaveLength(2);
});

test('a result that comes after all replaces the abandonment', async () => {
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

test('nothing is closed after the end of the reaper, nor without anybody who records it', async () => {
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

test('a worker that is killed leaves an abandoned task, with every span that it announced closed as lost', async () => {
  const dir = await tempDir();
  const lock = await DirectoryLock.acquire(dir, () => {});
  let offsetMs = 0;
  const now = (): number => Date.now() + offsetMs;
  const source = { resource: { attributes: [] }, scope: { name: 'tasktrail' } };
  const store = new Store({
    logDir: dir,
    books: new Books(),
    now,
    onSpan: (span) => void store.ingest({ logs: [], spans: [{ ...source, span }] }),
    log() {},
  });
  recorder.emit = (fact) => void store.ingest({ logs: [logOf(fact)], spans: [] });
  const receiver = await startReceiver({ host: '127.0.0.1', port: 0, sink: store });
  await lock.announce(receiver.url);
  const reaper = startReaper({
    store,
    reader: createReader(dir),
    now,
    tickMs: 200,
    silenceMs: 1_000,
    log() {},
  });
  const env = { PATH: process.env.PATH ?? '', HOME: dir, TASK_LOGS_DIR: dir };
  const worker = spawn(process.execPath, ['--input-type=module', '-e', WORKER()], { env, stdio: 'inherit' });
  onTestFinished(async () => {
    worker.kill('SIGKILL');
    await reaper.close();
    await receiver.close(0);
    await store.close('the test is over');
    await lock.release();
  });
  const announced = (): JsonObject[] =>
    linesOf(dir, 'task-killed', 'facts.jsonl').filter(({ span }) => span !== undefined);
  await until(async () => isThere(() => announced().length === 4), 'the spans to be announced', 20_000);
  worker.kill('SIGKILL');
  await once(worker, 'close');
  // The document is written after the announcements.
  const status = (): JsonValue | undefined => documentOf(dir, 'task-killed', 'metadata.json').status;
  await until(async () => isThere(() => status() === 'abandoned'), 'the abandonment', 20_000);
  const workflow = await until(async () => {
    const found = await createReader(dir).readWorkflow('workflow-killed');
    return found?.state.status === 'running' ? undefined : found;
  }, 'the end of its workflow');
  expect(workflow.state).toMatchObject({ status: 'cancelled', attempt: 1, task_ids: ['task-killed'] });
  expect(workflow.events.at(-1)?.payload).toMatchObject({
    reason: 'its worker is gone: nothing was heard of it for 1 s',
  });
  offsetMs = 10_001;
  await store.tick();
  const isClosed = async (): Promise<true | undefined> =>
    (await readSpans(dir, 'task-killed')).length === 4 ? true : undefined;
  await until(async () => isClosed().catch(() => undefined), 'the lost spans', 20_000);
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
}, 60_000);

/** Files that are not there yet are not as they will be. */
function isThere(holds: () => boolean): true | undefined {
  try {
    return holds() ? true : undefined;
  } catch {
    return undefined;
  }
}
