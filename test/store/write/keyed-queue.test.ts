import { expect, test } from 'vitest';
import { KeyedQueue } from '../../../src/store/write/keyed-queue.ts';

test('functions of one key run one after the other, also after a failure; other keys do not wait', async () => {
  const queue = new KeyedQueue();
  const seen: string[] = [];
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const first = queue.run('a', async () => {
    await gate;
    seen.push('first');
    throw new RangeError('no');
  });
  const second = queue.run('a', async () => seen.push('second'));
  await queue.run('b', async () => seen.push('other'));
  expect(seen).toEqual(['other']);
  open();
  await expect(first).rejects.toThrow('no');
  await second;
  expect(seen).toEqual(['other', 'first', 'second']);
});

test('idle resolves when everything queued has succeeded or failed', async () => {
  const queue = new KeyedQueue();
  let ended = 0;
  const end = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
    ended += 1;
    throw new RangeError('no');
  };
  const runs = [queue.run('a', end), queue.run('a', end), queue.run('b', end)].map((run) =>
    run.catch(() => undefined),
  );
  await queue.idle();
  expect(ended).toBe(3);
  await Promise.all(runs);
});

test('at most `width` functions run at the same time, and all run', async () => {
  const queue = new KeyedQueue(3);
  let running = 0;
  let most = 0;
  let done = 0;
  const work = async (): Promise<void> => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    done += 1;
    if (done === 5) throw new RangeError('one fails');
  };
  await Promise.allSettled(Array.from({ length: 40 }, (_, index) => queue.run(String(index % 20), work)));
  expect([most, done]).toEqual([3, 40]);
});
