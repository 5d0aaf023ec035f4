import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type BullmqQueueOptions,
  openBullmqQueue,
  type RedisQueue,
} from '../../../src/queue/bullmq/bullmq-queue.ts';
import type { Job } from '../../../src/queue/queue.ts';
import { freePort } from '../../support/free-port.ts';
import { jobOf } from '../../support/queue-contract.ts';
import { findRedis, type RedisOptions, type RedisServer, startRedis } from '../../support/redis.ts';
import { until } from '../../support/until.ts';

const program = findRedis();

const QUICK = { lockMs: 500, stalledMs: 200, settleMs: 1_500 };
const UNAVAILABLE = { code: 'ERR_QUEUE_UNAVAILABLE', retryable: true };

const opened: RedisQueue[] = [];
const servers: RedisServer[] = [];
const lines: string[] = [];
const errors: unknown[] = [];

async function launch(options?: RedisOptions): Promise<RedisServer> {
  const server = await startRedis(program, options);
  servers.push(server);
  return server;
}

async function open(url: string, options: Partial<BullmqQueueOptions> = {}): Promise<RedisQueue> {
  const queue = await openBullmqQueue({
    url,
    name: 'agent',
    concurrency: 2,
    times: QUICK,
    log: (line) => lines.push(line),
    onError: (error) => errors.push(error),
    ...options,
  });
  opened.push(queue);
  return queue;
}

interface Work {
  readonly begun: string[];
  readonly ended: string[];
  end(): void;
}

function work(queue: RedisQueue): Work {
  const ends: (() => void)[] = [];
  const state: Work = { begun: [], ended: [], end: () => ends.shift()?.() };
  queue.start(async (job, { signal }) => {
    state.begun.push(job.taskId);
    await new Promise<void>((resolve) => {
      ends.push(resolve);
      signal.addEventListener('abort', () => resolve());
    });
    state.ended.push(job.taskId);
  });
  return state;
}

/** Each check stores its time in a key: the first marks the jobs that may be lost, the second one takes them. */
async function checkedForLostJobs(server: RedisServer): Promise<void> {
  const redis = new Redis(server.url);
  const times = new Set<string>();
  await until(async () => {
    const time = await redis.get('tasktrail:agent:stalled-check');
    if (time !== null) times.add(time);
    return times.size >= 3;
  }, 'three checks for lost jobs');
  redis.disconnect();
}

type Fault = 'deaf' | 'cut';

interface FaultyProxy {
  readonly port: number;
  /** After this text was sent to Redis on a connection, the answers on it are dropped. */
  failAfter(text: string): void;
  heal(): void;
  close(): Promise<void>;
}

async function faultyProxy(to: number, fault: Fault): Promise<FaultyProxy> {
  let trigger: string | undefined;
  const deaf = new Set<Socket>();
  const server = createServer((client) => {
    const redis = connect(to, '127.0.0.1');
    for (const socket of [client, redis]) socket.on('error', () => {});
    client.on('data', (bytes) => {
      redis.write(bytes);
      if (trigger !== undefined && bytes.includes(trigger)) deaf.add(client);
    });
    redis.on('data', (bytes) => {
      if (!deaf.has(client)) client.write(bytes);
      else if (fault === 'cut') client.destroy();
    });
    client.on('close', () => redis.end());
    redis.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: address !== null && typeof address === 'object' ? address.port : 0,
    failAfter: (text) => {
      trigger = text;
    },
    heal: () => {
      trigger = undefined;
      for (const client of deaf) client.destroy();
    },
    close: async () => {
      for (const client of deaf) client.destroy();
      server.close();
    },
  };
}

const begun = (state: Work, count = 1) => until(() => state.begun.length >= count, 'a job');
const back = (queue: RedisQueue) => until(() => queue.problem === undefined, 'Redis');
const pushed = (queue: RedisQueue, id: string) =>
  until(
    () =>
      queue.push(jobOf(id)).then(
        () => true,
        () => undefined,
      ),
    `the push of ${id}`,
  );
const over = (queue: RedisQueue, id: string) =>
  until(async () => !(await queue.has(id).catch(() => true)), `the end of ${id}`);

describe.skipIf('missing' in program)('a Redis outage', () => {
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((queue) => queue.close(100)));
    await Promise.all(servers.splice(0).map((server) => server.stop()));
    lines.length = 0;
    errors.length = 0;
  });

  test('the queue opens without Redis, refuses every call, and uses Redis once it is there', async () => {
    const server = await launch({ password: 'hunter2' });
    await server.kill();
    const queue = await open(server.url);
    let calls = 0;
    queue.onReady(() => {
      calls += 1;
    });
    const state = work(queue);
    await Promise.all([
      expect(queue.push(jobOf('task-1'))).rejects.toMatchObject(UNAVAILABLE),
      expect(queue.has('task-1')).rejects.toMatchObject(UNAVAILABLE),
      expect(queue.cancel('task-1')).rejects.toMatchObject(UNAVAILABLE),
    ]);
    expect(await queue.depth()).toBeUndefined();
    expect(queue.problem).toMatch(/^Redis at 127\.0\.0\.1:\d+ cannot be reached: .*ECONNREFUSED/);
    await server.start();
    await back(queue);
    await queue.push(jobOf('task-2'));
    await begun(state);
    expect(state.begun).toEqual(['task-2']);
    expect(calls).toBe(1);
    expect(lines).toEqual([
      expect.stringMatching(/^Redis at 127\.0\.0\.1:\d+ cannot be reached: /),
      expect.stringMatching(/^Redis at 127\.0\.0\.1:\d+ is back$/),
    ]);
    expect(lines.join('\n')).not.toContain('hunter2');
    expect(errors).toEqual([]);
  });

  test('the depth is unknown when Redis does not answer', async () => {
    const server = await launch();
    const proxy = await faultyProxy(server.port, 'deaf');
    const queue = await open(`redis://127.0.0.1:${proxy.port}`);
    await queue.push(jobOf('task-1'));
    expect(await queue.depth()).toEqual({ waiting: 1, active: 0, delayed: 0 });
    proxy.failAfter('evalsha');
    expect(await queue.depth()).toBeUndefined();
    proxy.heal();
    await proxy.close();
  });

  test('running jobs go on, once, after an outage longer than a lock lasts, with the data kept', async () => {
    const server = await launch({ appendOnly: true });
    const [one, other] = [await open(server.url, { concurrency: 1 }), await open(server.url)];
    const first = work(one);
    await one.push(jobOf('task-1'));
    await begun(first);
    const second = work(other);
    await server.kill();
    await expect(one.push(jobOf('task-2'))).rejects.toMatchObject(UNAVAILABLE);
    // Locks expire by the clock, whether Redis runs or not.
    await delay(2 * QUICK.lockMs);
    await server.start();
    await Promise.all([back(one), back(other)]);
    // Workers check for lost jobs again, and find none.
    await checkedForLostJobs(server);
    expect(second.begun).toEqual([]);
    first.end();
    await over(one, 'task-1');
    await one.push(jobOf('task-3'));
    await until(() => first.begun[1] ?? second.begun[0], 'the next job');
    expect([...first.begun, ...second.begun]).toEqual(['task-1', 'task-3']);
    expect(lines.filter((line) => line.includes('cannot be reached'))).toHaveLength(2);
    expect(lines.filter((line) => line.includes('is back'))).toHaveLength(2);
    expect(lines).toHaveLength(4);
    expect(errors).toEqual([]);
  });

  test.each([
    ['of a moment', 0],
    ['longer than a lock lasts', 3 * QUICK.lockMs],
  ])('a job that ends during an outage %s does not run again', async (_, awayMs) => {
    const server = await launch({ appendOnly: true });
    const queue = await open(server.url);
    const other = await open(server.url);
    const state = work(queue);
    await queue.push(jobOf('task-1'));
    await begun(state);
    const elsewhere = work(other);
    await server.kill();
    state.end();
    await until(() => state.ended.length > 0, 'the end');
    // Locks expire by the clock, whether Redis runs or not.
    await delay(awayMs);
    await server.start();
    await over(queue, 'task-1');
    await checkedForLostJobs(server);
    expect([...state.begun, ...elsewhere.begun]).toEqual(['task-1']);
    expect(errors).toEqual([]);
  });

  test('after a restart without data the queue calls its listeners, jobs can be pushed again, and running jobs go on', async () => {
    const server = await launch();
    const queue = await open(server.url, { concurrency: 1 });
    const state = work(queue);
    await queue.push(jobOf('task-1'));
    await queue.push(jobOf('task-2'));
    await begun(state);
    const missing: string[] = [];
    queue.onReady(() => {
      void (async () => {
        for (const id of ['task-1', 'task-2']) {
          if (await queue.has(id)) continue;
          missing.push(id);
          await queue.push(jobOf(id));
        }
      })();
    });
    await server.kill();
    await server.start({ empty: true });
    await until(async () => missing.length > 0 && (await queue.has('task-2')), 'the push');
    state.end();
    await begun(state, 2);
    state.end();
    await over(queue, 'task-2');
    expect(missing).toEqual(['task-2']);
    expect(state.begun).toEqual(['task-1', 'task-2']);
    expect(errors).toEqual([]);
  });

  test('the queue calls its listeners when Redis is emptied and every connection stays', async () => {
    const server = await launch();
    const queue = await open(server.url);
    await queue.push(jobOf('task-1'));
    let calls = 0;
    queue.onReady(() => {
      calls += 1;
    });
    const client = new Redis(server.url);
    try {
      // The key must exist before it can be missed.
      await until(async () => (await client.keys('tasktrail:agent:seal:*')).length > 0, 'the key', 15_000);
      expect(calls).toBe(0);
      await client.flushall();
      await until(() => calls > 0, 'the call');
    } finally {
      client.disconnect();
    }
    expect(await queue.knows('task-1')).toBe(false);
  }, 60_000);

  test('after a restart without data a job that a close cuts short goes to the next worker', async () => {
    const server = await launch();
    const first = await open(server.url);
    const state = work(first);
    await first.push({ ...jobOf('task-1'), attempt: 3 });
    await begun(state, 1);
    await server.kill();
    await server.start({ empty: true });
    const second = await open(server.url);
    await until(() => first.problem === undefined, 'the connection');
    await first.close(2_000);
    const jobs: Job[] = [];
    second.start(async (job) => void jobs.push(job));
    await until(() => jobs.length > 0, 'the job', 20_000);
    expect(jobs).toEqual([{ ...jobOf('task-1'), attempt: 4, stops: 1 }]);
    await over(second, 'task-1');
    expect(errors).toEqual([]);
  });

  test.each(['before', 'after'])(
    'a push to a Redis that hangs is refused, and its job does not run when a worker starts %s Redis goes on',
    async (when) => {
      const server = await launch();
      const queue = await open(server.url);
      await queue.push(jobOf('task-0'));
      await queue.cancel('task-0');
      const state = when === 'before' ? work(queue) : undefined;
      server.pause();
      await expect(queue.push(jobOf('task-1'))).rejects.toMatchObject(UNAVAILABLE);
      server.resume();
      const { begun: seen, ...rest } = state ?? work(queue);
      await pushed(queue, 'task-2');
      await begun({ begun: seen, ...rest });
      expect(seen).toEqual(['task-2']);
      expect(await queue.has('task-1')).toBe(false);
    },
  );

  test.each<[string, Fault]>([
    ['got no answer', 'deaf'],
    ['lost its connection', 'cut'],
  ])(
    'the job of a push that %s is in Redis, and never runs unless it is pushed again',
    async (_what, fault) => {
      const server = await launch();
      const proxy = await faultyProxy(server.port, fault);
      try {
        const queue = await open(`redis://127.0.0.1:${proxy.port}`);
        const state = work(queue);
        await queue.push(jobOf('task-0'));
        await begun(state);
        proxy.failAfter('message of task-1');
        await expect(queue.push(jobOf('task-1'))).rejects.toMatchObject(UNAVAILABLE);
        const redis = new Redis(server.url);
        expect(await redis.exists('tasktrail:agent:task-1')).toBe(1);
        redis.disconnect();
        proxy.heal();
        await over(queue, 'task-1');
        await pushed(queue, 'task-2');
        await begun(state, 2);
        expect(state.begun).toEqual(['task-0', 'task-2']);
        state.end();
        await queue.push(jobOf('task-1'));
        await begun(state, 3);
        expect(state.begun).toEqual(['task-0', 'task-2', 'task-1']);
      } finally {
        await proxy.close();
      }
    },
  );

  test('a close does not wait for Redis', async () => {
    const server = await launch();
    const queue = await open(server.url);
    const state = work(queue);
    await queue.push(jobOf('task-1'));
    await begun(state);
    await server.kill();
    await queue.close(300);
    expect(state.ended).toEqual(['task-1']);
  });

  test('user, password and database of the URL are used, and no message holds them', async () => {
    const { url } = await launch({ args: ['--user', 'tasks', 'on', '>s3cr@t', '~*', '&*', '+@all'] });
    const to = url.replace('redis://', 'redis://tasks:s3cr%40t@');
    const queue = await open(`${to}/3`);
    await queue.push(jobOf('task-1'));
    const plain = new Redis(url, { db: 3 });
    expect(await plain.exists('tasktrail:agent:task-1')).toBe(1);
    plain.disconnect();
    const wrong = await open(url.replace('redis://', 'redis://tasks:wr0ng@'));
    await expect(wrong.push(jobOf('task-2'))).rejects.toMatchObject(UNAVAILABLE);
    expect(lines.join('\n')).toMatch(/WRONGPASS/);
    expect(lines.join('\n')).not.toMatch(/wr0ng|s3cr/);
  });

  test('Redis is reached over TLS', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'tasktrail-tls-'));
    const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
    const subject = ['-subj', '/CN=localhost', '-days', '2', '-nodes'];
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-keyout', key, '-out', cert, ...subject],
      {
        stdio: 'ignore',
      },
    );
    const port = await freePort();
    const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert];
    await launch({ args: ['--tls-port', String(port), '--tls-auth-clients', 'no', ...files] });
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      const queue = await open(`rediss://127.0.0.1:${port}`);
      const state = work(queue);
      await queue.push(jobOf('task-1'));
      await begun(state);
      expect(state.begun).toEqual(['task-1']);
    } finally {
      delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      await rm(directory, { recursive: true, force: true });
    }
  });
});
