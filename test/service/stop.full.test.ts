import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { listen, readLines, readSpans } from '../support/receiver.ts';
import {
  killProcessesWith,
  processesWith,
  readDocument,
  resultOf,
  ServiceProcess,
} from '../support/service-process.ts';
import { until } from '../support/until.ts';

let cwd: string;
let logDir: string;
const services: ServiceProcess[] = [];

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'tasktrail-stop-'));
  logDir = join(cwd, 'logs');
});

afterEach(async () => {
  for (const service of services.splice(0)) await service.dispose();
  await rm(cwd, { recursive: true, force: true });
});

/** With the quickest of agents, where the configuration names none that comes first. */
async function start(env: Record<string, string> = {}): Promise<ServiceProcess> {
  const hasAgents = existsSync(join(cwd, 'tasktrail.config.json'));
  const quick: Record<string, string> = hasAgents ? {} : { TASK_LOGS_AGENT_COMMAND: 'cat' };
  const service = await ServiceProcess.start({ cwd, env: { ...quick, ...env } });
  services.push(service);
  return service;
}

/** An agent that runs until the file `go` exists. */
async function useWaitingAgent(trap = ''): Promise<void> {
  const script = `${trap} echo begun; while [ ! -e go ]; do sleep 0.05; done; echo done`;
  await writeFile(
    join(cwd, 'tasktrail.config.json'),
    JSON.stringify({ agents: { waiting: { command: ['sh', '-c', script] } } }),
  );
}

function untilBegun(taskId: string, times = 1): Promise<true> {
  return until(async () => {
    const lines = await readLines(join(logDir, taskId, '03-agent-output.jsonl'));
    return lines.filter(({ content }) => content === 'begun\n').length === times;
  }, 'the agent to begin');
}

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s ends an idle service cleanly', async (signal) => {
  const service = await start();
  const id = await service.sendComment('@agent review');
  await resultOf(logDir, id);
  expect(await service.stop(signal)).toEqual({ code: 0, signal: null });
  expect(service.stdout).toContain(`${signal}: stopping`);
  expect(service.stdout).toMatch(/stopped\. \d+ records recorded, all stored\n$/);
  expect(service.stderr).toBe('');
  expect((await readdir(logDir)).filter((name) => /lock|tmp/.test(name))).toEqual([]);
  expect(await readdir(join(logDir, '_journal'))).toEqual([]);
});

test('a task that runs at the shutdown is queued again and runs with the next start', async () => {
  await useWaitingAgent();
  const first = await start({ TASK_LOGS_CONCURRENCY: '1' });
  const running = await first.sendComment('@agent review');
  const waiting = await first.sendComment('@agent fix');
  await untilBegun(running);
  expect((await first.stop('SIGINT')).code).toBe(0);
  expect(await readDocument(logDir, running, 'metadata.json')).toMatchObject({
    status: 'queued',
    attempt: 2,
  });
  expect(await readDocument(logDir, running, '04-final-result.json')).toBeUndefined();
  expect(await readDocument(logDir, waiting, 'metadata.json')).toMatchObject({
    status: 'queued',
    attempt: 1,
  });
  const lines = await readLines(join(logDir, running, '03-agent-output.jsonl'));
  expect(lines.filter(({ type }) => type === 'error')).toMatchObject([
    { content: expect.stringContaining('cancelled') },
  ]);
  expect(await processesWith(`TASK_LOGS_TASK_ID=${running}`)).toEqual([]);

  await writeFile(join(cwd, 'go'), '');
  const second = await start();
  for (const id of [running, waiting])
    expect(await resultOf(logDir, id)).toMatchObject({ success: true, status: 'completed' });
  expect(second.stdout).toContain('2 unfinished task(s) of an earlier run are queued again');
  expect(await readDocument(logDir, running, 'metadata.json')).toMatchObject({ attempt: 2 });
  expect(await readDocument(logDir, waiting, 'metadata.json')).toMatchObject({ attempt: 1 });
  expect((await second.stop()).code).toBe(0);
  const attempts = (await readSpans(logDir, running)).filter(({ name }) => name === 'process agent');
  expect(attempts).toHaveLength(2);
  // Attempts are siblings below the span that enqueued them.
  expect(new Set(attempts.map(({ parentSpanId }) => parentSpanId)).size).toBe(1);
  expect(attempts.map(({ status }) => status?.code ?? 0).sort()).toEqual([0, 2]);
});

test('a task that is stopped in its second step goes on with that step, and the first one is not repeated', async () => {
  const script = 'echo "$1" >> begun; echo begun; [ "$1" = one ] || while [ ! -e go ]; do sleep 0.05; done';
  const agent = { command: ['sh', '-c', script, 'sh', '{step}'] };
  const phases = [
    { name: 'build', steps: ['one', 'two'] },
    { name: 'check', steps: ['three'] },
  ];
  await writeFile(
    join(cwd, 'tasktrail.config.json'),
    JSON.stringify({ agents: { agent }, commands: { review: { agent: 'agent', phases } } }),
  );
  const first = await start();
  const id = await first.sendComment('@agent review');
  await untilBegun(id, 2);
  expect((await first.stop()).code).toBe(0);
  await writeFile(join(cwd, 'go'), '');
  const second = await start();
  expect(await resultOf(logDir, id)).toMatchObject({ status: 'completed' });
  expect((await readFile(join(cwd, 'begun'), 'utf8')).trim().split('\n')).toEqual([
    'one',
    'two',
    'two',
    'three',
  ]);
  expect((await second.stop()).code).toBe(0);
  const left = await readdir(join(logDir, '_agent'), { recursive: true, encoding: 'utf8' }).catch(() => []);
  expect(left.filter((name) => name.endsWith('.json'))).toEqual([]);
});

test('a clean stop does not count as an attempt, however often it happens; a kill does', async () => {
  await useWaitingAgent();
  const env = { TASK_LOGS_ATTEMPTS: '1' };
  let id = '';
  for (const round of [1, 2, 3]) {
    const service = await start(env);
    if (round === 1) id = await service.sendComment('@agent review');
    await untilBegun(id, round);
    expect((await service.stop(round === 2 ? 'SIGINT' : 'SIGTERM')).code).toBe(0);
    expect(await readDocument(logDir, id, 'metadata.json')).toMatchObject({
      status: 'queued',
      attempt: round + 1,
      stops: round,
    });
  }
  const killed = await start(env);
  await untilBegun(id, 4);
  await killed.dispose();
  // A surviving agent would be resumed.
  await killProcessesWith(`TASK_LOGS_TASK_ID=${id}`);
  await start(env);
  expect(await resultOf(logDir, id)).toMatchObject({
    status: 'abandoned',
    error: 'its process ended during each of 1 attempts',
  });
});

test('an agent that ignores SIGTERM, and its children, do not survive a clean stop', async () => {
  await useWaitingAgent("trap '' TERM; (while true; do sleep 0.1; done) &");
  const service = await start();
  const id = await service.sendComment('@agent review');
  await untilBegun(id);
  expect((await processesWith(`TASK_LOGS_TASK_ID=${id}`)).length).toBeGreaterThan(1);
  expect((await service.stop()).code).toBe(0);
  expect(await processesWith(`TASK_LOGS_TASK_ID=${id}`)).toEqual([]);
  expect(await readDocument(logDir, id, 'metadata.json')).toMatchObject({ status: 'queued', attempt: 2 });
  expect(await readdir(join(logDir, '_agent'))).toEqual([]);
});

test('a webhook that is being answered when the service is stopped is answered', async () => {
  let release = (): void => {};
  const asked = new Promise<void>((resolve) => {
    release = resolve;
  });
  const api = await listen((_req, res) => {
    release();
    setTimeout(() => res.writeHead(201).end('{}'), 300);
  });
  const service = await start({ GITHUB_TOKEN: 'ghp_x', GITHUB_API_URL: api.url });
  const answer = service.sendComment('@agent review');
  await asked;
  const stopped = service.stop();
  const id = await answer;
  expect((await stopped).code).toBe(0);
  await api.close();
  const next = await start();
  expect(await resultOf(logDir, id)).toMatchObject({ success: true });
  await next.dispose();
});

test('a stop right after the start, or in the middle of it, ends cleanly', async () => {
  const service = new ServiceProcess({ cwd });
  services.push(service);
  await until(async () => (await readdir(logDir).catch(() => [])).length > 0, 'a sign');
  const { code } = await service.stop('SIGTERM');
  expect(code).toBe(0);
  expect((await readdir(logDir)).filter((name) => name.startsWith('_lock'))).toEqual([]);
});

test('a closed output stream does not end the service', async () => {
  const service = await start();
  service.child.stdout?.destroy();
  service.child.stderr?.destroy();
  const id = await service.sendComment('@agent review');
  await resultOf(logDir, id);
  expect((await service.stop()).code).toBe(0);
});

test('a service that was paused until its lock is stale continues afterwards', async () => {
  const service = await start();
  await resultOf(logDir, await service.sendComment('@agent review'));
  service.child.kill('SIGSTOP');
  // Only time makes a pause: longer than the five seconds after which a holder looks before it writes.
  await delay(6_000);
  service.child.kill('SIGCONT');
  const id = await service.sendComment('@agent review');
  expect(await resultOf(logDir, id)).toMatchObject({ status: 'completed' });
  expect((await service.stop()).code).toBe(0);
}, 60_000);
