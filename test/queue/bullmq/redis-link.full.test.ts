import * as ioredis from 'ioredis';
import { afterEach, describe, expect, test } from 'vitest';
import { placeOf, RedisLink } from '../../../src/queue/bullmq/redis-link.ts';
import { findRedis, type RedisServer, startRedis } from '../../support/redis.ts';
import { until } from '../../support/until.ts';

const program = findRedis();

test.each([
  ['redis://127.0.0.1:7000', '127.0.0.1:7000'],
  ['redis://redis.example', 'redis.example:6379'],
  ['rediss://user:secret@redis.example:6380/3', 'redis.example:6380/3'],
  ['redis://redis.example/0', 'redis.example:6379'],
  ['redis:///2', 'localhost:6379/2'],
])('%s is shown as %s', (url, place) => {
  expect(placeOf(url)).toBe(place);
});

describe.skipIf('missing' in program)('on a real Redis', () => {
  const closing: (() => unknown)[] = [];

  async function open(): Promise<{ link: RedisLink; server: RedisServer; lines: string[] }> {
    const server = await startRedis(program);
    const lines: string[] = [];
    const link = new RedisLink(ioredis, { url: server.url, log: (line) => lines.push(line) });
    closing.push(() => link.close(), server.stop);
    expect(await link.isReady(10_000)).toBe(true);
    return { link, server, lines };
  }

  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  test('a refusal is an answer, and fails as an unavailable queue that names it', async () => {
    const { link } = await open();
    const error: unknown = await link.client.call('NOSUCHCOMMAND').catch((reason: unknown) => reason);
    expect(link.isRefusal(error)).toBe(true);
    await expect(link.ask(() => link.client.call('NOSUCHCOMMAND'))).rejects.toMatchObject({
      code: 'ERR_QUEUE_UNAVAILABLE',
      message: expect.stringMatching(/^Redis at 127\.0\.0\.1:\d+: .*unknown command/),
    });
    expect(link.problem).toBeUndefined();
  });

  test('a Redis that does not answer is given a new connection, and can be used when it answers', async () => {
    const { link, server, lines } = await open();
    let connects = 0;
    link.onReady(() => {
      connects += 1;
    });
    server.pause();
    await expect(link.ask(() => link.client.ping())).rejects.toMatchObject({
      code: 'ERR_QUEUE_UNAVAILABLE',
      retryable: true,
      message: expect.stringMatching(/^Redis at 127\.0\.0\.1:\d+ does not answer$/),
    });
    await until(() => link.problem, 'the problem');
    server.resume();
    await until(() => connects > 0, 'the new connection');
    expect(await link.ask(() => link.client.ping())).toBe('PONG');
    expect(lines).toEqual([
      expect.stringMatching(/ cannot be reached: it does not answer; tasktrail keeps trying to connect$/),
      expect.stringMatching(/ is back$/),
    ]);
  });

  test('a command that cannot be sent, or gets no answer, is no refusal', async () => {
    const { link, server } = await open();
    server.pause();
    const unanswered = link.client.ping().catch((reason: unknown) => reason);
    expect(link.isRefusal(await unanswered)).toBe(false);
    await server.kill();
    await until(() => link.problem, 'the problem');
    const unsent: unknown = await link.client.ping().catch((reason: unknown) => reason);
    expect(unsent).toBeInstanceOf(Error);
    expect(link.isRefusal(unsent)).toBe(false);
  });
});
