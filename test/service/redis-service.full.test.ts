import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { comment, deliver } from '../support/deliveries.ts';
import { Fleet, submit } from '../support/fleet.ts';
import { readDeliveries } from '../support/receiver.ts';
import { findRedis } from '../support/redis.ts';
import { firstTaskId, resultOf, type ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const program = findRedis();

/** Each run of a task leaves a line, so that two runs of one task are seen. */
const COUNTED = ['sh', '-c', 'echo $TASK_LOGS_TASK_ID >> ran; sleep 0.2'];

const WEBHOOK_MS = 40;

interface Refusal {
  readonly deliveryId: string;
  readonly retryAfter: string | null;
}

/** Sends webhooks continuously, also after a refusal. */
class Stream {
  readonly accepted: string[] = [];
  readonly refused: Refusal[] = [];
  readonly others: number[] = [];
  readonly #url: string;
  #isOver = false;
  #count = 0;
  readonly #sent: Promise<void>[] = [];

  constructor(url: string) {
    this.#url = url;
    this.#sent.push(this.#send());
  }

  async end(): Promise<void> {
    this.#isOver = true;
    // The first one sends the others: when it is done, all are there.
    await this.#sent[0];
    await Promise.all(this.#sent);
  }

  async #send(): Promise<void> {
    while (!this.#isOver) {
      this.#sent.push(this.#deliver(`delivery-${this.#count}`));
      this.#count += 1;
      await delay(WEBHOOK_MS);
    }
  }

  async #deliver(id: string): Promise<void> {
    const response = await deliver(this.#url, comment('@agent review'), { id });
    const body: unknown = await response.json();
    if (response.status === 202) this.accepted.push(firstTaskId(body));
    else if (response.status === 503)
      this.refused.push({ deliveryId: id, retryAfter: response.headers.get('retry-after') });
    else this.others.push(response.status);
  }
}

async function runsOf(fleet: Fleet): Promise<Map<string, number>> {
  const text = await readFile(join(fleet.cwd, 'ran'), 'utf8').catch(() => '');
  const runs = new Map<string, number>();
  for (const id of text.split('\n').filter(Boolean)) runs.set(id, (runs.get(id) ?? 0) + 1);
  return runs;
}

function untilReady(service: ServiceProcess, isReady: boolean): Promise<string> {
  return until(async () => {
    const response = await fetch(`${service.url}/readyz`);
    return response.ok === isReady ? response.text() : undefined;
  }, `readiness to be ${isReady}`);
}

describe.skipIf('missing' in program)('a Redis that goes away', () => {
  test.each([
    ['a service and a worker, Redis keeping its data', ['serve', 'worker'], true],
    ['a service and a worker, Redis losing its data', ['serve', 'worker'], false],
    ['all in one process, Redis losing its data', ['start'], false],
  ] as const)(
    '%s: accepted tasks run once, refused ones get a 503 and never run',
    async (_how, roles, keepsData) => {
      const fleet = await Fleet.open(program, { appendOnly: keepsData });
      await fleet.configure({ agents: { counted: { command: COUNTED } } });
      const [first, ...others] = await Promise.all(
        roles.map((role) => fleet.start(role, { TASK_LOGS_CONCURRENCY: '2' })),
      );
      const service = first as ServiceProcess;
      const stream = new Stream(service.url);
      await until(() => stream.accepted.length >= 20, 'tasks to be accepted');
      // By now some run, and many wait.
      await fleet.redis?.kill();
      await until(() => stream.refused.length >= 20, 'webhooks to be refused', 20_000);
      const problem = await untilReady(service, false);
      expect(problem).toContain('queue');
      expect(problem).toContain(`127.0.0.1:${fleet.redis?.port}`);
      const before = stream.accepted.length;
      await fleet.redis?.start();
      await until(() => stream.accepted.length >= before + 10, 'to be back', 20_000);
      await stream.end();
      await untilReady(service, true);
      expect(stream.others).toEqual([]);
      for (const id of stream.accepted)
        expect(await resultOf(fleet.logDir, id, 60_000), id).toMatchObject({ status: 'completed' });
      for (const { retryAfter } of stream.refused) expect(retryAfter).toBe('5');
      const deliveries = await readDeliveries(fleet.logDir);
      for (const { deliveryId } of stream.refused) {
        const line = deliveries.find(({ delivery_id: id }) => id === deliveryId);
        expect(line, deliveryId).toMatchObject({ outcome: 'rejected' });
        const stages = (line?.stages ?? []) as readonly Record<string, unknown>[];
        expect(stages.find(({ stage }) => stage === 'queue_push')).toMatchObject({
          status: 'failed',
          reason: expect.stringContaining('Redis at 127.0.0.1'),
        });
        expect(line).toMatchObject({ task_ids: [], tries: 1 });
      }
      // A refused one has no task.
      const folders = (await readdir(fleet.logDir)).filter((name) => !name.startsWith('_'));
      expect(folders.sort()).toEqual([...stream.accepted].sort());
      // Each once, and nothing else.
      const runs = await runsOf(fleet);
      expect([...runs.keys()].sort()).toEqual([...stream.accepted].sort());
      expect([...runs].filter(([, times]) => times !== 1)).toEqual([]);
      for (const { stderr } of [service, ...others]) {
        expect(stderr).toMatch(
          /^tasktrail: Redis at \S+ cannot be reached: .*\ntasktrail: Redis at \S+ is back\n$/,
        );
      }
    },
    120_000,
  );

  test('a service that starts before its Redis refuses at first, and works once Redis is there', async () => {
    const fleet = await Fleet.open(program);
    await fleet.configure({ agents: { counted: { command: COUNTED } } });
    await fleet.redis?.kill();
    const [service, worker] = await Promise.all([fleet.start('serve'), fleet.start('worker')]);
    const refused = await service.submit({ message: 'go' });
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('5');
    expect(await refused.json()).toMatchObject({ code: 'ERR_QUEUE_UNAVAILABLE' });
    await untilReady(service, false);
    await fleet.redis?.start();
    await untilReady(service, true);
    const id = await submit(service);
    expect(await resultOf(fleet.logDir, id)).toMatchObject({ status: 'completed' });
    expect((await worker.stop()).code).toBe(0);
  }, 60_000);

  test('service and worker stop while Redis is away, and the running task is completed afterwards', async () => {
    const fleet = await Fleet.open(program, { appendOnly: true });
    await fleet.configure({ agents: { counted: { command: ['sh', '-c', 'echo begun; sleep 1'] } } });
    const [service, worker] = await Promise.all([fleet.start('serve'), fleet.start('worker')]);
    const id = await submit(service);
    await fleet.untilPrinted(id, 'begun');
    await fleet.redis?.kill();
    expect((await worker.stop()).code).toBe(0);
    expect((await service.stop()).code).toBe(0);
    await fleet.redis?.start();
    await Promise.all([fleet.start('serve'), fleet.start('worker')]);
    expect(await resultOf(fleet.logDir, id, 60_000)).toMatchObject({ status: 'completed' });
  }, 120_000);
});
