import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lessInCi } from '../support/less-in-ci.ts';
import { readLines, readSpans } from '../support/receiver.ts';
import {
  firstTaskId,
  killProcessesWith,
  processesWith,
  resultOf,
  ServiceProcess,
} from '../support/service-process.ts';
import { until } from '../support/until.ts';

const AGENT = resolve(import.meta.dirname, '../support/numbered-agent.mjs');

let cwd: string;
let logDir: string;
const services: ServiceProcess[] = [];

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'tasktrail-agent-crash-'));
  logDir = join(cwd, 'logs');
});

afterEach(async () => {
  for (const service of services.splice(0)) await service.dispose();
  await rm(cwd, { recursive: true, force: true });
});

async function start(env: Record<string, string> = {}): Promise<ServiceProcess> {
  const service = await ServiceProcess.start({ cwd, env });
  services.push(service);
  return service;
}

async function configure(command: readonly string[], steps: readonly string[]): Promise<void> {
  const agents = { numbered: { command } };
  const commands = { review: { agent: 'numbered', phases: [{ name: 'build', steps }] } };
  await writeFile(join(cwd, 'tasktrail.config.json'), JSON.stringify({ agents, commands }));
}

async function submit(service: ServiceProcess): Promise<string> {
  return firstTaskId(await (await service.submit({ message: 'count', command: 'review' })).json());
}

interface Printed {
  readonly numbers: readonly number[];
  readonly notes: number;
  readonly eventIds: readonly unknown[];
}

async function printed(id: string): Promise<Printed> {
  const lines = await readLines(join(logDir, id, '03-agent-output.jsonl')).catch(() => []);
  const contents = lines.map(({ content }) => String(content));
  return {
    numbers: contents.flatMap((content) => /line (\d+)/.exec(content)?.[1] ?? []).map(Number),
    notes: contents.filter((content) => content.startsWith('note ')).length,
    eventIds: lines.map(({ event_id }) => event_id),
  };
}

async function untilPrinted(id: string, count: number): Promise<void> {
  await until(async () => (await printed(id)).numbers.length >= count, `${count} lines`, 20_000);
}

/** Together they take about as long as the agent runs. */
const KILLS = lessInCi(20, 8);

test('random kills of the worker lose and repeat no line of its agent, and the result has the cost', {
  tags: ['long'],
  timeout: 300_000,
}, async () => {
  const lines = KILLS * 150;
  await configure([process.execPath, AGENT, String(lines), '10'], ['run-agent']);
  // On a busy machine the agent is done before the kills are; from then on each of them costs an attempt.
  const env = { TASK_LOGS_ATTEMPTS: String(KILLS + 10) };
  let service = await start(env);
  const id = await submit(service);
  for (let kill = 0; kill < KILLS; kill += 1) {
    await delay(Math.random() * 400);
    await service.dispose();
    service = await start(env);
  }
  const result = await resultOf(logDir, id, 120_000);
  expect(result).toMatchObject({
    success: true,
    status: 'completed',
    result: 'all lines are printed',
    metrics: { cost_usd: 0.25, input_tokens: 123, output_tokens: 7 },
  });
  const { numbers, notes, eventIds } = await until(async () => {
    const found = await printed(id);
    return found.numbers.length >= lines && found.notes >= lines / 50 ? found : undefined;
  }, 'every line');
  // Every line once and in order.
  expect(numbers).toEqual(Array.from({ length: lines }, (_, n) => n));
  expect(notes).toBe(lines / 50);
  expect(new Set(eventIds).size).toBe(eventIds.length);
  // The agent ran once: one span of its run, and one for each tool call.
  const spans = await until(async () => {
    const found = await readSpans(logDir, id);
    return found.some(({ name }) => name === 'invoke_agent numbered') ? found : undefined;
  }, 'the span of the run');
  const named = (name: string): number => spans.filter((span) => span.name === name).length;
  expect(named('invoke_agent numbered')).toBe(1);
  expect(named('execute_tool Bash')).toBe(lines / 10);
  await until(
    async () => (await readdir(join(logDir, '_agent'))).length === 0,
    'the folder of the run to go',
  );
});

test('a step that is done when its worker is killed is not done again, and its cost counts', async () => {
  await configure(
    // It reads `go` before it writes to `ran`; the test removes `go` after that.
    ['sh', '-c', `n=100000; [ -e go ] && n=5; echo x >> ran; exec ${process.execPath} ${AGENT} $n 2`],
    ['first', 'second'],
  );
  await writeFile(join(cwd, 'go'), '');
  const service = await start();
  const id = await submit(service);
  const ran = async (): Promise<number> =>
    (await readFile(join(cwd, 'ran'), 'utf8').catch(() => '')).length / 2;
  await until(async () => (await ran()) >= 1, 'the first step');
  await rm(join(cwd, 'go'));
  await until(async () => (await ran()) >= 2, 'the second step');
  await untilPrinted(id, 50);
  await service.dispose();
  // The agent of the second step is killed too, so only that step runs again.
  await killProcessesWith(`TASK_LOGS_TASK_ID=${id}`);
  await writeFile(join(cwd, 'go'), '');
  await start();
  expect(await resultOf(logDir, id)).toMatchObject({
    status: 'completed',
    metrics: { cost_usd: 0.5, input_tokens: 246, output_tokens: 14 },
  });
  expect(await ran()).toBe(3);
}, 60_000);

test.each([
  [0, { success: true, status: 'completed' }],
  [3, { success: false, status: 'failed', error_type: 'exit_code', exit_code: 3 }],
])(
  'the exit code %i of an agent that ends while no worker is alive decides the result',
  async (exitCode, expected) => {
    await configure([process.execPath, AGENT, '400', '2', String(exitCode)], ['run-agent']);
    const service = await start();
    const id = await submit(service);
    await untilPrinted(id, 20);
    await service.dispose();
    await until(
      async () => (await processesWith(`TASK_LOGS_TASK_ID=${id}`)).length === 0,
      'the agent to end',
    );
    await start();
    expect(await resultOf(logDir, id)).toMatchObject({ ...expected, metrics: { cost_usd: 0.25 } });
    expect((await printed(id)).numbers).toEqual(Array.from({ length: 400 }, (_, n) => n));
  },
  60_000,
);

test('a time limit continues across a kill, and ends the agent of the killed worker', async () => {
  const agents = {
    slow: { command: [process.execPath, AGENT, '100000', '5'], timeout_seconds: 3 },
  };
  await writeFile(join(cwd, 'tasktrail.config.json'), JSON.stringify({ agents }));
  const service = await start();
  const id = firstTaskId(await (await service.submit({ message: 'count' })).json());
  await untilPrinted(id, 20);
  await service.dispose();
  await start();
  const result = await resultOf(logDir, id);
  expect(result).toMatchObject({ status: 'failed', error_type: 'timeout' });
  expect(await processesWith(`TASK_LOGS_TASK_ID=${id}`)).toEqual([]);
  // The same agent, from its first line on: it was not started again.
  const { numbers } = await printed(id);
  expect(numbers).toEqual(numbers.map((_, n) => n));
}, 60_000);

interface RunProcesses {
  /** The shell that waits for the agent, and leads its group. */
  readonly leader: number;
  readonly others: readonly number[];
}

async function processesOfRun(id: string): Promise<RunProcesses> {
  const pids = await processesWith(`TASK_LOGS_TASK_ID=${id}`);
  const stats = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '')));
  const leader = pids.find((pid, n) => stats[n]?.split(') ').at(-1)?.split(' ')[2] === String(pid)) ?? 0;
  return { leader, others: pids.filter((pid) => pid !== leader) };
}

test('the signal that kills an agent while no worker is alive is in the result', async () => {
  await configure([process.execPath, AGENT, '100000', '5'], ['run-agent']);
  const service = await start();
  const id = await submit(service);
  await untilPrinted(id, 20);
  await service.dispose();
  for (const pid of (await processesOfRun(id)).others) process.kill(pid, 'SIGKILL');
  await start();
  expect(await resultOf(logDir, id)).toMatchObject({
    status: 'failed',
    error_type: 'signal',
    signal: 'SIGKILL',
  });
}, 60_000);

test('an agent whose shell was killed is ended: its exit code would be unknown', async () => {
  await configure([process.execPath, AGENT, '100000', '5'], ['run-agent']);
  const service = await start();
  const id = await submit(service);
  await untilPrinted(id, 20);
  process.kill((await processesOfRun(id)).leader, 'SIGKILL');
  expect(await resultOf(logDir, id)).toMatchObject({ error_type: 'signal', signal: 'SIGKILL' });
  expect(await processesWith(`TASK_LOGS_TASK_ID=${id}`)).toEqual([]);
}, 60_000);

test('a run whose shell was killed while no worker was alive is repeated, and its earlier output stays', async () => {
  const agent = `${process.execPath} ${AGENT} $([ -e go ] && echo 5 || echo 100000) 5`;
  await configure(['sh', '-c', agent], ['run-agent']);
  const service = await start();
  const id = await submit(service);
  await untilPrinted(id, 20);
  await service.dispose();
  process.kill((await processesOfRun(id)).leader, 'SIGKILL');
  await writeFile(join(cwd, 'go'), '');
  await start();
  expect(await resultOf(logDir, id)).toMatchObject({ status: 'completed', metrics: { cost_usd: 0.25 } });
  expect(await processesWith(`TASK_LOGS_TASK_ID=${id}`)).toEqual([]);
  const { numbers } = await printed(id);
  expect(numbers.slice(0, 20)).toEqual(Array.from({ length: 20 }, (_, n) => n));
  expect(numbers.slice(-5)).toEqual([0, 1, 2, 3, 4]);
}, 60_000);

test('a paused worker loses nothing, and its agent is not started twice', async () => {
  await configure(['sh', '-c', `echo x >> ran; exec ${process.execPath} ${AGENT} 300 5`], ['run-agent']);
  const service = await start();
  const id = await submit(service);
  await untilPrinted(id, 20);
  service.child.kill('SIGSTOP');
  await until(async () => (await processesWith(`TASK_LOGS_TASK_ID=${id}`)).length === 0, 'the agent to end');
  service.child.kill('SIGCONT');
  expect(await resultOf(logDir, id)).toMatchObject({ status: 'completed', metrics: { cost_usd: 0.25 } });
  expect((await printed(id)).numbers).toEqual(Array.from({ length: 300 }, (_, n) => n));
  expect(await readFile(join(cwd, 'ran'), 'utf8')).toBe('x\n');
}, 60_000);

test.each([
  ['removes the folder of its run', 'rm -rf "$(dirname "$TASK_LOGS_INPUT_FILE")"', 3],
  [
    'writes into the file of its exit code',
    'yes 0 | head -c 100000 > "$(dirname "$TASK_LOGS_INPUT_FILE")/exit"',
    4,
  ],
])(
  'an agent that %s is recorded, and its exit is evaluated',
  async (_what, mischief, code) => {
    const agents = {
      bad: { command: ['sh', '-c', `${mischief}; echo one; sleep 0.2; echo two; exit ${code}`] },
    };
    await writeFile(join(cwd, 'tasktrail.config.json'), JSON.stringify({ agents }));
    const service = await start();
    const id = firstTaskId(await (await service.submit({ message: 'x' })).json());
    expect(await resultOf(logDir, id)).toMatchObject({
      error_type: 'exit_code',
      exit_code: code,
      result: 'one\ntwo',
    });
  },
  60_000,
);
