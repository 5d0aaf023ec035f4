import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { Books } from '../../src/books.ts';
import { describeEnd } from '../../src/cli/start.ts';
import { loadConfig } from '../../src/config/config.ts';
import type { Trail } from '../../src/trail/trail.ts';
import { serveTcp } from '../doctor/subject.ts';
import {
  firstTaskId,
  readDocument,
  resultOf,
  ServiceProcess,
  serviceEnv,
} from '../support/service-process.ts';
import { until } from '../support/until.ts';
import { CTRL_C, hasTerminal, openTerminal } from './pty.ts';

const ROOT = resolve(import.meta.dirname, '../..');

let cwd: string;
let logDir: string;

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'tasktrail-start-'));
  logDir = join(cwd, 'logs');
});

afterEach(() => rm(cwd, { recursive: true, force: true, maxRetries: 5 }));

async function start(env: Record<string, string> = {}, ...args: readonly string[]): Promise<ServiceProcess> {
  const service = await ServiceProcess.start({ cwd, env, args: ['start', ...args] });
  onTestFinished(() => service.dispose());
  return service;
}

/** Settings with one agent, which runs until the file `go` exists, and one attempt: a task that used it would fail. */
const WAITING_AGENT = {
  TASK_LOGS_AGENT_COMMAND: `sh -c 'while [ ! -e go ]; do sleep 0.05; done'`,
  TASK_LOGS_ATTEMPTS: '1',
};

async function untilRunning(taskId: string): Promise<void> {
  await until(async () => {
    const metadata = await readDocument(logDir, taskId, 'metadata.json');
    return metadata?.status === 'running';
  }, `${taskId} to run`);
}

/** The process has ended. Its clean stop used no attempt, and the next start finishes the task. */
async function expectQueuedAndFinished(taskId: string, stops: number): Promise<void> {
  expect(await readDocument(logDir, taskId, 'metadata.json')).toMatchObject({ status: 'queued', stops });
  await writeFile(join(cwd, 'go'), '');
  const next = await start(WAITING_AGENT);
  expect(await resultOf(logDir, taskId)).toMatchObject({ success: true, status: 'completed' });
  expect((await next.stop()).code).toBe(0);
}

test('start names the parts that are off, and the setting that switches each on', async () => {
  const service = await ServiceProcess.start({
    cwd,
    env: { GITHUB_WEBHOOK_SECRET: '' },
    args: ['start', '--dir', join(cwd, 'by-flag')],
  });
  expect(service.stdout).toContain(`writes to  ${join(cwd, 'by-flag')}`);
  expect(service.stdout).toContain('sample-agent, a bundled sample');
  await service.stop();
  for (const name of [
    'GITHUB_WEBHOOK_SECRET',
    'JIRA_WEBHOOK_SECRET',
    'SLACK_SIGNING_SECRET',
    'OTEL_EXPORTER_OTLP_ENDPOINT',
  ])
    expect(service.stdout).toContain(`set ${name}`);
  // Without the secret no comment arrives that could get a reaction.
  expect(service.stdout).not.toContain('GITHUB_TOKEN');
  const github = await ServiceProcess.start({ cwd });
  await github.stop();
  expect(github.stdout).toContain('the eyes reaction on comments: set GITHUB_TOKEN');
  expect(github.stdout).not.toContain('GITHUB_WEBHOOK_SECRET');
});

test('start names agents that cannot be started, and starts all the same', async () => {
  const agents = {
    here: { command: ['sh', '-c', 'true'] },
    nowhere: { command: ['no-such-program', '-p'] },
    path: { command: ['./no/such/program'] },
    folder: { command: ['sh'], cwd: 'no-such-folder' },
  };
  await writeFile(join(cwd, 'agents.json'), JSON.stringify({ agents }));
  const service = await ServiceProcess.start({ cwd, args: ['start', '--config', 'agents.json'] });
  await service.stop();
  for (const line of [
    'nowhere: program not found: no-such-program',
    'path: program not found: ./no/such/program',
    'folder: working directory not found: no-such-folder',
  ])
    expect(service.stdout).toContain(`\n  agent      ${line}`);
  expect(service.stdout).not.toContain('agent      here: ');
});

test('the last line says how many records were stored, sent, dropped and left', async () => {
  const books = new Books();
  const end = (env: Record<string, string>): string => {
    const config = loadConfig({ env, cwd });
    return describeEnd({ config, trail: { config, books } as Trail });
  };
  books.countRecorded(97);
  expect(end({})).toBe('stopped. 97 records recorded, all stored\n');
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://jaeger:4318' };
  expect(end(env)).toBe('stopped. 97 records recorded, all stored and sent to http://jaeger:4318/\n');
  books.setReason('http://jaeger:4318/', '12 records wait in the journal');
  expect(end(env)).toBe(
    'stopped. 97 records recorded, all stored, 12 records wait in the journal for http://jaeger:4318/\n',
  );
  books.countDropped('rejected', 2);
  expect(end({})).toContain('97 records recorded, 2 dropped (rejected)\n');
  expect(end({ TASK_LOGS_ENABLED: 'false' })).toContain('Nothing was recorded');
});

test('a second start on a held directory names the process, its address and what to do', async () => {
  const first = await start();
  for (const role of ['start', 'serve']) {
    const env = { REDIS_URL: 'redis://127.0.0.1:1' };
    const second = new ServiceProcess({ cwd, args: [role], ...(role === 'serve' && { env }) });
    const { code } = await second.exited;
    expect({ code, stdout: second.stdout }).toEqual({ code: 1, stdout: '' });
    expect(second.stderr).toBe(
      [
        `tasktrail: already running (pid ${first.child.pid} on ${hostname()}, OTLP at ${first.otlpUrl}), with the log directory ${logDir}`,
        '           stop it, or use another directory: --dir <directory> (TASK_LOGS_DIR)',
        '',
      ].join('\n'),
    );
  }
  expect((await fetch(`${first.url}/readyz`)).status).toBe(200);
  const other = await start({}, '--dir', join(cwd, 'other'));
  expect(other.stdout).toContain(`writes to  ${join(cwd, 'other')}`);
});

test('a second signal within two seconds is the echo of the first: the stop stays clean', async () => {
  const service = await start(WAITING_AGENT);
  const taskId = await service.sendComment('@agent review');
  await untilRunning(taskId);
  service.child.kill('SIGINT');
  await delay(50);
  expect(await service.stop('SIGINT')).toEqual({ code: 0, signal: null });
  expect(service.stdout).toMatch(/SIGINT: stopping .*\nstopped\. \d+ records recorded, all stored\n$/);
  await expectQueuedAndFinished(taskId, 1);
});

test('a signal more than two seconds after the first ends the process at once', {
  tags: ['full'],
}, async () => {
  // The stop waits four seconds for an endpoint that does not answer.
  const endpoint = `http://127.0.0.1:${await serveTcp(() => {})}`;
  const service = await start({ ...WAITING_AGENT, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint });
  const taskId = await service.sendComment('@agent review');
  await untilRunning(taskId);
  service.child.kill('SIGINT');
  await until(() => service.stdout.includes('SIGINT: stopping'), 'the first signal');
  await delay(2_500);
  expect(await service.stop('SIGTERM')).toEqual({ code: 143, signal: null });
  expect(service.stdout).not.toContain('stopped.');
  await expectQueuedAndFinished(taskId, 1);
});

test.skipIf(!hasTerminal)(
  'Ctrl-C under npm start, which signals twice, is a clean stop each time',
  { tags: ['full'] },
  async () => {
    let taskId = '';
    for (const round of [1, 2, 3]) {
      const env = { ...serviceEnv({ cwd }), ...WAITING_AGENT };
      const terminal = openTerminal('npm start', { cwd: ROOT, env });
      const shows = (text: string): Promise<true> =>
        until(() => terminal.text().includes(text), text, 20_000);
      await shows('\n  off ');
      if (round === 1) {
        const url = /REST +(\S+)/.exec(terminal.text())?.[1] ?? '';
        const answer = await fetch(url, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: '{"message":"hello"}',
        });
        taskId = firstTaskId(await answer.json());
      } else await shows('1 unfinished task(s) of an earlier run are queued again');
      await untilRunning(taskId);
      terminal.type(CTRL_C);
      await terminal.ended;
      expect(terminal.text()).toMatch(/\nSIGINT: stopping .*\nstopped\. \d+ records recorded, all stored\n/);
      expect(await readDocument(logDir, taskId, 'metadata.json')).toMatchObject({
        ...{ status: 'queued', attempt: round + 1, stops: round },
      });
    }
    await expectQueuedAndFinished(taskId, 3);
  },
);
