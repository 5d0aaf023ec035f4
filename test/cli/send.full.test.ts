import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { openTrail, readLines } from '../support/receiver.ts';
import { until } from '../support/until.ts';
import { namesIn, runCommand, startCommand, tempDir } from './run-command.ts';

const WORKFLOW = 'workflow-199-20251202T150000Z';

interface Endpoint {
  readonly url: string;
  readonly server: Server;
  /** The bodies of the requests so far. */
  readonly bodies: string[];
  /** The status of the answers from now on. */
  status: number;
}

async function openEndpoint(status: number): Promise<Endpoint> {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (piece: string) => {
      body += piece;
    });
    request.on('end', () => {
      bodies.push(body);
      response.writeHead(endpoint.status, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const endpoint: Endpoint = { url, server, bodies, status };
  return endpoint;
}

async function emitTwo(cwd: string): Promise<void> {
  for (const phase of ['a', 'b']) {
    const { code } = await runCommand(['emit', 'phase_start', WORKFLOW, JSON.stringify({ phase })], { cwd });
    expect(code).toBe(0);
  }
}

test('without waiting records nothing is sent', async () => {
  const cwd = await tempDir();
  expect(await runCommand(['send'], { cwd })).toEqual({
    code: 0,
    signal: null,
    stdout: 'records: none were waiting\n',
    stderr: '',
  });
});

test('without a holder the command stores the records itself, once', async () => {
  const cwd = await tempDir();
  await emitTwo(cwd);
  expect(await runCommand(['send'], { cwd })).toMatchObject({ code: 0, stdout: 'records: 2 stored\n' });
  expect(await runCommand(['send'], { cwd })).toMatchObject({
    code: 0,
    stdout: 'records: none were waiting\n',
  });
  const lines = await readLines(join(cwd, 'logs', '_workflow', '2025', '12', `${WORKFLOW}.jsonl`));
  expect(lines.map(({ payload }) => payload)).toEqual([{ phase: 'a' }, { phase: 'b' }]);
  expect(namesIn(join(cwd, 'logs'))).not.toContain('_lock.json');
});

test('two commands at once store each record once', async () => {
  const cwd = await tempDir();
  await emitTwo(cwd);
  await Promise.all([1, 2, 3].map(() => runCommand(['send'], { cwd })));
  await runCommand(['send'], { cwd });
  const lines = await readLines(join(cwd, 'logs', '_workflow', '2025', '12', `${WORKFLOW}.jsonl`));
  expect(lines.map(({ payload }) => payload)).toEqual([{ phase: 'a' }, { phase: 'b' }]);
});

test('a port that is taken does not keep the records from the endpoint', async () => {
  const cwd = await tempDir();
  await emitTwo(cwd);
  const { url, bodies } = await openEndpoint(200);
  const env = { TASK_LOGS_OTLP_PORT: new URL(url).port };
  const { code, stdout, stderr } = await runCommand(['send'], { cwd, env });
  expect([code, stdout]).toEqual([1, expect.stringMatching(/^records: 2 waiting for the log directory/)]);
  expect(stderr).toContain('TASK_LOGS_OTLP_PORT');
  expect(bodies).toEqual([]);
});

test('with --no-store the records stay in the journal, and the command does not wait', async () => {
  const cwd = await tempDir();
  await emitTwo(cwd);
  const { code, stdout } = await runCommand(['send', '--no-store'], { cwd });
  expect(code).toBe(1);
  expect(stdout).toBe(
    'records: 2 waiting for the log directory (not reachable: no process holds the log directory: run tasktrail start, or any program that records there, to store the waiting records)\n',
  );
  const names = namesIn(join(cwd, 'logs', '_journal')).filter((name) => !name.endsWith('.cursors'));
  expect(names.map((name) => name.split('.').at(-1))).toEqual(['closed', 'closed']);
});

test('a holder gets each record once, from its own sender or from the command', async () => {
  const cwd = await tempDir();
  await emitTwo(cwd);
  const trail = await openTrail(join(cwd, 'logs'));
  try {
    const { code } = await runCommand(['send'], { cwd });
    expect(code).toBe(0);
    const path = join(cwd, 'logs', '_workflow', '2025', '12', `${WORKFLOW}.jsonl`);
    const lines = await until(async () => {
      const found = await readLines(path);
      return found.length >= 2 ? found : undefined;
    }, 'both events');
    expect(lines.map(({ payload }) => payload)).toEqual([{ phase: 'a' }, { phase: 'b' }]);
  } finally {
    await trail.shutdown();
  }
});

test('a record that the endpoint has taken is not sent there again while it waits for the holder', async () => {
  const cwd = await tempDir();
  const { url, bodies } = await openEndpoint(200);
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: url };
  await runCommand(['emit', 'phase_start', WORKFLOW, '{"phase":"a"}'], { cwd, env });
  await until(() => bodies.length === 1, 'the record');
  const { stdout } = await runCommand(['send', '--no-store'], { cwd, env });
  expect(stdout).toMatch(/^records: 1 waiting for the log directory/);
  expect(bodies).toHaveLength(1);
});

test('an unreachable endpoint is given up before the deadline, with the reason', async () => {
  const cwd = await tempDir();
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', TASK_LOGS_STORE: 'false' };
  await runCommand(['emit', 'phase_start', WORKFLOW, '{"phase":"a"}'], { cwd, env });
  // The deadline is later than the end of this test.
  const { code, stdout } = await runCommand(['send', '--timeout', '600'], { cwd, env });
  expect(code).toBe(1);
  expect(stdout).toMatch(/^records: 1 waiting for http:\/\/127\.0\.0\.1:9\/ \(not reachable: .*ECONNREFUSED/);
});

test('a record that the endpoint refuses for good is counted as dropped, and leaves the journal', async () => {
  const cwd = await tempDir();
  const endpoint = await openEndpoint(503);
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint.url, TASK_LOGS_STORE: 'false' };
  expect((await runCommand(['emit', 'error', WORKFLOW], { cwd, env })).code).toBe(0);
  endpoint.status = 400;
  expect(await runCommand(['send'], { cwd, env })).toMatchObject({
    code: 0,
    stdout: 'records: 1 dropped (refused)\n',
  });
  expect(namesIn(join(cwd, 'logs', '_journal'))).toEqual([]);
});

test('records for another endpoint stay in the journal', async () => {
  const cwd = await tempDir();
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', TASK_LOGS_STORE: 'false' };
  await runCommand(['emit', 'error', WORKFLOW], { cwd, env });
  const { url, bodies } = await openEndpoint(200);
  const run = await runCommand(['send'], { cwd, env: { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: url } });
  expect(run).toMatchObject({ code: 0, stdout: 'records: none were waiting\n' });
  expect(bodies).toEqual([]);
  const names = namesIn(join(cwd, 'logs', '_journal'));
  expect(names.filter((name) => name.endsWith('.closed'))).toHaveLength(1);
});

test('an unreadable journal is an error with the reason', async () => {
  const cwd = await tempDir();
  await mkdir(join(cwd, 'logs'));
  await writeFile(join(cwd, 'logs', '_journal'), 'a file');
  const { code, stderr } = await runCommand(['send'], { cwd });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^tasktrail: TASK_LOGS_DIR: ENOTDIR/);
});

test('a signal ends it, also when it arrives twice, and unsent records stay in the journal', async () => {
  const cwd = await tempDir();
  const { url, server } = await openEndpoint(200);
  // The endpoint takes the request and never answers.
  server.removeAllListeners('request');
  const asked = new Promise((resolve) => server.once('request', resolve));
  const hanging = { OTEL_EXPORTER_OTLP_ENDPOINT: url, TASK_LOGS_STORE: 'false' };
  const emitting = startCommand(['emit', 'phase_start', WORKFLOW, '{"phase":"a"}'], { cwd, env: hanging });
  await asked;
  await emitting.ended;
  const again = new Promise((resolve) => server.once('request', resolve));
  const { child, ended } = startCommand(['send', '--timeout', '60'], { cwd, env: hanging });
  await again;
  child.kill('SIGINT');
  await delay(50);
  child.kill('SIGINT');
  expect(await ended).toMatchObject({ code: 1, stdout: expect.stringContaining('1 waiting for http://') });
  const closed = namesIn(join(cwd, 'logs', '_journal')).filter((name) => name.endsWith('.closed'));
  expect(closed).toHaveLength(1);
});

test.each(['0', 'soon', '-1', ''])('a timeout of %j is refused', async (timeout) => {
  const cwd = await tempDir();
  const { code, stderr } = await runCommand(['send', `--timeout=${timeout}`], { cwd });
  expect(code).toBe(2);
  expect(stderr).toContain('--timeout: use a number of seconds');
});
