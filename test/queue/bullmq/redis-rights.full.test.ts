import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { checkRedis } from '../../../src/doctor/redis.ts';
import { openBullmqQueue, type RedisQueue } from '../../../src/queue/bullmq/bullmq-queue.ts';
import { subjectOf } from '../../doctor/subject.ts';
import { tempDir } from '../../support/log-dir.ts';
import { jobOf } from '../../support/queue-contract.ts';
import { findRedis, type RedisOptions, type RedisServer, startRedis } from '../../support/redis.ts';
import { ServiceProcess } from '../../support/service-process.ts';
import { until } from '../../support/until.ts';

const program = findRedis();
const opened: RedisQueue[] = [];
let server: RedisServer;
let admin: Redis;

async function open(url: string): Promise<RedisQueue> {
  const queue = await openBullmqQueue({
    url,
    name: 'agent',
    concurrency: 1,
    log: () => {},
    onError: () => {},
  });
  opened.push(queue);
  return queue;
}

/** The URL of a user with these rights. */
async function userWith(rights: string): Promise<string> {
  await admin.call('ACL', 'SETUSER', 'tt', 'reset', 'on', '>pw', ...rights.split(' '));
  return `redis://tt:pw@127.0.0.1:${server.port}`;
}

/** The end of a job may not be in Redis yet when the queue of its test closes: the next test has another one. */
let tasks = 0;

async function runsTask(queue: RedisQueue): Promise<void> {
  tasks += 1;
  const taskId = `task-of-test-${tasks}`;
  const done: string[] = [];
  queue.start(async (job) => void done.push(job.taskId));
  await queue.push(jobOf(taskId));
  await until(() => done.includes(taskId), `${taskId} to run`);
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((queue) => queue.close(500)));
});

describe.skipIf('missing' in program)('a user of Redis with few rights', () => {
  beforeAll(async () => {
    server = await startRedis(program);
    admin = new Redis(server.url);
  });

  afterAll(async () => {
    admin.disconnect();
    await server.stop();
  });

  test.for([
    '~tasktrail:* &* +@all -@dangerous',
    '~tasktrail:* +@all -@admin',
    '~* +@all -info',
    '~* resetchannels +@all -@pubsub',
    '~* +@all -@connection',
    '~* +@all -multi -client',
  ])('%s is enough', async (rights) => {
    const queue = await open(await userWith(rights));
    expect(queue.problem).toBeUndefined();
    await runsTask(queue);
    expect(await admin.keys('tasktrail:agent:probe:*')).toEqual([]);
  });

  test.for([
    ['~* +@all -eval', /'eval'/],
    ['~* +@all -evalsha', /'evalsha'/],
    ['~* +@all -@scripting', /'eval/],
    ['~* +@all -@blocking', /'bzpopmin'/],
    ['+@all', /keys/],
    ['~app:* +@all', /keys/],
    ['~* +@all -@write', /SET: /],
    ['~* +@all -xadd', /XADD: /],
    ['~* +@all -@sortedset', /ZADD: /],
    ['~* +@read', /'eval'/],
  ] as const)('%s ends the start with the missing right', async ([rights, names]) => {
    const failure = open(await userWith(rights));
    await expect(failure).rejects.toThrow(/^REDIS_URL 127\.0\.0\.1:\d+: the user of REDIS_URL lacks a right/);
    await expect(failure).rejects.toThrow(names);
    await expect(failure).rejects.toThrow(/ACL SETUSER <user> ~tasktrail:\* \+@all -@admin/);
  });

  test('a right that is taken away while tasks run is named, blocks nothing, and may come back', async () => {
    const queue = await open(await userWith('~* +@all'));
    const done: string[] = [];
    queue.start(async (job) => void done.push(job.taskId));
    for (const [lost, back] of [
      ['-bzpopmin', '+bzpopmin'],
      ['-@scripting', '+@scripting'],
      ['resetkeys', '~*'],
    ] as const) {
      await admin.call('ACL', 'SETUSER', 'tt', lost);
      // A loop that does not yield would not let this timer run.
      await until(() => /lacks a right/.test(queue.problem ?? ''), `${lost} to be named`);
      await admin.call('ACL', 'SETUSER', 'tt', back);
      await until(() => queue.problem === undefined, `${back} to be noticed`);
    }
    await queue.push(jobOf('task-2'));
    await until(() => done.includes('task-2'), 'the task to run');
  });

  test.for(['~tasktrail:* &* +@all -@dangerous', '~* +@all -@scripting', 'off'])(
    'the service with %s answers and stops, or says why it ends',
    async (rights) => {
      const url = await userWith(rights);
      const service = new ServiceProcess({ cwd: await tempDir(), env: { REDIS_URL: url } });
      onTestFinished(() => service.dispose());
      if (rights.includes('scripting')) {
        expect(await service.exited).toMatchObject({ code: 2 });
        expect(service.stderr).toMatch(/REDIS_URL .* lacks a right/);
        return;
      }
      await until(() => service.url !== '', 'the service to listen');
      expect((await fetch(`${service.url}/healthz`)).status).toBe(200);
      const ready = await fetch(`${service.url}/readyz`);
      expect(await ready.text()).toMatch(rights === 'off' ? /WRONGPASS/ : /"reasons":\{\}/);
      expect(await service.stop()).toMatchObject({ code: 0 });
    },
  );
});

/** Makes a Redis refuse writes, and accept them again. */
interface Refusing {
  readonly args?: readonly string[];
  refuse(client: Redis): Promise<unknown>;
  readonly problem: RegExp;
  /** None: only another Redis helps. */
  readonly accept?: (client: Redis) => Promise<unknown>;
}

const REFUSALS: Readonly<Record<string, Refusing>> = {
  'a replica': {
    refuse: (client) => client.replicaof('127.0.0.1', 1),
    problem: /a replica, which accepts no writes .*primary/,
    accept: (client) => client.replicaof('NO', 'ONE'),
  },
  'a full memory': {
    refuse: (client) => client.config('SET', 'maxmemory', '1'),
    problem: /its memory is full.*raise maxmemory/,
    accept: (client) => client.config('SET', 'maxmemory', '0'),
  },
  'too few replicas': {
    refuse: (client) => client.config('SET', 'min-replicas-to-write', '1'),
    problem: /too few replicas.*min-replicas-to-write/,
    accept: (client) => client.config('SET', 'min-replicas-to-write', '0'),
  },
  'a disk that cannot be written': {
    args: ['--enable-protected-configs', 'yes'],
    // The name of a folder: the file cannot take its place.
    refuse: async (client) => {
      await client.config('SET', 'save', '3600 1');
      await client.config('SET', 'dbfilename', 'folder');
      await client.bgsave().catch(() => undefined);
    },
    problem: /cannot save to its disk.*see its log/,
    accept: async (client) => {
      await client.config('SET', 'dbfilename', 'dump.rdb');
      await client.bgsave();
    },
  },
  'a cluster of one': {
    args: ['--cluster-enabled', 'yes'],
    refuse: (client) => client.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383'),
    problem: /a cluster.*CROSSSLOT.*use a single Redis/,
  },
};

async function launch(options: RedisOptions): Promise<{ server: RedisServer; client: Redis }> {
  const started = await startRedis(program, options);
  const client = new Redis(started.url);
  onTestFinished(async () => {
    client.disconnect();
    await started.stop();
  });
  return { server: started, client };
}

describe.skipIf('missing' in program)('a Redis that refuses writes', () => {
  test.for(Object.entries(REFUSALS))(
    '%s is named while it lasts',
    { timeout: 60_000 },
    async ([, refusing]) => {
      const { server: redis, client } = await launch({ args: [...(refusing.args ?? [])] });
      await mkdir(join(redis.directory, 'folder'));
      const isCluster = refusing.accept === undefined;
      if (isCluster) await refusing.refuse(client);
      const queue = await open(redis.url);
      if (!isCluster) {
        expect(queue.problem).toBeUndefined();
        await runsTask(queue);
        await refusing.refuse(client);
      }
      await until(() => refusing.problem.test(queue.problem ?? ''), 'the problem to be named');
      await expect(queue.push(jobOf('task-2'))).rejects.toMatchObject({ code: 'ERR_QUEUE_UNAVAILABLE' });
      expect(queue.problem).toMatch(refusing.problem);
      const findings = await checkRedis(subjectOf({ REDIS_URL: redis.url }));
      expect(findings.map(({ level }) => level)).toContain('problem');
      expect(findings.map(({ what, advice }) => `${what} ${advice}`).join('\n')).toMatch(refusing.problem);
      if (refusing.accept === undefined) return;
      await refusing.accept(client);
      await until(() => queue.problem === undefined, 'the problem to be gone');
      await until(
        () =>
          queue.push(jobOf('task-3')).then(
            () => true,
            () => false,
          ),
        'a task to be taken',
      );
    },
  );
});
