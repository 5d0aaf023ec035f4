import { expect, test } from 'vitest';
import { findRedis } from '../support/redis.ts';
import { noMountReason } from './parts/disk.ts';
import { count, round, TIMEOUT } from './short-round.ts';

test.skipIf(noMountReason() !== undefined)(
  'a short storm of a disk that is full or read-only for moments, and kills',
  TIMEOUT,
  async () => {
    const result = await round({ seed: 'ci-disk-c', groups: new Set(['disk', 'kills']), everyMs: 700 });
    expect(result.counts.acknowledged).toBeGreaterThan(10);
    expect(count(result, /^disk-/)).toBeGreaterThan(0);
  },
);

test.skipIf('missing' in findRedis())(
  'a short storm of a Redis that is killed and stopped, with its workers and services',
  TIMEOUT,
  async () => {
    const groups = new Set(['redis', 'kills', 'signals'] as const);
    const result = await round({ seed: 'ci-redis-a', groups, everyMs: 700, queue: 'redis' });
    expect(result.features).toContain('redis');
    expect(result.counts.acknowledged).toBeGreaterThan(10);
    expect(result.counts.foundOnce).toBe(result.counts.acknowledged);
    expect(count(result, /^(?:redis-|kill-)/)).toBeGreaterThan(5);
  },
);
