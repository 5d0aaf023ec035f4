import { cp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { comment, deliver } from '../support/deliveries.ts';
import { Fleet, numbered, submit } from '../support/fleet.ts';
import { readDeliveries } from '../support/receiver.ts';
import { findRedis, type RedisServer } from '../support/redis.ts';
import { firstTaskId, readDocument, resultOf, type ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const program = findRedis();

/** Each start leaves a line in `ran`. */
const SLOW = [
  'sh',
  '-c',
  'echo $TASK_LOGS_TASK_ID >> ran; while [ ! -e go ]; do sleep 0.05; done; echo done',
];

async function runsOf(fleet: Fleet, id: string): Promise<number> {
  const text = await readFile(join(fleet.cwd, 'ran'), 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line === id).length;
}

async function folders(fleet: Fleet): Promise<string[]> {
  return (await readdir(fleet.logDir)).filter((name) => !name.startsWith('_'));
}

function redisOf(fleet: Fleet): RedisServer {
  if (fleet.redis === undefined) throw new Error('no Redis');
  return fleet.redis;
}

/** Keeps the state of Redis, and brings it back: what it has saved since is lost, as after a restore. */
async function savePoint(fleet: Fleet): Promise<() => Promise<void>> {
  const redis = redisOf(fleet);
  const [from, to] = [join(redis.directory, 'appendonlydir'), join(fleet.cwd, 'saved')];
  await cp(from, to, { recursive: true });
  return async () => {
    await redis.kill();
    await rm(from, { recursive: true });
    await cp(to, from, { recursive: true });
    await redis.start();
  };
}

async function untilIdle(fleet: Fleet): Promise<void> {
  const raw = new Redis(redisOf(fleet).url);
  await until(async () => {
    const counts = [raw.llen('tasktrail:agent:wait'), raw.llen('tasktrail:agent:active')];
    const delayed = await raw.zcard('tasktrail:agent:delayed');
    return (await Promise.all(counts)).every((count) => count === 0) && delayed === 0;
  }, 'an empty queue');
  raw.disconnect();
}

async function startedWith(command: readonly string[]): Promise<{ fleet: Fleet; service: ServiceProcess }> {
  const fleet = await Fleet.open(program, { appendOnly: true });
  await fleet.configure({ agents: { agent: { command } } });
  return { fleet, service: await fleet.start('serve') };
}

describe.skipIf('missing' in program).concurrent('a Redis that forgets what it knew', () => {
  test('a task that runs is not started by another worker, which gets its job as if it were new', async () => {
    const { fleet, service } = await startedWith(SLOW);
    const id = await submit(service);
    const restore = await savePoint(fleet);
    const first = await fleet.start('worker', { TASK_LOGS_CONCURRENCY: '1' });
    await until(async () => (await runsOf(fleet, id)) === 1, 'the agent');
    // The first worker has no room for a second job.
    await restore();
    const second = await fleet.start('worker');
    await delay(8_000);
    expect(await runsOf(fleet, id)).toBe(1);
    await fleet.go();
    expect(await resultOf(fleet.logDir, id)).toMatchObject({ status: 'completed' });
    await untilIdle(fleet);
    expect(await runsOf(fleet, id)).toBe(1);
    expect(await readDocument(fleet.logDir, id, 'metadata.json')).toMatchObject({ attempt: 1 });
    expect([first.stderr, second.stderr].join('')).not.toContain('Error');
  }, 90_000);

  test('a task that has ended is not started again', async () => {
    const { fleet, service } = await startedWith(SLOW);
    const id = await submit(service);
    const restore = await savePoint(fleet);
    await fleet.go();
    const worker = await fleet.start('worker');
    expect(await resultOf(fleet.logDir, id)).toMatchObject({ status: 'completed' });
    await worker.stop();
    await restore();
    await fleet.start('worker');
    await untilIdle(fleet);
    expect(await runsOf(fleet, id)).toBe(1);
  }, 90_000);

  test('an emptied Redis loses neither a waiting task nor a line of one that runs, when its worker is killed too', async () => {
    const lines = 300;
    const { fleet, service } = await startedWith(numbered(lines, 20));
    const worker = await fleet.start('worker', { TASK_LOGS_CONCURRENCY: '1' });
    const id = await submit(service);
    await fleet.untilPrinted(id, 'line 20');
    const waiting = await submit(service);
    await worker.dispose();
    const raw = new Redis(redisOf(fleet).url);
    await raw.flushall();
    raw.disconnect();
    await fleet.start('worker');
    for (const task of [id, waiting]) {
      expect(await resultOf(fleet.logDir, task, 60_000)).toMatchObject({ status: 'completed' });
      await until(async () => (await fleet.numbers(task)).length >= lines, 'every line');
      expect(await fleet.numbers(task)).toEqual(Array.from({ length: lines }, (_, n) => n));
    }
  }, 150_000);

  test('a webhook that is sent until Redis is back is a line for each try, and one task', async () => {
    const { fleet, service } = await startedWith(['sh', '-c', 'echo $TASK_LOGS_TASK_ID >> ran']);
    await fleet.start('worker');
    const redis = redisOf(fleet);
    await redis.kill();
    const payload = comment('@agent review');
    const send = () => deliver(service.url, payload, { id: 'delivery-1' });
    for (let n = 0; n < 4; n += 1) expect((await send()).status).toBe(503);
    expect((await service.submit({ message: 'by REST' })).status).toBe(503);
    await redis.start();
    const answer = await until(async () => {
      const response = await send();
      return response.status === 202 ? response : undefined;
    }, 'an accepted delivery');
    const id = firstTaskId(await answer.json());
    expect(await resultOf(fleet.logDir, id)).toMatchObject({ status: 'completed' });
    expect(await folders(fleet)).toEqual([id]);
    const tries = (await readDeliveries(fleet.logDir)).map((line) => [
      line.outcome,
      line.tries,
      line.task_ids,
    ]);
    expect(tries).toEqual([
      ...tries.slice(1).map((_, n) => ['rejected', n + 1, []]),
      ['accepted', tries.length, [id]],
    ]);
    expect(tries.length).toBeGreaterThan(4);
    expect((await fleet.lines(id, '02-webhook-flow')).map(({ stage }) => stage)).toEqual([
      'received',
      'validation',
      'command_matching',
      'immediate_response',
      'task_created',
      'queue_push',
    ]);
    expect(await runsOf(fleet, id)).toBe(1);
  }, 90_000);
});
