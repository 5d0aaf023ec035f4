import { expect, test, vi } from 'vitest';

// The queue's tests once more, with the other major that a user may have installed.
// A mock throws when it is asked for an export that it does not have.
vi.mock('bullmq', async () => ({ createRedisBackend: undefined, ...(await import('bullmq-5')) }));
vi.mock('ioredis', () => import('ioredis-5'));

await import('./bullmq-internals.full.test.ts');
await import('./bullmq-queue.full.test.ts');
await import('./job-locks.full.test.ts');
await import('./stalled-jobs.full.test.ts');
await import('./worker-failures.full.test.ts');

test('these tests use BullMQ 5', async () => {
  const { createRedisBackend } = await import('bullmq');
  expect(createRedisBackend).toBeUndefined();
});
