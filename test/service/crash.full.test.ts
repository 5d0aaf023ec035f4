import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { comment, deliver } from '../support/deliveries.ts';
import { attribute, readLines, readSpans } from '../support/receiver.ts';
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
  cwd = await mkdtemp(join(tmpdir(), 'tasktrail-crash-'));
  logDir = join(cwd, 'logs');
});

afterEach(async () => {
  for (const service of services.splice(0)) await service.dispose();
  await rm(cwd, { recursive: true, force: true });
});

async function start(env: Record<string, string>): Promise<ServiceProcess> {
  const service = await ServiceProcess.start({ cwd, env });
  services.push(service);
  return service;
}

/** Every line whole and there once, documents that agree with each other. */
async function expectConsistent(taskId: string): Promise<void> {
  for (const file of ['02-webhook-flow.jsonl', '03-agent-output.jsonl', 'facts.jsonl']) {
    const lines = await readLines(join(logDir, taskId, file));
    const ids = lines.map(({ event_id }) => event_id);
    expect(new Set(ids).size, `${taskId}/${file}`).toBe(ids.length);
  }
  const stages = await readLines(join(logDir, taskId, '02-webhook-flow.jsonl'));
  expect(stages.map(({ stage }) => stage)).toEqual([
    'received',
    'validation',
    'command_matching',
    'immediate_response',
    'task_created',
    'queue_push',
  ]);
  const metadata = await readDocument(logDir, taskId, 'metadata.json');
  const result = await readDocument(logDir, taskId, '04-final-result.json');
  expect(metadata?.status).toBe(result?.status);
  expect(metadata?.completed_at).toBe(result?.completed_at);
  expect(await readDocument(logDir, taskId, '01-input.json')).toMatchObject({ message: '@agent review' });
}

/** Every span that was announced is there, and so is every parent. */
async function isTraceWhole(taskId: string): Promise<boolean> {
  const spans = await readSpans(logDir, taskId);
  const ids = new Set(spans.map(({ spanId }) => spanId));
  if (spans.some(({ parentSpanId }) => parentSpanId && !ids.has(parentSpanId))) return false;
  const facts = await readLines(join(logDir, taskId, 'facts.jsonl'));
  return facts.every((fact) => fact.span === undefined || ids.has(String(fact.span_id)));
}

test('every delivery answered with 202 is completed, however often the service is killed', async () => {
  await writeFile(
    join(cwd, 'tasktrail.config.json'),
    JSON.stringify({ agents: { slow: { command: ['sh', '-c', 'echo one; sleep 0.15; echo two'] } } }),
  );
  const env = { TASK_LOGS_ATTEMPTS: '20', TASK_LOGS_CONCURRENCY: '3' };
  const accepted: string[] = [];
  // Kills during a webhook, during the recovery after the previous kill, and, once all are answered, during the work.
  const kills = [
    { afterMs: 5 },
    { afterMs: 60 },
    { afterMs: 0, isAnswered: true },
    { afterMs: 150, isAnswered: true },
    { afterMs: Math.random() * 400, isAnswered: true },
  ];
  for (const { afterMs, isAnswered } of kills) {
    const service = await start(env);
    const sending = Array.from({ length: 4 }, () =>
      service.sendComment('@agent review').then(
        (id) => accepted.push(id),
        () => 'killed before it was answered',
      ),
    );
    if (isAnswered === true) await Promise.all(sending);
    await delay(afterMs);
    await service.dispose();
    await Promise.all(sending);
  }
  expect(accepted.length).toBeGreaterThanOrEqual(12);
  const last = await start(env);
  for (const id of accepted) expect(await resultOf(logDir, id)).toMatchObject({ status: 'completed' });
  for (const id of accepted) await expectConsistent(id);
  const killed = await Promise.all(accepted.map((id) => readDocument(logDir, id, 'metadata.json')));
  expect(killed.some((metadata) => Number(metadata?.attempt) > 1)).toBe(true);
  await until(
    async () => (await Promise.all(accepted.map(isTraceWhole))).every(Boolean),
    'every announced span',
  );
  // Later attempts continue the workflow of the first one.
  for (const id of accepted) {
    const metadata = await readDocument(logDir, id, 'metadata.json');
    const [workflowId, ...others] = (metadata?.workflow_ids ?? []) as readonly string[];
    expect(others).toEqual([]);
    const response = await fetch(`${last.url}/api/workflows/${workflowId}`);
    expect(await response.json()).toMatchObject({ status: 'success', task_ids: [id] });
  }
  const spans = (await Promise.all(accepted.map((id) => readSpans(logDir, id)))).flat();
  const lost = spans.filter((span) => attribute(span, 'error.type') === 'process_lost');
  expect(lost.length).toBeGreaterThan(0);
  expect(lost.every((span) => span.status?.code === 2)).toBe(true);
  for (const id of accepted) await expectConsistent(id);
  expect((await last.stop()).code).toBe(0);
}, 180_000);

test('every accepted task runs and ends exactly once, whatever moment its service is killed at', {
  tags: ['long'],
  timeout: 300_000,
}, async () => {
  const script = 'echo $TASK_LOGS_TASK_ID >> begun; sleep 0.1; echo $TASK_LOGS_TASK_ID >> ended';
  await writeFile(
    join(cwd, 'tasktrail.config.json'),
    JSON.stringify({ agents: { counted: { command: ['sh', '-c', script] } } }),
  );
  const env = { TASK_LOGS_ATTEMPTS: '30', TASK_LOGS_CONCURRENCY: '3' };
  const accepted: string[] = [];
  // On a machine that is busy with other things a service may be killed before it takes anything.
  for (let round = 0; round < 8 || (accepted.length < 5 && round < 40); round += 1) {
    const service = await start(env);
    const sending = Array.from({ length: 5 }, async (_, n) => {
      // Spread over the life of the process: some are written, some queued, some running, some ending at the kill.
      await delay(n * 60);
      await service.sendComment('@agent review').then(
        (id) => accepted.push(id),
        () => 'killed before it was answered',
      );
    });
    await delay(Math.random() * 700);
    await service.dispose();
    await Promise.all(sending);
  }
  const last = await start(env);
  for (const id of accepted)
    expect(await resultOf(logDir, id, 60_000)).toMatchObject({ status: 'completed' });
  const keptJobs = async (): Promise<string[]> =>
    (await readdir(join(logDir, '_queue'))).filter((name) => name.startsWith('task-'));
  await until(async () => (await keptJobs()).length === 0, 'the last entry to be gone');
  const ended = (await readFile(join(cwd, 'ended'), 'utf8')).split('\n').filter(Boolean);
  const timesOf = (id: string): number => ended.filter((one) => one === id).length;
  expect(accepted.map((id) => [id, timesOf(id)]).filter(([, times]) => times !== 1)).toEqual([]);
  expect(new Set(ended).size).toBe(ended.length);
  for (const id of new Set([...accepted, ...ended])) {
    const facts = await readLines(join(logDir, id, 'facts.jsonl'));
    expect(
      facts.filter(({ event }) => event === 'tasktrail.task.result'),
      id,
    ).toHaveLength(1);
  }
  // No recorded task waits without a job.
  const open = await fetch(`${last.url}/api/tasks?status=queued`);
  expect(((await open.json()) as { readonly items: readonly unknown[] }).items).toEqual([]);
});

test('a delivery that is repeated because the service was killed before its answer runs once', async () => {
  await writeFile(
    join(cwd, 'tasktrail.config.json'),
    JSON.stringify({ agents: { quick: { command: ['sh', '-c', 'echo one'] } } }),
  );
  const ids = Array.from({ length: 30 }, () => randomUUID());
  const unanswered = new Set(ids);
  for (const round of [0, 1, 2, 3, 4, 5]) {
    const service = await start({});
    const sent = [...unanswered].map((id) =>
      deliver(service.url, comment('@agent review and @agent plan'), { id }).then(
        (response) => response.ok && unanswered.delete(id),
        () => 'killed before it was answered',
      ),
    );
    // In the middle of the answers; the last round is left alone.
    if (round < 5) {
      await delay(40 + 40 * round);
      await service.dispose();
    }
    await Promise.all(sent);
  }
  expect([...unanswered]).toEqual([]);
  // How often each command of each delivery was worked on.
  const workedOn = async (): Promise<ReadonlyMap<string, number>> => {
    const done = new Map<string, number>();
    for (const task of (await readdir(logDir)).filter((name) => name.startsWith('task-'))) {
      const input = await readDocument(logDir, task, '01-input.json');
      const { webhook_id, command } = (input?.source_metadata ?? {}) as Record<string, unknown>;
      const result = await readDocument(logDir, task, '04-final-result.json');
      const name = `${webhook_id} ${command}`;
      if (result?.status === 'completed') done.set(name, (done.get(name) ?? 0) + 1);
    }
    return done;
  };
  const started = await until(
    async () => {
      const open = await fetch(`${services.at(-1)?.url}/api/tasks?status=queued`);
      const { items } = (await open.json()) as { readonly items: readonly unknown[] };
      const done = await workedOn();
      return items.length === 0 && done.size === 60 ? done : undefined;
    },
    'every task',
    60_000,
  );
  expect(started.size).toBe(60);
  expect([...started].filter(([, times]) => times !== 1)).toEqual([]);
}, 120_000);

test('a task with only killed attempts is abandoned, with the reason in its result', async () => {
  await writeFile(
    join(cwd, 'tasktrail.config.json'),
    JSON.stringify({ agents: { stuck: { command: ['sh', '-c', 'echo begun; sleep 5'] } } }),
  );
  const env = { TASK_LOGS_ATTEMPTS: '2' };
  let id = '';
  for (const attempt of [1, 2]) {
    const service = await start(env);
    if (attempt === 1) id = await service.sendComment('@agent review');
    await until(async () => {
      const lines = await readLines(join(logDir, id, '03-agent-output.jsonl'));
      return lines.filter(({ content }) => content === 'begun\n').length === attempt;
    }, `attempt ${attempt}`);
    await service.dispose();
    // The agent is killed too, so there is no run to resume.
    await killProcessesWith(`TASK_LOGS_TASK_ID=${id}`);
  }
  const last = await start(env);
  expect(await resultOf(logDir, id)).toMatchObject({
    success: false,
    status: 'abandoned',
    error: 'its process ended during each of 2 attempts',
  });
  await expectConsistent(id);
  const [workflow] = await until(async () => {
    const response = await fetch(`${last.url}/api/workflows?status=cancelled`);
    const { items } = (await response.json()) as { readonly items: readonly unknown[] };
    return items.length > 0 ? items : undefined;
  }, 'its workflow to be closed');
  // Continuing what was open at the kill is not a retry.
  expect(workflow).toMatchObject({ task_ids: [id], status: 'cancelled', measured: { retries: 0 } });
});

test('an agent that outlives its killed service is resumed, and its secrets are masked', async () => {
  const secret = `ghp_${'a1B2'.repeat(9)}`;
  const script = `trap '' TERM HUP; echo token ${secret}; echo begun; (while true; do sleep 0.1; done) & while [ ! -e go ]; do sleep 0.05; done; kill -9 $!`;
  await writeFile(
    join(cwd, 'tasktrail.config.json'),
    JSON.stringify({ agents: { stubborn: { command: ['sh', '-c', script] } } }),
  );
  const first = await start({});
  const id = await first.sendComment('@agent review');
  const contents = async (): Promise<unknown[]> =>
    (await readLines(join(logDir, id, '03-agent-output.jsonl'))).map(({ content }) => content);
  await until(async () => (await contents()).includes('begun\n'), 'its first lines');
  await first.dispose();
  const orphans = await processesWith(`TASK_LOGS_TASK_ID=${id}`);
  expect(orphans.length).toBeGreaterThan(1);
  expect(await filesWith(join(logDir, '_agent'), secret)).toHaveLength(1);

  await start({});
  await until(async () => {
    const metadata = await readDocument(logDir, id, 'metadata.json');
    return metadata?.attempt === 2 && metadata.status === 'running';
  }, 'the next attempt');
  const running = await processesWith(`TASK_LOGS_TASK_ID=${id}`);
  expect(running.filter((pid) => orphans.includes(pid)).length).toBeGreaterThan(1);
  expect(await readdir(join(logDir, '_agent', id))).toHaveLength(1);
  await writeFile(join(cwd, 'go'), '');
  expect(await resultOf(logDir, id)).toMatchObject({ status: 'completed' });
  expect((await contents()).filter((content) => content === 'begun\n')).toHaveLength(1);
  await until(
    async () => (await readdir(join(logDir, '_agent'))).length === 0,
    'the folder of the run to go',
  );
  expect(await filesWith(logDir, secret)).toEqual([]);
  expect(await filesWith(logDir, 'begun')).not.toEqual([]);
});

/** The service may remove a temporary file or a folder meanwhile. */
async function filesWith(directory: string, text: string): Promise<string[]> {
  const list = () => readdir(directory, { recursive: true, withFileTypes: true }).catch(() => undefined);
  const entries = await until(list, 'a whole listing');
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  const texts = await Promise.all(paths.map((path) => readFile(path, 'latin1').catch(() => '')));
  return paths.filter((_, index) => texts[index]?.includes(text));
}

test('tasks that come in while an earlier run is being recovered run once', async () => {
  const script = 'while [ ! -e go ]; do sleep 0.02; done; echo one';
  await writeFile(
    join(cwd, 'tasktrail.config.json'),
    JSON.stringify({ agents: { waiting: { command: ['sh', '-c', script] } } }),
  );
  // So many torn files that mending them takes longer than a webhook.
  const torn = Array.from({ length: 300 }, (_, n) => join(logDir, `task-${n}`, '03-agent-output.jsonl'));
  for (const path of torn) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, '{"torn');
  }
  const service = await start({ TASK_LOGS_CONCURRENCY: '1' });
  const ids = await Promise.all(Array.from({ length: 6 }, () => service.sendComment('@agent review')));
  await until(async () => {
    const sizes = await Promise.all(torn.map(async (path) => (await stat(path)).size));
    return sizes.every((size) => size === 0);
  }, 'the recovery');
  await writeFile(join(cwd, 'go'), '');
  for (const id of ids) {
    expect(await resultOf(logDir, id)).toMatchObject({ status: 'completed' });
    const lines = await readLines(join(logDir, id, '03-agent-output.jsonl'));
    expect(lines.filter(({ type }) => type === 'output')).toHaveLength(1);
  }
  expect((await service.stop()).code).toBe(0);
  expect(service.stdout).not.toContain('queued again');
});
