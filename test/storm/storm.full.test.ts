import { expect, test } from 'vitest';
import { noImageReason } from '../support/disk-image.ts';
import { findRedis } from '../support/redis.ts';
import { findCluster } from '../support/victoria-cluster.ts';
import { findVictoriaLogs } from '../support/victoria-logs.ts';
import { noMountReason } from './parts/disk.ts';
import { count, ONE_TRY, round } from './short-round.ts';

/** Kills, cuts and forged records. `npm run test:storm` has all of them together. */
test(
  'a short storm of kills and cuts loses nothing, doubles nothing and runs nothing twice',
  ONE_TRY,
  async () => {
    const groups = new Set(['kills', 'signals', 'network', 'endpoint', 'forgery'] as const);
    const result = await round({ seed: 'ci', groups, everyMs: 400 });
    expect(result.counts.acknowledged).toBeGreaterThan(20);
    expect(result.counts.foundOnce).toBe(result.counts.acknowledged);
    expect(count(result, /^kill-/)).toBeGreaterThan(10);
  },
);

test('a short storm of services that are stopped, replaced and go on', {
  ...ONE_TRY,
  tags: ['long'],
}, async () => {
  const result = await round({ seed: 'pause', groups: new Set(['stops']), everyMs: 2_500 });
  expect(result.counts.acknowledged).toBeGreaterThan(10);
  expect(result.counts.foundOnce).toBe(result.counts.acknowledged);
  expect(count(result, /^stop-/)).toBeGreaterThan(0);
});

test.skipIf(noImageReason() !== undefined)(
  'a short storm of power cuts loses nothing that was synced, and doubles nothing',
  { ...ONE_TRY, tags: ['long'] },
  async () => {
    const result = await round({ seed: 'power', groups: new Set(['power', 'network']), everyMs: 800 });
    expect(result.counts.acknowledged).toBeGreaterThan(10);
    expect(count(result, /^power-cut$/)).toBeGreaterThan(1);
  },
);

test.skipIf(noMountReason() !== undefined)(
  'a short storm of a disk that is full or read-only for moments, and kills',
  { ...ONE_TRY, tags: ['long'] },
  async () => {
    const result = await round({ seed: 'ci-disk-c', groups: new Set(['disk', 'kills']), everyMs: 700 });
    expect(result.counts.acknowledged).toBeGreaterThan(10);
    expect(count(result, /^disk-/)).toBeGreaterThan(0);
  },
);

test.skipIf('missing' in findRedis())(
  'a short storm of a Redis that is killed and stopped, with its workers and services',
  { ...ONE_TRY, tags: ['long'] },
  async () => {
    const groups = new Set(['redis', 'kills', 'signals'] as const);
    const result = await round({ seed: 'ci-redis-a', groups, everyMs: 700, queue: 'redis' });
    expect(result.features).toContain('redis');
    expect(result.counts.acknowledged).toBeGreaterThan(10);
    expect(result.counts.foundOnce).toBe(result.counts.acknowledged);
    expect(count(result, /^kill-/)).toBeGreaterThan(5);
    expect(count(result, /^redis-/)).toBeGreaterThan(0);
  },
);

test.skipIf('missing' in findRedis() || 'missing' in findVictoriaLogs())(
  'a short storm over VictoriaLogs, which is stopped, started and cut off from its services, with Redis',
  { ...ONE_TRY, tags: ['long'] },
  async () => {
    const groups = new Set(['network', 'victoria', 'redis', 'forgery'] as const);
    const result = await round({
      seed: 'ci-rows-a',
      groups,
      everyMs: 700,
      store: 'victorialogs',
      queue: 'redis',
    });
    expect(result.features).toContain('victoria');
    expect(result.counts.acknowledged).toBeGreaterThan(10);
    expect(result.counts.foundOnce).toBe(result.counts.acknowledged);
    expect(count(result, /^store-/)).toBeGreaterThan(2);
    expect(count(result, /^victoria-/)).toBeGreaterThan(0);
  },
);

test.skipIf('missing' in findRedis() || 'missing' in findCluster())(
  'a storm over a cluster of VictoriaLogs, with kills of services, workers and senders',
  { ...ONE_TRY, tags: ['long'] },
  async () => {
    const groups = new Set(['kills', 'signals', 'stops', 'network', 'victoria', 'redis', 'forgery'] as const);
    const seconds = { minutes: 1, roundSeconds: 60 };
    const result = await round({
      seed: 'rows',
      groups,
      everyMs: 700,
      store: 'cluster',
      queue: 'redis',
      ...seconds,
    });
    expect(result.counts.acknowledged).toBeGreaterThan(20);
    expect(result.counts.foundOnce).toBe(result.counts.acknowledged);
    expect(count(result, /^kill-/)).toBeGreaterThan(10);
    expect(count(result, /^victoria-/)).toBeGreaterThan(1);
  },
);
