import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { BooksSnapshot } from '../../../src/books.ts';
import { loadConfig } from '../../../src/config/config.ts';
import { startTask } from '../../../src/record/task/attempt.ts';
import { TrailMetrics } from '../../../src/trail/metrics/trail-metrics.ts';
import { openTrail, type Trail } from '../../../src/trail/trail.ts';
import { built, builtUrl } from '../../support/built.ts';
import { tempDir } from '../../support/log-dir.ts';
import { until } from '../../support/until.ts';

/** The thread of the package, which throws when a file says so. */
const WRECKED = `
import { existsSync, rmSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
const file = workerData.config.logDir + '/../throw';
setInterval(() => {
  if (existsSync(file)) { rmSync(file); throw new RangeError('a defect'); }
}, 1).unref();
await import(${JSON.stringify(pathToFileURL(built('trail/thread/thread-main.ts')).href)});
`;

/** Another process that records and is killed. */
const RECORDER = `
import { setImmediate as nextTurn } from 'node:timers/promises';
import { startTasktrail, recordTask } from ${JSON.stringify(builtUrl('index.ts'))};
await startTasktrail({ hold: 'never', log: () => {} });
for (let n = 0; ; n += 1) {
  await recordTask({ source: 'test', message: 'm', taskId: 'killed-' + process.pid + '-' + n }, async (task) => task.output('x\\n'));
  // Records are written at the end of a turn.
  await nextTurn();
  if (n === 20) process.stdout.write('ready\\n');
}
`;

const sum = (counts: Readonly<Record<string, number>> = {}): number =>
  Object.values(counts).reduce((all, count) => all + count, 0);

/** What does not balance; empty when all does. */
function imbalances(snapshot: BooksSnapshot): string[] {
  const { recorded, accepted, duplicates, received = 0, pending = {} } = snapshot;
  const found: string[] = [];
  for (const [name, waiting] of Object.entries(pending)) {
    const came = recorded + (snapshot.claimed?.[name] ?? 0);
    const went = (snapshot.delivered[name] ?? 0) + (snapshot.unsent?.[name] ?? 0);
    const gone = sum(snapshot.lost?.[name]) + (snapshot.left?.[name] ?? 0);
    if (waiting < 0 || came !== went + gone + waiting)
      found.push(`${name}: ${came} came; ${went} went, ${gone} are gone, ${waiting} wait`);
  }
  const stored = accepted + duplicates + sum(snapshot.rejected) + sum(snapshot.passed);
  if (received !== stored) found.push(`store: ${received} received, ${stored} accounted for`);
  return found;
}

interface Endpoint {
  readonly url: string;
  /** Records for which it has given a final answer, each time it has. */
  readonly answered: () => number;
  isWell: boolean;
}

/** Answers badly in turn: 503, a cut connection, a partial success, 413, 400 for one record, and well. */
async function badEndpoint(): Promise<Endpoint> {
  let [turn, answered] = [0, 0];
  const endpoint: Endpoint = { url: '', answered: () => answered, isWell: false };
  const server = createServer((req, res: ServerResponse) => {
    const pieces: Buffer[] = [];
    req.on('data', (piece: Buffer) => pieces.push(piece));
    req.on('end', () => {
      const isJson = String(req.headers['content-type']).includes('json');
      turn += 1;
      const kind = endpoint.isWell ? 0 : turn % 7;
      const answer = (status: number, body = isJson ? '{}' : ''): void => {
        const type = isJson ? 'application/json' : 'application/x-protobuf';
        res.writeHead(status, { 'content-type': type }).end(body);
      };
      if (kind === 1) answer(503);
      else if (kind === 2) res.destroy();
      else if (kind === 3) answer(413);
      else if (kind === 4) answer(400);
      else {
        answered += 1;
        const text = '{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"no"}}';
        answer(200, kind === 5 && isJson && req.url?.endsWith('logs') === true ? text : undefined);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  Object.assign(endpoint, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  return endpoint;
}

interface Opened {
  readonly trail: Trail;
  readonly dir: string;
  readonly env: Readonly<Record<string, string>>;
}

async function open(more: Readonly<Record<string, string>>): Promise<Opened> {
  const dir = await tempDir();
  writeFileSync(join(dir, 'thread.mjs'), WRECKED);
  const env = { TASK_LOGS_DIR: join(dir, 'logs'), TASK_LOGS_OTLP_PORT: '0', ...more };
  // The standard exporters' package reads its settings from there, also in the thread.
  for (const [name, value] of Object.entries(more)) if (name.startsWith('OTEL_')) vi.stubEnv(name, value);
  onTestFinished(() => void vi.unstubAllEnvs());
  const config = loadConfig({ env, cwd: dir });
  const entry = pathToFileURL(join(dir, 'thread.mjs'));
  const trail = await openTrail({ config, log: () => {} }, new TrailMetrics(), { entry, checkMs: 100 });
  onTestFinished(() => trail.shutdown());
  return { trail, dir, env };
}

/** Reads the books all the time. Returns what has not balanced. */
function watch(trail: Trail): () => { looks: number; found: string[] } {
  let looks = 0;
  const found = new Set<string>();
  const look = (): void => {
    looks += 1;
    for (const text of imbalances(trail.books.snapshot())) found.add(text);
  };
  const looking = setInterval(look, 1);
  onTestFinished(() => clearInterval(looking));
  return () => {
    clearInterval(looking);
    return { looks, found: [...found] };
  };
}

const settled = (trail: Trail): boolean => sum(trail.books.snapshot().pending) === 0;

test('the books balance at each moment: refusals, cuts, threads that end, records of killed processes', {
  timeout: 600_000,
}, async () => {
  const endpoint = await badEndpoint();
  const { trail, dir, env } = await open({
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
  });
  const stop = watch(trail);
  const task = startTask({ source: 'test', message: 'm', taskId: 'task-1' });
  let lines = 0;
  const speaking = setInterval(() => {
    lines += 1;
    task.output(`line ${lines}\n`);
  }, 4);
  onTestFinished(() => clearInterval(speaking));
  for (let round = 0; round < 3; round += 1) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', RECORDER], {
      env: { PATH: process.env.PATH ?? '', ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const before = sum(trail.books.snapshot().delivered);
    await until(() => sum(trail.books.snapshot().delivered) > before + 100, 'records to go');
    writeFileSync(join(dir, 'throw'), '');
    const times = round === 0 ? 'once' : `${round + 1} times`;
    await expect
      .poll(() => [...trail.books.notices, ...trail.books.reasons].join('\n'), { timeout: 150_000 })
      .toContain(`it was started again ${times}`);
  }
  clearInterval(speaking);
  endpoint.isWell = true;
  const rest = (): unknown => (settled(trail) ? undefined : trail.books.snapshot());
  await expect.poll(rest, { timeout: 100_000 }).toBeUndefined();
  // Nothing more comes, so nothing may be counted any more either.
  await delay(200);
  const { looks, found } = stop();
  expect(found).toEqual([]);
  expect(looks).toBeGreaterThan(100);
  const snapshot = trail.books.snapshot();
  expect(snapshot.pending).toEqual({ holder: 0, [`${endpoint.url}/`]: 0 });
  // Killed processes have left records for both, and the store has what they and this one have recorded.
  expect(sum(snapshot.claimed)).toBeGreaterThan(0);
  expect(snapshot.delivered.holder).toBe(snapshot.recorded + (snapshot.claimed?.holder ?? 0));
  expect(snapshot.lost?.holder).toBeUndefined();
  expect(snapshot.lost?.[`${endpoint.url}/`]).toMatchObject({ rejected: expect.any(Number) });
  // Of what one destination has lost, and the store's own refusals: no other total.
  expect(sum(snapshot.dropped)).toBe(sum(snapshot.lost?.[`${endpoint.url}/`]));
});

test.each(['oldest', 'newest'] as const)(
  'with a bound of the journal the %s records are dropped and counted, and several processes keep it',
  async (full) => {
    const max = 4_000_000;
    const { trail, dir, env } = await open({
      TASK_LOGS_STORE: 'false',
      TASK_LOGS_JOURNAL_MAX: `${max / 1e6}MB`,
      TASK_LOGS_JOURNAL_FULL: full,
    });
    const stop = watch(trail);
    const child = spawn(
      process.execPath,
      ['--input-type=module', '-e', RECORDER.replace("'x\\n'", "'x'.repeat(10_000) + '\\n'")],
      { env: { PATH: process.env.PATH ?? '', ...env }, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    onTestFinished(() => void child.kill('SIGKILL'));
    const task = startTask({ source: 'test', message: 'm', taskId: 'task-1' });
    let most = 0;
    for (let n = 0; n < 3_000; n += 1) {
      task.output(`${String(n)} ${'y'.repeat(4_000)}\n`);
      if (n % 20 === 0) await delay(5);
      most = Math.max(most, await bytesIn(join(dir, 'logs', '_journal')));
    }
    child.kill('SIGKILL');
    await until(() => trail.books.notices.has('journal bound'), 'the notice');
    expect(trail.books.notices.get('journal bound')).toContain(`the ${full} records are dropped`);
    const { found } = stop();
    expect(found).toEqual([]);
    task.end();
    const { lost = {} } = trail.books.snapshot();
    expect(lost.holder).toEqual({ journal_full: expect.any(Number) });
    // A segment is a sixteenth; each of two processes may begin one during a look.
    expect(most).toBeLessThan(max * 1.2);
    const text = readdirSync(join(dir, 'logs', '_journal'));
    expect(text.length).toBeGreaterThan(2);
  },
);

async function bytesIn(directory: string): Promise<number> {
  const { readdir, lstat } = await import('node:fs/promises');
  let bytes = 0;
  for (const name of await readdir(directory).catch(() => []))
    bytes += await lstat(join(directory, name)).then(
      ({ size }) => size,
      () => 0,
    );
  return bytes;
}
