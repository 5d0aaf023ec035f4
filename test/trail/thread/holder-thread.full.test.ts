import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { type Config, loadConfig } from '../../../src/config/config.ts';
import { recordTask, startTask } from '../../../src/record/task/attempt.ts';
import { TrailMetrics } from '../../../src/trail/metrics/trail-metrics.ts';
import { openTrail, type Trail } from '../../../src/trail/trail.ts';
import { built, builtUrl } from '../../support/built.ts';
import { tempDir } from '../../support/log-dir.ts';
import { readLines } from '../../support/receiver.ts';
import { readDocument } from '../../support/service-process.ts';
import { until } from '../../support/until.ts';

const ENTRY = pathToFileURL(built('trail/thread/thread-main.ts'));
const PART = "the holder's thread";

/** The thread of the package, which does what a file in the log directory's parent says: it throws, or never goes on. */
const WRECKED = `
import { existsSync, rmSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
const at = (name) => workerData.config.logDir + '/../' + name;
const takes = (name) => existsSync(at(name)) && (rmSync(at(name)), true);
if (existsSync(at('closed'))) throw new RangeError('it cannot start');
setInterval(() => {
  if (takes('throw')) throw new RangeError('a defect');
  if (takes('reject')) Promise.reject(new RangeError('a rejection'));
  if (takes('exit')) process.exit(3);
  if (takes('hang')) for (;;);
}, 2).unref();
await import(${JSON.stringify(ENTRY.href)});
`;

interface Opened {
  readonly trail: Trail;
  readonly dir: string;
  readonly logDir: string;
  readonly lines: string[];
}

async function open(entry?: string | URL, env: Record<string, string> = {}): Promise<Opened> {
  const dir = await tempDir();
  const logDir = join(dir, 'logs');
  let url = entry instanceof URL ? entry : ENTRY;
  if (typeof entry === 'string') {
    writeFileSync(join(dir, 'thread.mjs'), entry);
    url = pathToFileURL(join(dir, 'thread.mjs'));
  }
  const config: Config = loadConfig({
    env: { TASK_LOGS_DIR: logDir, TASK_LOGS_OTLP_PORT: '0', ...env },
    cwd: dir,
  });
  const lines: string[] = [];
  const options = { config, log: (line: string) => void lines.push(line) };
  const trail = await openTrail(options, new TrailMetrics(), { entry: url, checkMs: 100 });
  onTestFinished(() => trail.shutdown());
  return { trail, dir, logDir, lines };
}

function contentsOf(logDir: string, taskId: string): Promise<unknown[]> {
  return readLines(join(logDir, taskId, '03-agent-output.jsonl')).then((lines) =>
    lines.map(({ content }) => content),
  );
}

test('the thread has a receiver and a store of its own, and a shutdown that is called twice closes both', async () => {
  const { trail, logDir } = await open();
  expect([...trail.books.notices]).toEqual([]);
  await recordTask({ source: 'test', message: 'm', taskId: 'task-1' }, async (task) => task.output('one\n'));
  const url = trail.otlpUrl ?? '';
  await Promise.all([trail.shutdown(), trail.shutdown()]);
  expect(await readDocument(logDir, 'task-1', '04-final-result.json')).toMatchObject({ success: true });
  expect([...trail.books.reasons]).toEqual([]);
  const { recorded, delivered, dropped } = trail.books.snapshot();
  expect({ delivered, dropped }).toEqual({ delivered: { holder: recorded }, dropped: {} });
  await expect(fetch(url)).rejects.toThrow();
  // The directory is free again at once.
  const config = trail.config;
  const again = await openTrail({ config, hold: 'must', log: () => {} }, new TrailMetrics(), {
    entry: ENTRY,
  });
  await again.shutdown();
});

test.each([
  ['throws', 'throw', 'a defect'],
  ['leaves a rejection', 'reject', 'a rejection'],
  ['ends', 'exit', 'it ended with the code 3'],
  ['hangs', 'hang', 'it has not moved for 30 checks'],
])(
  'a thread that %s is started again at the same address, and every record is stored once',
  async (_, name, reason) => {
    const { trail, dir, logDir, lines } = await open(WRECKED);
    const url = trail.otlpUrl;
    const task = startTask({ source: 'test', message: 'm', taskId: 'task-1' });
    const expected: string[] = [];
    const say = (): void => {
      expected.push(`line ${expected.length}\n`);
      task.output(expected.at(-1) ?? '');
    };
    const speaking = setInterval(say, 2);
    onTestFinished(() => clearInterval(speaking));
    await until(async () => (await contentsOf(logDir, 'task-1')).length > 20, 'the first lines');
    writeFileSync(join(dir, name), '');
    await until(() => trail.books.notices.get(PART)?.includes('once'), 'the second thread');
    expect(trail.books.notices.get(PART)).toBe(`it was started again once; the last reason: ${reason}`);
    expect(trail.books.reasons.has(PART)).toBe(false);
    expect(lines).toContain(`${PART} has ended, and is started again: ${reason}`);
    expect(trail.otlpUrl).toBe(url);
    const count = expected.length;
    await until(
      async () => (await contentsOf(logDir, 'task-1')).length > count,
      'lines of the second thread',
    );
    clearInterval(speaking);
    task.end();
    await trail.shutdown();
    expect(await contentsOf(logDir, 'task-1')).toEqual(expected);
    expect(trail.books.reasons.size).toBe(0);
    const { recorded, delivered, dropped } = trail.books.snapshot();
    // What was delivered and not noted in the cursors any more is delivered again.
    expect(delivered.holder).toBeGreaterThanOrEqual(recorded);
    expect(dropped).toEqual({});
  },
);

/** The thread of the package, which hangs before its first beat when a file says so, and starts late after that. */
const LATE = `
import { existsSync, rmSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
const at = (name) => workerData.config.logDir + '/../' + name;
if (existsSync(at('late'))) await new Promise((resolve) => setTimeout(resolve, 1_500));
setInterval(() => {
  if (!existsSync(at('hang'))) return;
  rmSync(at('hang'));
  for (;;);
}, 2).unref();
await import(${JSON.stringify(ENTRY.href)});
`;

test('a thread that hung before its first beat is replaced by one that has all the time for its start', async () => {
  const { trail, dir } = await open(LATE);
  // Before the first half second is over.
  writeFileSync(join(dir, 'late'), '');
  writeFileSync(join(dir, 'hang'), '');
  await until(() => trail.books.notices.get(PART), 'the second thread');
  expect(trail.books.notices.get(PART)).toBe(
    'it was started again once; the last reason: it has not moved for 30 checks',
  );
});

test('while no thread runs, the records wait and the service says so', async () => {
  const { trail, dir, logDir } = await open(WRECKED);
  writeFileSync(join(dir, 'closed'), '');
  writeFileSync(join(dir, 'throw'), '');
  await until(() => trail.books.reasons.get(PART)?.includes('cannot start'), 'the failed start');
  await recordTask({ source: 'test', message: 'm', taskId: 'task-1' }, async (task) => task.output('one\n'));
  await trail.shutdown();
  expect(trail.books.reasons.get('shutdown')).toContain('records may wait in the journal');
  // Another one takes them, in this process too.
  const { config } = trail;
  const next = await openTrail({ config, hold: 'must', log: () => {} }, new TrailMetrics(), { entry: ENTRY });
  await next.recovered;
  await next.shutdown();
  expect(await contentsOf(logDir, 'task-1')).toEqual(['one\n']);
});

test.each([
  ['is missing', new URL('file:///missing/thread.js'), 'is missing'],
  ['fails', 'throw new RangeError("no such module");', 'it could not be started: no such module'],
])(
  'when the file of the thread %s, the same program runs in the thread that records',
  async (_, entry, why) => {
    const { trail, logDir } = await open(entry);
    expect(trail.books.notices.get(PART)).toMatch(/^runs in the thread of the program: /);
    expect(trail.books.notices.get(PART)).toContain(why);
    await recordTask({ source: 'test', message: 'm', taskId: 'task-1' }, async () => {});
    await trail.shutdown();
    expect(await readDocument(logDir, 'task-1', '04-final-result.json')).toMatchObject({ success: true });
  },
);

/** Sends the body from a thread of its own, so that its work does not count. */
async function sendFromElsewhere(url: string, body: string): Promise<number> {
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     fetch(workerData.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: workerData.body })
       .then(({ status }) => parentPort.postMessage(status));`,
    { eval: true, execArgv: [], workerData: { url, body } },
  );
  const [status] = (await once(worker, 'message')) as [number];
  await worker.terminate();
  return status;
}

function largeRequest(): string {
  const records = Array.from({ length: 30_000 }, (_, at) => {
    const attributes = [{ key: 'tasktrail.task.id', value: { stringValue: `task-${at % 4}` } }];
    return {
      timeUnixNano: `${1_700_000_000_000_000_000n + BigInt(at)}`,
      body: { stringValue: `line ${at}` },
      attributes,
    };
  });
  return JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: records }] }] });
}

test('the event loop of the program is free while a large request is stored', async () => {
  const body = largeRequest();
  const busyMs = async (entry: URL): Promise<number> => {
    const { trail } = await open(entry);
    const before = performance.eventLoopUtilization();
    expect(await sendFromElsewhere(`${trail.otlpUrl}/v1/logs`, body)).toBe(200);
    const { active } = performance.eventLoopUtilization(before);
    await trail.shutdown();
    return active;
  };
  const inThread = await busyMs(ENTRY);
  const here = await busyMs(new URL('file:///missing/thread.js'));
  expect(here).toBeGreaterThan(4 * inThread);
});

/** A program of a user's, from the compiled package, with a loader of the user's. */
async function runProgram(code: string): Promise<{ logDir: string; code: number | null; loaded: string }> {
  const dir = await tempDir();
  const loaded = join(dir, 'loaded');
  writeFileSync(loaded, '');
  writeFileSync(
    join(dir, 'loader.mjs'),
    `import { appendFileSync } from 'node:fs';
     import { isMainThread } from 'node:worker_threads';
     appendFileSync(${JSON.stringify(loaded)}, isMainThread ? 'main ' : 'thread ');`,
  );
  const program = `
import { recordTask, startTasktrail } from ${JSON.stringify(builtUrl('index.ts'))};
const trail = await startTasktrail({ log: console.error });
if (trail.books.notices.size > 0) throw new Error([...trail.books.notices].join());
await recordTask({ source: 'test', message: 'm', taskId: 'task-1' }, async (task) => task.output('one\\n'));
${code}`;
  const child = spawn(process.execPath, ['--import', './loader.mjs', '--input-type=module', '-e', program], {
    cwd: dir,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: dir,
      TASK_LOGS_DIR: join(dir, 'logs'),
      TASK_LOGS_OTLP_PORT: '0',
      NODE_OPTIONS: `--import ${pathToFileURL(join(dir, 'loader.mjs'))}`,
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [exit] = (await once(child, 'close')) as [number | null];
  return { logDir: join(dir, 'logs'), code: exit, loaded: readFileSync(loaded, 'utf8') };
}

test("a program that has nothing else to do ends with everything stored, and the thread has none of the program's loaders", async () => {
  const { logDir, code, loaded } = await runProgram('');
  expect(code).toBe(0);
  expect(loaded).not.toContain('thread');
  expect(await readDocument(logDir, 'task-1', '04-final-result.json')).toMatchObject({ success: true });
});

test.each([
  ['process.exit(7)', 'process.exit(7);', 7],
  ['an exception', 'throw new RangeError("the user\'s");', 1],
])('%s without a shutdown loses nothing', async (_, statement, expected) => {
  const { logDir, code } = await runProgram(statement);
  expect(code).toBe(expected);
  const config = loadConfig({ env: { TASK_LOGS_DIR: logDir, TASK_LOGS_OTLP_PORT: '0' }, cwd: logDir });
  const trail = await openTrail({ config, hold: 'must', log: () => {} }, new TrailMetrics(), {
    entry: ENTRY,
  });
  await trail.recovered;
  await trail.shutdown();
  expect(await contentsOf(logDir, 'task-1')).toEqual(['one\n']);
  expect(await readDocument(logDir, 'task-1', '04-final-result.json')).toMatchObject({ success: true });
});
