import { describe, expect, test } from 'vitest';
import { agentsOf, Fleet, submit, waitingUntilGo } from '../support/fleet.ts';
import { attribute } from '../support/receiver.ts';
import { findRedis } from '../support/redis.ts';
import { type Env, readDocument, resultOf, type ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const program = findRedis();

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

async function cancel(service: ServiceProcess, id: string, headers: Env = {}): Promise<Answer> {
  const response = await fetch(`${service.url}/api/tasks/${id}/cancel`, { method: 'POST', headers });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const AGENTS = {
  waiting: { command: waitingUntilGo() },
  stubborn: { command: waitingUntilGo("trap '' TERM HUP; (while true; do sleep 0.1; done) &") },
  quick: { command: ['true'] },
};

/** The service and its worker, which runs one task at a time. */
interface Setup {
  readonly fleet: Fleet;
  readonly service: ServiceProcess;
  readonly worker: ServiceProcess;
}

async function inProcess(env: Env = {}): Promise<Setup> {
  const fleet = await Fleet.open();
  await fleet.configure({ agents: AGENTS });
  const service = await fleet.start('start', { TASK_LOGS_CONCURRENCY: '1', ...env });
  return { fleet, service, worker: service };
}

async function overRedis(env: Env = {}): Promise<Setup> {
  const fleet = await Fleet.open(program);
  await fleet.configure({ agents: AGENTS });
  const service = await fleet.start('serve', env);
  const worker = await fleet.start('worker', { TASK_LOGS_CONCURRENCY: '1', ...env });
  return { fleet, service, worker };
}

/** Cancelled in the files, the workflow included, with no process and no open span left. */
async function expectCancelled({ fleet, service }: Setup, id: string): Promise<void> {
  expect(await resultOf(fleet.logDir, id)).toMatchObject({ success: false, status: 'cancelled' });
  const metadata = await readDocument(fleet.logDir, id, 'metadata.json');
  expect(metadata?.status).toBe('cancelled');
  await until(async () => (await agentsOf(id)).length === 0, 'its processes to end');
  // One that never ran has none.
  if (Array.isArray(metadata?.workflow_ids) && metadata.workflow_ids.length > 0)
    expect((await fleet.endedWorkflow(service, id)).status).toBe('cancelled');
}

describe.each([
  ['in process', false, inProcess],
  ['over Redis', 'missing' in program, overRedis],
])('%s', (_where, isSkipped, open) => {
  test.skipIf(isSkipped)(
    'a task that runs is cancelled, with its workflow and its spans, and the next one runs',
    async () => {
      const setup = await open();
      const { fleet, service } = setup;
      const id = await submit(service);
      const next = await submit(service, { message: 'go', agent: 'quick' });
      await fleet.untilPrinted(id, 'begun');
      const [first, second] = await Promise.all([cancel(service, id), cancel(service, id)]);
      expect(first).toEqual({ status: 202, body: { task_id: id, status: 'cancelling' } });
      expect(second).toEqual(first);
      await expectCancelled(setup, id);
      const spans = await fleet.spans(id, 'process agent', 1);
      for (const name of ['process agent', 'workflow task', 'phase build', 'invoke_agent waiting']) {
        const span = spans.find((one) => one.name === name);
        expect(span?.status?.code, name).toBe(2);
      }
      const run = spans.find(({ name }) => name === 'invoke_agent waiting');
      expect(run && attribute(run, 'error.type')).toBe('cancelled');
      expect(await resultOf(fleet.logDir, next)).toMatchObject({ status: 'completed' });
      const again = await cancel(service, id);
      expect(again).toMatchObject({ status: 409, body: { code: 'ERR_CONFLICT' } });
      expect(again.body.detail).toContain('has ended: cancelled');
    },
  );

  test.skipIf(isSkipped)('a task that waits is cancelled and never starts', async () => {
    const setup = await open();
    const { fleet, service } = setup;
    const running = await submit(service);
    const id = await submit(service);
    const twin = await submit(service);
    // At once, before anything of it is known to be on the disk; and twice.
    const answers = await Promise.all([cancel(service, id), cancel(service, id), cancel(service, twin)]);
    for (const { status, body } of answers) {
      expect(status).toBe(200);
      expect(body.status).toBe('cancelled');
    }
    await fleet.go();
    expect(await resultOf(fleet.logDir, running)).toMatchObject({ status: 'completed' });
    for (const one of [id, twin]) {
      await expectCancelled(setup, one);
      expect((await resultOf(fleet.logDir, one)).error).toBe('cancelled while it waited');
      expect(await fleet.lines(one)).toEqual([]);
    }
    // The worker is idle: a cancelled task is not handed out later either.
    const last = await submit(service, { message: 'go', agent: 'quick' });
    expect(await resultOf(fleet.logDir, last)).toMatchObject({ status: 'completed' });
    for (const one of [id, twin])
      expect((await readDocument(fleet.logDir, one, 'metadata.json'))?.started_at ?? null).toBeNull();
  });

  test.skipIf(isSkipped)('an agent that ignores SIGTERM is killed with its children', async () => {
    const setup = await open();
    const { fleet, service } = setup;
    const id = await submit(service, { message: 'go', agent: 'stubborn' });
    await fleet.untilPrinted(id, 'begun');
    expect((await agentsOf(id)).length).toBeGreaterThan(1);
    expect((await cancel(service, id)).status).toBe(202);
    await expectCancelled(setup, id);
  });

  test.skipIf(isSkipped)('a cancel that is not possible is refused with the reason', async () => {
    const { fleet, service } = await open();
    const over = await submit(service, { message: 'go', agent: 'quick' });
    await resultOf(fleet.logDir, over);
    const conflict = await cancel(service, over);
    expect(conflict).toMatchObject({ status: 409, body: { code: 'ERR_CONFLICT' } });
    expect(conflict.body.detail).toContain('has ended: completed');
    expect(await cancel(service, 'task-unknown')).toMatchObject({
      status: 404,
      body: { code: 'ERR_NOT_FOUND' },
    });
    for (const bad of ['..%2f_webhooks', '_agent', '%00', 'a%20b', 'x'.repeat(129)])
      expect(await cancel(service, bad), bad).toMatchObject({
        status: 400,
        body: { code: 'ERR_ID_INVALID' },
      });
    const got = await fetch(`${service.url}/api/tasks/${over}/cancel`);
    expect(got.status).toBe(405);
  });

  test.skipIf(isSkipped)('with a token set, a cancel needs the token', async () => {
    const token = 'a-token-of-the-tests';
    const { fleet, service } = await open({ TASK_LOGS_API_TOKEN: token });
    const authorization = `Bearer ${token}`;
    const response = await service.submit({ message: 'go' }, { authorization });
    const { task_ids: ids } = (await response.json()) as { readonly task_ids: readonly string[] };
    const id = ids[0] ?? '';
    await fleet.untilPrinted(id, 'begun');
    expect((await cancel(service, id)).status).toBe(401);
    expect((await cancel(service, id, { authorization: 'Bearer another-token' })).status).toBe(401);
    await until(async () => {
      const metadata = await readDocument(fleet.logDir, id, 'metadata.json');
      return metadata?.status === 'running';
    }, 'the task to be running still');
    expect((await cancel(service, id, { authorization })).status).toBe(202);
    expect(await resultOf(fleet.logDir, id)).toMatchObject({ status: 'cancelled' });
  });
});

test('a task of another process is refused with what to do', async () => {
  const { service } = await inProcess();
  const record = {
    timeUnixNano: `${Date.now()}000000`,
    eventName: 'tasktrail.task.metadata',
    attributes: [{ key: 'tasktrail.task.id', value: { stringValue: 'task-elsewhere' } }],
    body: {
      kvlistValue: { values: [{ key: 'status', value: { stringValue: 'running' } }] },
    },
  };
  const logs = { resourceLogs: [{ scopeLogs: [{ logRecords: [record] }] }] };
  const sent = await fetch(`${service.otlpUrl}/v1/logs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(logs),
  });
  expect(sent.status).toBe(200);
  const refused = await until(async () => {
    const answer = await cancel(service, 'task-elsewhere');
    return answer.status === 404 ? undefined : answer;
  }, 'the task to be known');
  expect(refused).toMatchObject({ status: 409, body: { code: 'ERR_CONFLICT' } });
  expect(refused.body.detail).toContain('cancel it where it runs');
});

test('a task that waits for its next attempt after a kill is cancelled, and so is the workflow that it left open', async () => {
  const { fleet, service } = await inProcess({ TASK_LOGS_CONCURRENCY: '2' });
  const ids = [await submit(service), await submit(service)];
  for (const id of ids) await fleet.untilPrinted(id, 'begun');
  await service.dispose();
  for (const id of ids) await fleet.killAgents(id);
  const next = await fleet.start('start', { TASK_LOGS_CONCURRENCY: '1' });
  const waiting = await until(async () => {
    const states = new Map<unknown, string>();
    for (const id of ids) {
      const metadata = await readDocument(fleet.logDir, id, 'metadata.json');
      if (metadata?.attempt === 2) states.set(metadata.status, id);
    }
    return states.has('running') ? states.get('queued') : undefined;
  }, 'one to run again and one to wait');
  expect((await cancel(next, waiting)).body.status).toBe('cancelled');
  const setup = { fleet, service: next, worker: next };
  await expectCancelled(setup, waiting);
  expect(await fleet.endedWorkflow(next, waiting)).toMatchObject({ status: 'cancelled', attempt: 1 });
});

test.skipIf('missing' in program)(
  'a task whose job was lost with Redis`s data is cancelled where it runs',
  async () => {
    const setup = await overRedis();
    const { fleet, service } = setup;
    const id = await submit(service);
    await fleet.untilPrinted(id, 'begun');
    await fleet.redis?.start({ empty: true });
    await until(async () => (await fetch(`${service.url}/readyz`)).ok, 'readiness');
    expect((await cancel(service, id)).status).toBe(200);
    await expectCancelled(setup, id);
  },
);

test.skipIf('missing' in program)(
  'a task whose worker was killed is cancelled by the next worker, which ends the surviving agent',
  async () => {
    const setup = await overRedis();
    const { fleet, service, worker } = setup;
    const id = await submit(service, { message: 'go', agent: 'stubborn' });
    await fleet.untilPrinted(id, 'begun');
    await worker.dispose();
    expect(await cancel(service, id)).toMatchObject({ status: 202, body: { status: 'cancelling' } });
    expect((await agentsOf(id)).length).toBeGreaterThan(1);
    await fleet.start('worker');
    await until(
      async () => {
        const metadata = await readDocument(fleet.logDir, id, 'metadata.json');
        return metadata?.status === 'cancelled';
      },
      'the cancellation',
      45_000,
    );
    await expectCancelled(setup, id);
  },
  90_000,
);

test.skipIf('missing' in program)(
  'while Redis is away a cancel is answered with 503 and Retry-After, and the task continues',
  async () => {
    const { fleet, service } = await overRedis();
    const id = await submit(service);
    await fleet.untilPrinted(id, 'begun');
    await fleet.redis?.kill();
    const response = await fetch(`${service.url}/api/tasks/${id}/cancel`, { method: 'POST' });
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('5');
    await fleet.go();
    expect(await resultOf(fleet.logDir, id)).toMatchObject({ status: 'completed' });
  },
);
