import { expect, onTestFinished, test } from 'vitest';
import { InProcessQueue } from '../../src/queue/in-process-queue.ts';
import type { JobWork } from '../../src/queue/queue.ts';
import { setLeaseGuard } from '../../src/system/lease-guard.ts';
import { jobOf, queueContract } from '../support/queue-contract.ts';
import { until } from '../support/until.ts';

queueContract('in process', { open: (concurrency) => new InProcessQueue({ name: 'agent', concurrency }) });

test('a push beyond ten thousand waiting jobs is refused, and accepted again when there is room', async () => {
  const queue = new InProcessQueue({ name: 'agent', concurrency: 1 });
  for (let n = 0; n < 10_000; n += 1) await queue.push(jobOf(`task-${n}`));
  await expect(queue.push(jobOf('one-more'))).rejects.toMatchObject({
    code: 'ERR_QUEUE_UNAVAILABLE',
    retryable: true,
  });
  expect(queue.waiting).toBe(10_000);
  queue.start(() => new Promise<void>(() => {}));
  await queue.push(jobOf('one-more'));
  await queue.close(0);
});

test.each<[string, JobWork]>([
  ['rejects', () => Promise.reject(new RangeError('a defect'))],
  [
    'throws synchronously',
    () => {
      throw new RangeError('a defect');
    },
  ],
])('work that %s causes a warning, and the next job runs', async (_how, work) => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on('warning', onWarning);
  const queue = new InProcessQueue({ name: 'agent', concurrency: 1 });
  let second = false;
  queue.start((job, run) => {
    if (job.taskId === 'task-1') return work(job, run);
    second = true;
    return Promise.resolve();
  });
  await queue.push(jobOf('task-1'));
  await queue.push(jobOf('task-2'));
  await until(() => second && warnings.length > 0, 'the second job and a warning');
  process.off('warning', onWarning);
  expect(warnings[0]?.message).toBe('a defect');
  await queue.close(0);
});

test('jobs that wait because the lock could not be read run when it can', async () => {
  let isHeld = false;
  setLeaseGuard({ lease: 1, holds: () => isHeld });
  onTestFinished(() => setLeaseGuard(undefined));
  const queue = new InProcessQueue({ name: 'agent', concurrency: 1 });
  const seen: string[] = [];
  queue.start(async ({ taskId }) => void seen.push(taskId));
  await queue.push(jobOf('task-1'));
  await expect.poll(() => queue.waiting).toBe(1);
  expect(seen).toEqual([]);
  isHeld = true;
  await until(() => seen.length > 0, 'the job');
  await queue.close(0);
});
