import { type ChildProcess, spawn } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { comment, deliver, SECRET } from '../support/deliveries.ts';
import { attribute, readLines, readSpans } from '../support/receiver.ts';
import { findRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { copyExample, openSandbox, type Sandbox } from '../support/sandbox.ts';
import { firstTaskId, readDocument } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const program = findRedis();

describe.skipIf('missing' in program)('the example express-bullmq', () => {
  let redis: RedisServer;
  let sandbox: Sandbox;
  let child: ChildProcess | undefined;
  let output = '';

  beforeEach(async () => {
    output = '';
    sandbox = await openSandbox();
    redis = await startRedis(program);
  });

  afterEach(async () => {
    child?.kill('SIGKILL');
    await redis.stop();
    await sandbox.remove();
  });

  async function startApp(args: readonly string[]): Promise<string> {
    const cwd = await copyExample('express-bullmq', sandbox);
    const env = { ...sandbox.env, PORT: '0', REDIS_URL: redis.url, GITHUB_WEBHOOK_SECRET: SECRET };
    child = spawn(process.execPath, [...args, 'app.js'], { cwd, env });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    return until(() => /listening on (\S+)/.exec(output)?.[1], `the app to listen: ${output}`, 30_000);
  }

  async function runTask(url: string): Promise<string> {
    const response = await deliver(url, comment('@agent review this'));
    expect([response.status, output]).toEqual([202, expect.any(String)]);
    const id = firstTaskId(await response.json());
    await until(() => readDocument(sandbox.logDir, id, '04-final-result.json'), 'the result of the task');
    return id;
  }

  test('a webhook becomes a job, an agent run and a task in the REST API', async () => {
    const url = await startApp([]);
    const id = await runTask(url);
    const answer = (await (await fetch(`${url}/api/tasks/${id}/logs/full`)).json()) as Record<
      string,
      unknown
    >;
    expect(answer).toMatchObject({
      metadata: { status: 'completed', provider: 'github', command: 'review' },
      input: { message: '@agent review this', source_metadata: { issue_number: 42 } },
      final_result: { success: true, result: expect.stringContaining('Nothing to complain about') },
    });
    const stages = answer.webhook_flow as readonly { readonly stage: string }[];
    expect(stages.map(({ stage }) => stage)).toEqual([
      ...['received', 'validation', 'command_matching', 'immediate_response', 'task_created', 'queue_push'],
    ]);
    const { status } = await fetch(`${url}/readyz`);
    expect(status).toBe(200);
    child?.kill('SIGTERM');
    await until(() => child?.exitCode ?? undefined, 'the app to end');
    expect(child?.exitCode).toBe(0);
    const spans = await readSpans(sandbox.logDir, id);
    expect(spans.map(({ name }) => name).sort()).toEqual([
      ...['POST /webhooks/github', 'invoke_agent node', 'phase build', 'phase frame'],
      ...['process reviews', 'send reviews', 'step look-up', 'step run-agent', 'workflow review'],
    ]);
  });

  test('spans and log records of an OpenTelemetry SDK in the app become part of the task', async () => {
    const url = await startApp(['--import', './sdk.js']);
    const id = await runTask(url);
    const lines = await readLines(`${sandbox.logDir}/${id}/03-agent-output.jsonl`);
    expect(lines).toContainEqual(expect.objectContaining({ type: 'system', content: 'issue 42 is open' }));
    const spans = await until(async () => {
      const found = await readSpans(sandbox.logDir, id);
      return found.length >= 10 ? found : undefined;
    }, 'the spans of the task');
    const own = spans.find(({ name }) => name === 'look up the issue');
    const step = spans.find(({ name }) => name === 'step look-up');
    expect(own?.parentSpanId).toBe(step?.spanId);
    expect(own && attribute(own, 'tasktrail.task.id')).toBe(id);
  });
});
