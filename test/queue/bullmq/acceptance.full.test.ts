import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openBullmqQueue, type RedisQueue } from '../../../src/queue/bullmq/bullmq-queue.ts';
import { jobOf } from '../../support/queue-contract.ts';
import { findRedis, type RedisServer, startRedis } from '../../support/redis.ts';
import { until } from '../../support/until.ts';

const program = findRedis();

/** More than a worker waits for the mark of acceptance. */
const DROPPED_MS = 15_000;

async function launch(): Promise<RedisServer> {
  const server = await startRedis(program);
  onTestFinished(() => server.stop());
  return server;
}

async function open(url: string): Promise<RedisQueue> {
  const queue = await openBullmqQueue({ url, name: 'agent', concurrency: 2, onError: () => {} });
  onTestFinished(() => queue.close(100));
  return queue;
}

/** Ids of the jobs that this worker has begun. */
function work(queue: RedisQueue): string[] {
  const begun: string[] = [];
  queue.start(async ({ taskId }) => {
    begun.push(taskId);
  });
  return begun;
}

/** A link to Redis that keeps a request with this text, and all that follows, until `release`. */
async function slowLink(to: number, text: string): Promise<{ url: string; release(): void }> {
  const kept: (() => void)[] = [];
  let isOpen = false;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const redis = connect(to, '127.0.0.1');
    let isHeld = false;
    for (const socket of [client, redis]) {
      sockets.add(socket);
      socket.on('error', () => {});
    }
    client.on('data', (bytes) => {
      isHeld ||= bytes.includes(text);
      if (isHeld && !isOpen) kept.push(() => void redis.write(bytes));
      else redis.write(bytes);
    });
    redis.on('data', (bytes) => client.write(bytes));
    redis.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return {
    url: `redis://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`,
    release: () => {
      isOpen = true;
      for (const send of kept.splice(0)) send();
    },
  };
}

describe.skipIf('missing' in program)('a job and the answer of its sender', () => {
  test('what Redis executes after the sender was refused never runs, also not in another process', async () => {
    const server = await launch();
    const begun = work(await open(server.url));
    // Of the job itself, not of the commands before it.
    const link = await slowLink(server.port, 'first words of task-1');
    const sender = await open(link.url);
    const late = { ...jobOf('task-1'), message: 'first words of task-1' };
    await expect(sender.push(late)).rejects.toMatchObject({ code: 'ERR_QUEUE_UNAVAILABLE' });
    // Its process is gone before it could take the job back.
    await sender.close(0);
    link.release();
    const raw = new Redis(server.url);
    onTestFinished(() => raw.disconnect());
    await until(async () => (await raw.exists('tasktrail:agent:task-1')) === 1, 'the late job');
    const other = await open(server.url);
    expect(await other.knows('task-1')).toBe(false);
    await until(
      async () => (await raw.zscore('tasktrail:agent:failed', 'task-1')) !== null,
      'the end of the late job',
      DROPPED_MS,
    );
    expect(begun).toEqual([]);
    expect(await other.knows('task-1')).toBe(false);
    await other.push(jobOf('task-1'));
    await until(() => begun.length > 0, 'its second try');
    expect(begun).toEqual(['task-1']);
  });

  test('a job whose mark of acceptance comes late runs once', async () => {
    const server = await launch();
    const begun = work(await open(server.url));
    const link = await slowLink(server.port, '\r\naccepted\r\n');
    const sender = await open(link.url);
    await sender.push(jobOf('task-1'));
    await delay(1_000);
    expect(begun).toEqual([]);
    link.release();
    await until(() => begun.length > 0, 'the job');
    await delay(2_000);
    expect(begun).toEqual(['task-1']);
  });

  test('a job has its mark when its sender may promise it', async () => {
    const server = await launch();
    const queue = await open(server.url);
    const raw = new Redis(server.url);
    onTestFinished(() => raw.disconnect());
    for (const id of ['task-1', 'task-2', 'task-3', 'task-4', 'task-5']) {
      await queue.push(jobOf(id));
      expect(await raw.hget(`tasktrail:agent:${id}`, 'accepted')).toBe('1');
    }
  });

  test('a job that a worker has dropped before its mark came is queued again, and runs once', async () => {
    const server = await launch();
    const begun = work(await open(server.url));
    const link = await slowLink(server.port, '\r\naccepted\r\n');
    const sender = await open(link.url);
    await sender.push(jobOf('task-1'));
    const raw = new Redis(server.url);
    onTestFinished(() => raw.disconnect());
    await until(
      async () => (await raw.zscore('tasktrail:agent:failed', 'task-1')) !== null,
      'the job to be dropped',
      DROPPED_MS,
    );
    expect(begun).toEqual([]);
    link.release();
    await until(() => begun.length > 0, 'the job', DROPPED_MS);
    await delay(2_000);
    expect(begun).toEqual(['task-1']);
  });

  test('a job of an earlier version has no such mark and runs', async () => {
    const server = await launch();
    const queue = await open(server.url);
    await queue.push(jobOf('task-1'));
    const raw = new Redis(server.url);
    onTestFinished(() => raw.disconnect());
    const key = 'tasktrail:agent:task-1';
    await until(async () => (await raw.hget(key, 'accepted')) === '1', 'the mark');
    const { mustBeAccepted, home, ...former } = JSON.parse((await raw.hget(key, 'data')) ?? '{}');
    expect([mustBeAccepted, home]).toEqual([true, null]);
    await raw.hset(key, 'data', JSON.stringify(former));
    await raw.hdel(key, 'accepted');
    expect(await queue.has('task-1')).toBe(true);
    const begun = work(await open(server.url));
    await until(() => begun.length > 0, 'the job');
    expect(begun).toEqual(['task-1']);
  });
});
