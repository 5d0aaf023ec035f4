import { expect, onTestFinished, test } from 'vitest';
import { BacklogWatch } from '../../../src/trail/thread/backlog-watch.ts';

function watch(): { watch: BacklogWatch; at: { ms: number; isThrough: boolean } } {
  const at = { ms: 0, isThrough: false };
  const watched = new BacklogWatch({
    isThrough: async () => at.isThrough,
    lookMs: 1_000_000,
    nowMs: () => at.ms,
  });
  onTestFinished(() => watched.close());
  return { watch: watched, at };
}

test('a start is behind until the backlog is through', async () => {
  const { watch: backlog, at } = watch();
  expect(backlog.isBehind).toBe(true);
  at.ms = 60_000;
  await backlog.look();
  expect(backlog.isBehind).toBe(true);
  at.isThrough = true;
  await backlog.look();
  expect(backlog.isBehind).toBe(false);
});

test('moments of a busy sender are no backlog, ten seconds are, and ten minutes are the longest', async () => {
  const { watch: backlog, at } = watch();
  at.isThrough = true;
  await backlog.look();
  at.isThrough = false;
  at.ms = 9_000;
  await backlog.look();
  expect(backlog.isBehind).toBe(false);
  at.ms = 10_000;
  await backlog.look();
  expect(backlog.isBehind).toBe(true);
  at.ms = 600_000;
  expect(backlog.isBehind).toBe(false);
});
