import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { examine } from '../../src/doctor/examination.ts';
import { checkStore } from '../../src/doctor/store.ts';
import { freePort } from '../support/free-port.ts';
import { findRedis, startRedis } from '../support/redis.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';
import { findVictoriaLogs, startVictoriaLogs } from '../support/victoria-logs.ts';
import { linesOf, subjectOf, tempDir } from './subject.ts';

const tool = findVictoriaLogs();
const redis = findRedis();

test('without the setting there is nothing to say', async () => {
  expect(await checkStore(subjectOf())).toEqual([]);
});

test('one that is away is a problem', async () => {
  const store = `victorialogs://127.0.0.1:${await freePort()}`;
  const lines = linesOf(await checkStore(subjectOf({ TASK_LOGS_STORE_URL: store })));
  expect(lines).toMatch(/^problem TASK_LOGS_STORE_URL http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED.* -> start/m);
  expect(lines).toMatch(/^warning REDIS_URL: not set: .*ends silent tasks.* -> set it/m);
});

test('one that takes no rows, and one that answers no queries, are different findings', async () => {
  let refused = 'insert';
  const server = createServer((req, res) => {
    if (String(req.url).includes(refused)) res.writeHead(refused === 'insert' ? 429 : 502).end('it is full');
    else res.writeHead(200).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const store = `victorialogs://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const look = async (): Promise<string> =>
    linesOf(await checkStore(subjectOf({ TASK_LOGS_STORE_URL: store })));
  expect(await look()).toMatch(/^problem .*takes no records: .*429: it is full/m);
  refused = 'select';
  expect(await look()).toMatch(/^problem .*answers no queries: .*502/m);
});

test.skipIf('missing' in tool || 'missing' in redis)(
  'one that works has its version and who holds the lease; nothing is said of a log directory',
  async () => {
    const server = await startVictoriaLogs(tool);
    onTestFinished(() => server.stop());
    const queue = await startRedis(redis, { appendOnly: true });
    onTestFinished(() => queue.stop());
    const settings = { TASK_LOGS_STORE_URL: server.address, REDIS_URL: queue.url };
    const look = async (more = {}): Promise<string> =>
      linesOf(await checkStore(subjectOf({ ...settings, ...more })));
    expect(await look()).toMatch(
      /^ok .*answers, VictoriaLogs 1\.\d+\.\d+, takes records of tenant 0:0, \d+ GiB free$/m,
    );
    expect(await look()).toMatch(/^warning .*no service holds it.* -> start "tasktrail serve"/m);
    const cwd = tempDir();
    const service = await ServiceProcess.start({ cwd, args: ['serve'], env: settings });
    onTestFinished(() => service.dispose());
    await until(() => service.stderr.includes('holds the lease'), 'the lease');
    expect(await look()).toMatch(
      new RegExp(`^ok the lease.*held by \\S+/${service.child.pid} since 20`, 'm'),
    );
    // Another name of the same machine is another store for the others.
    const renamed = server.address.replace('127.0.0.1', 'localhost');
    expect(await look({ TASK_LOGS_STORE_URL: renamed })).toMatch(/^problem the lease.* held for the store/m);
    const env = { ...settings, PATH: process.env.PATH };
    const findings = await examine({ env, cwd, version: '1.2.3', flags: {}, configFile: undefined });
    const areas = new Set(findings.map(({ area }) => area));
    expect([areas.has('store'), areas.has('directory')]).toEqual([true, false]);
    expect(findings.filter(({ area }) => area === 'clock')).toMatchObject([
      { level: 'ok', what: expect.stringContaining('Redis at') },
    ]);
  },
  60_000,
);
