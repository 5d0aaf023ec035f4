import { expect, onTestFinished, test } from 'vitest';
import { checkRedis, judgeInfo } from '../../src/doctor/redis.ts';
import { freePort } from '../support/free-port.ts';
import { findRedis, startRedis } from '../support/redis.ts';
import { linesOf, serve, serveTcp, statusOf, subjectOf } from './subject.ts';

const program = findRedis();
const isMissing = 'missing' in program;

async function look(url: string): Promise<string> {
  return linesOf(await checkRedis(subjectOf({ REDIS_URL: url })));
}

async function start(options: Parameters<typeof startRedis>[1]): Promise<string> {
  const server = await startRedis(program, options);
  onTestFinished(() => server.stop());
  return server.url;
}

test('a missing Redis is not a problem', async () => {
  expect(linesOf(await checkRedis(subjectOf()))).toMatch(/^ok REDIS_URL: not set/);
});

test.skipIf(isMissing)('a Redis with persistence and no eviction is ok', async () => {
  expect(await look(await start({ appendOnly: true }))).toMatch(
    /^ok REDIS_URL 127\.0\.0\.1:\d+: answers, Redis \d+\.\d+\S*$/,
  );
});

test.skipIf(isMissing)('eviction and missing persistence are warnings', async () => {
  const lines = await look(await start({ args: ['--maxmemory-policy', 'allkeys-lru'] }));
  expect(lines).toMatch(
    /^ok .*\nwarning .*maxmemory-policy is allkeys-lru.* -> CONFIG SET maxmemory-policy noeviction/m,
  );
  expect(lines).toMatch(/^warning .*appendonly is off.* -> CONFIG SET appendonly yes/m);
  expect(lines).not.toContain('problem');
});

test.skipIf(isMissing)('a missing or wrong password is a problem, and is not printed', async () => {
  const url = await start({ password: 'the-real-password' });
  expect(await look(url.replace('the-real-password', 'guessed-password'))).toMatch(
    /^problem .*refuses the user or the password -> correct/,
  );
  expect(await look(url.replace(':the-real-password@', ''))).toMatch(
    /^problem .*requires a password -> set REDIS_URL/,
  );
  const lines = await look(url);
  expect(lines).toMatch(/^ok .*answers/);
  expect(lines).not.toContain('password@');
});

test('a closed port, another program and a server that hangs are problems', async () => {
  expect(await look(`redis://127.0.0.1:${await freePort()}`)).toMatch(/^problem .*nothing listens there/);
  const web = new URL(await serve(statusOf(200)));
  expect(await look(`redis://${web.host}`)).toMatch(
    /^problem .*the program that answers there is not Redis -> correct host and port/,
  );
  const port = await serveTcp(() => {});
  expect(await look(`redis://127.0.0.1:${port}`)).toMatch(/^problem .*does not answer in time -> use rediss/);
  expect(await look(`rediss://127.0.0.1:${port}`)).toMatch(
    /^problem .*does not answer in time -> use redis:/,
  );
});

test.each([
  [
    'redis_version:4.0.14\r\naof_enabled:1',
    /^problem .*Redis 4\.0\.14 is too old for BullMQ -> install Redis 6\.2/,
  ],
  ['redis_version:6.0.20\r\naof_enabled:1', /^ok .*\nwarning .*older than BullMQ recommends/],
  ['redis_version:6.2.0', /^ok R: answers, Redis 6\.2\.0$/],
  ['redis_version:10.0.1', /^ok R: answers, Redis 10\.0\.1$/],
  ['redis_version:7.2.4\r\nvalkey_version:8.0.1', /^ok R: answers, Valkey 8\.0\.1$/],
  ['redis_version:7.2.4\r\nrole:slave', /^problem R: it is a replica/],
  ['redis_version:7.2.4\r\nredis_mode:cluster', /^problem R: it is a cluster/],
  ['redis_version:7.2.4\r\nloading:1', /^ok .*\nwarning R: it is still loading/],
  ['', /^ok R: answers, Redis of unknown version$/],
])('INFO of %j is judged by its fields', (info, expected) => {
  expect(linesOf(judgeInfo('R', info))).toMatch(expected);
});
