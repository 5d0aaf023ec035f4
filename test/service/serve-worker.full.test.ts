import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { agentsOf, Fleet, numbered, submit, waitingUntilGo } from '../support/fleet.ts';
import { attribute, readDeliveries } from '../support/receiver.ts';
import { findRedis } from '../support/redis.ts';
import { firstTaskId, readDocument, resultOf, type ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';
import { CUSTOM_WEBHOOK, SECRET_ENV, say, VENDOR, VENDORS } from '../support/vendors.ts';

const program = findRedis();

/** Ended as it should: once in its result, its attempts siblings below the one span that enqueued it. */
async function expectAttempts(fleet: Fleet, id: string, count: number): Promise<void> {
  const spans = await fleet.spans(id, 'process agent', count);
  const [send, ...more] = spans.filter(({ name }) => name === 'send agent');
  const attempts = spans.filter(({ name }) => name === 'process agent');
  expect(more).toEqual([]);
  expect(attempts).toHaveLength(count);
  for (const { parentSpanId, traceId } of attempts) {
    expect(parentSpanId).toBe(send?.spanId);
    expect(traceId).toBe(send?.traceId);
  }
}

/** Every line once and in order. */
async function expectAllNumbers(fleet: Fleet, id: string, count: number): Promise<void> {
  const all = Array.from({ length: count }, (_, n) => n);
  await until(async () => (await fleet.numbers(id)).length >= count, 'every line', 20_000);
  expect(await fleet.numbers(id)).toEqual(all);
  const ids = (await fleet.lines(id)).map(({ event_id }) => event_id);
  expect(new Set(ids).size).toBe(ids.length);
}

async function runOn(fleet: Fleet, id: string): Promise<unknown> {
  return (await readDocument(fleet.logDir, id, 'metadata.json'))?.attempt;
}

describe.skipIf('missing' in program)('a service and its workers over Redis', () => {
  test('tasks from webhooks and REST run on either worker, in one directory and one trace', async () => {
    const fleet = await Fleet.open(program);
    const whoami = ['sh', '-c', 'cat; echo; echo "worker $WORKER"; sleep 0.3'];
    await fleet.configure({
      agents: { whoami: { command: whoami, env: ['WORKER'] } },
      webhooks: CUSTOM_WEBHOOK,
    });
    const service = await fleet.start('serve', SECRET_ENV);
    const env = { ...SECRET_ENV, TASK_LOGS_CONCURRENCY: '1' };
    const workers = await Promise.all(
      ['one', 'two'].map((name) => fleet.start('worker', { ...env, WORKER: name })),
    );
    expect(service.stdout).toContain('/webhooks/github | jira | slack | ci');
    expect(service.stdout).not.toContain('agent  ');
    for (const { stdout } of workers) {
      expect(stdout).toContain(', worker\n');
      expect(stdout).toContain(`sends to   the process that holds ${fleet.logDir}`);
      expect(stdout).not.toContain('POST ');
    }
    const ids: string[] = [];
    for (const vendor of VENDORS) {
      const answer = await say(service.url, vendor, '@agent review this, please');
      expect(answer.status, vendor.name).toBe(202);
      ids.push(firstTaskId(await answer.json()));
    }
    for (let n = 0; n < 4; n += 1) ids.push(await submit(service, { message: `by REST ${n}` }));
    const done = new Set<string>();
    for (const [index, id] of ids.entries()) {
      expect(await resultOf(fleet.logDir, id, 30_000)).toMatchObject({ success: true, status: 'completed' });
      const output = (await fleet.lines(id)).map(({ content }) => content).join('');
      done.add(/worker (one|two)\n/.exec(output)?.[1] ?? '?');
      await expectAttempts(fleet, id, 1);
      if (index >= VENDORS.length) continue;
      expect(output).toMatch(/^@agent review this, please\n/);
      const spans = await fleet.spans(id, 'invoke_agent whoami', 1);
      const post = spans.find(({ name }) => name === `POST /webhooks/${VENDORS[index]?.name}`);
      expect(spans.find(({ name }) => name === 'send agent')?.parentSpanId).toBe(post?.spanId);
      expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
      expect((await fleet.lines(id, '02-webhook-flow')).map(({ stage }) => stage)).toEqual([
        'received',
        'validation',
        'command_matching',
        'immediate_response',
        'task_created',
        'queue_push',
      ]);
    }
    // Each of them has worked.
    expect([...done].sort()).toEqual(['one', 'two']);
    const deliveries = await readDeliveries(fleet.logDir);
    expect(deliveries.map(({ provider, outcome }) => [provider, outcome])).toEqual(
      VENDORS.map(({ name }) => [name, 'accepted']),
    );
    for (const worker of workers) expect((await worker.stop()).code).toBe(0);
    expect((await service.stop()).code).toBe(0);
    expect(workers.map(({ stderr }) => stderr)).toEqual(['', '']);
    expect(service.stderr).toBe('');
    expect(await readdir(join(fleet.logDir, '_journal'))).toEqual([]);
  }, 120_000);

  test('a worker on another machine sends its records to the service`s OTLP address, with the token', async () => {
    const fleet = await Fleet.open(program);
    const token = 'a-token-of-the-tests';
    const command = ['sh', '-c', 'echo hello; env'];
    await fleet.configure({ agents: { hello: { command } }, webhooks: {} });
    const service = await fleet.start('serve', { ...SECRET_ENV, TASK_LOGS_API_TOKEN: token });
    const elsewhere = join(fleet.cwd, 'elsewhere');
    const worker = await fleet.start('worker', {
      TASK_LOGS_DIR: elsewhere,
      TASK_LOGS_STORE: 'false',
      OTEL_EXPORTER_OTLP_ENDPOINT: service.otlpUrl,
      OTEL_EXPORTER_OTLP_HEADERS: `Authorization=Bearer%20${token}`,
    });
    expect(worker.stdout).toContain(`sends to   ${service.otlpUrl}`);
    const answer = await say(service.url, VENDOR.github, '@agent review');
    const id = firstTaskId(await answer.json());
    expect(await resultOf(fleet.logDir, id)).toMatchObject({ success: true });
    const output = (await fleet.lines(id)).map(({ content }) => content).join('');
    expect(output).toMatch(/^hello\n/);
    // The telemetry of the agent goes to the same address.
    expect(output).toContain(`OTEL_EXPORTER_OTLP_ENDPOINT=${service.otlpUrl}`);
    await expectAttempts(fleet, id, 1);
    const workflow = await fleet.endedWorkflow(service, id, { authorization: `Bearer ${token}` });
    expect(workflow).toMatchObject({ status: 'success', task_ids: [id] });
    expect((await worker.stop()).code).toBe(0);
    expect(worker.stderr).toBe('');
    expect((await readdir(elsewhere)).filter((name) => !name.startsWith('_'))).toEqual([]);
  }, 120_000);

  test.each([
    ['with a token', { TASK_LOGS_API_TOKEN: 'a-token-of-the-tests' }],
    ['without a token', {}],
  ])(
    'a worker on another machine needs the shared key alone; the service is %s',
    async (_name, access) => {
      const fleet = await Fleet.open(program);
      const key = { TASK_LOGS_KEY: 'a key that both machines share, of 32 characters' };
      await fleet.configure({ agents: { hello: { command: ['sh', '-c', 'echo hello'] } }, webhooks: {} });
      const service = await fleet.start('serve', { ...SECRET_ENV, ...access, ...key });
      const worker = await fleet.start('worker', {
        ...key,
        TASK_LOGS_DIR: join(fleet.cwd, 'elsewhere'),
        TASK_LOGS_STORE: 'false',
        OTEL_EXPORTER_OTLP_ENDPOINT: service.otlpUrl,
      });
      const answer = await say(service.url, VENDOR.github, '@agent review');
      const id = firstTaskId(await answer.json());
      expect(await resultOf(fleet.logDir, id)).toMatchObject({ success: true });
      expect((await fleet.lines(id)).map(({ content }) => content).join('')).toBe('hello\n');
      expect((await worker.stop()).code).toBe(0);
      expect(worker.stderr).toBe('');
    },
    120_000,
  );

  // From here on they wait for half a minute and more.
  test.concurrent('another worker takes over the agent of a killed worker', async () => {
    const lines = 3_000;
    const fleet = await Fleet.open(program);
    await fleet.configure({ agents: { numbered: { command: numbered(lines, 10), dialect: 'claude' } } });
    const service = await fleet.start('serve');
    const first = await fleet.start('worker');
    const id = await submit(service);
    await fleet.untilPrinted(id, 'line 50');
    const second = await fleet.start('worker');
    const [agent] = await agentsOf(id);
    await first.dispose();
    expect(await agentsOf(id)).toContain(agent);
    const result = await resultOf(fleet.logDir, id, 90_000);
    expect(result).toMatchObject({ status: 'completed', metrics: { cost_usd: 0.25, input_tokens: 123 } });
    await expectAllNumbers(fleet, id, lines);
    expect(await runOn(fleet, id)).toBe(2);
    await expectAttempts(fleet, id, 2);
    const runs = await fleet.spans(id, 'invoke_agent numbered', 1);
    expect(runs.filter(({ name }) => name === 'invoke_agent numbered')).toHaveLength(1);
    expect(second.stderr).toBe('');
  }, 180_000);

  test.concurrent('a worker that starts after the only one was killed takes over its agent too', {
    tags: ['long'],
    timeout: 300_000,
  }, async () => {
    const lines = 400;
    const fleet = await Fleet.open(program);
    await fleet.configure({ agents: { numbered: { command: numbered(lines, 5), dialect: 'claude' } } });
    const service = await fleet.start('serve');
    const first = await fleet.start('worker');
    const id = await submit(service);
    await fleet.untilPrinted(id, 'line 20');
    await first.dispose();
    // The agent ends while there is no worker.
    await until(async () => (await agentsOf(id)).length === 0, 'the agent to end', 30_000);
    await fleet.start('worker');
    expect(await resultOf(fleet.logDir, id, 60_000)).toMatchObject({
      status: 'completed',
      metrics: { cost_usd: 0.25 },
    });
    await expectAllNumbers(fleet, id, lines);
    await expectAttempts(fleet, id, 2);
  });

  test.concurrent('a worker that is stopped in the middle gives its task to another one, and no attempt is used up', async () => {
    const fleet = await Fleet.open(program);
    await fleet.configure({ agents: { waiting: { command: waitingUntilGo() } } });
    const env = { TASK_LOGS_ATTEMPTS: '1' };
    const service = await fleet.start('serve', env);
    const first = await fleet.start('worker', env);
    const id = await submit(service);
    await fleet.untilPrinted(id, 'begun');
    const second = await fleet.start('worker', env);
    expect((await first.stop()).code).toBe(0);
    await fleet.untilPrinted(id, 'begun', 2);
    await fleet.go();
    expect(await resultOf(fleet.logDir, id)).toMatchObject({ status: 'completed' });
    expect(await readDocument(fleet.logDir, id, 'metadata.json')).toMatchObject({ attempt: 2, stops: 1 });
    await expectAttempts(fleet, id, 2);
    expect([first.stderr, second.stderr, service.stderr]).toEqual(['', '', '']);
  }, 120_000);

  test.concurrent('a task whose worker and agent are killed without another worker is abandoned, and nothing of it stays open', async () => {
    const fleet = await Fleet.open(program);
    await fleet.configure({ agents: { waiting: { command: waitingUntilGo() } } });
    const service = await fleet.start('serve');
    const worker = await fleet.start('worker');
    const id = await submit(service);
    await fleet.untilPrinted(id, 'begun');
    await worker.dispose();
    await fleet.killAgents(id);
    // The last heartbeat came up to ten seconds before the kill.
    const result = await resultOf(fleet.logDir, id, 70_000);
    expect(result).toMatchObject({ success: false, status: 'abandoned' });
    await expectClosed(fleet, service, id);
    expect(service.stderr).toContain(`closed silent tasks as abandoned: ${id}`);
    // Who comes later finds the job, and does it after all.
    await fleet.go();
    await fleet.start('worker');
    await until(async () => {
      const metadata = await readDocument(fleet.logDir, id, 'metadata.json');
      return metadata?.status === 'completed';
    }, 'its next attempt');
    expect(await runOn(fleet, id)).toBe(2);
  }, 180_000);
});

async function expectClosed(fleet: Fleet, service: ServiceProcess, id: string): Promise<void> {
  expect(await fleet.endedWorkflow(service, id)).toMatchObject({ status: 'cancelled', task_ids: [id] });
  const names = ['process agent', 'workflow task', 'phase build', 'step run-agent', 'invoke_agent waiting'];
  const spans = await fleet.spans(id, 'invoke_agent waiting', 1);
  for (const name of names) {
    const found = spans.filter((span) => span.name === name);
    expect(found, name).toHaveLength(1);
    expect(found[0]?.status?.code, name).toBe(2);
    const lost = name === 'workflow task' ? 'cancelled' : 'process_lost';
    expect(found[0] && attribute(found[0], 'error.type'), name).toBe(lost);
  }
}
