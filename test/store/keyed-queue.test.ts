import { expect, test } from 'vitest';
import { KeyedQueue } from '../../src/store/keyed-queue.ts';

test('what belongs to one key runs one after the other, also after a failure; other keys do not wait', async () => {
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

test('it is idle when all that was queued has ended, well or not', async () => {
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
