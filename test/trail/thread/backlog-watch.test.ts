import { expect, onTestFinished, test } from 'vitest';
import { BacklogWatch } from '../../../src/trail/thread/backlog-watch.ts';

interface At {
  ms: number;
  /** Records that were made so far, and those that are stored. */
  made: number | undefined;
  stored: number;
}

function watch(): { watch: BacklogWatch<number>; at: At } {
  const at: At = { ms: 0, made: undefined, stored: 0 };
  const watched = new BacklogWatch<number>({
    extent: async () => at.made,
    isStored: async (made) => at.stored >= made,
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
  at.made = 100;
  at.stored = 100;
  await backlog.look();
  expect(backlog.isBehind).toBe(false);
});

test('a busy store, which never has stored all, is not behind', async () => {
  const { watch: backlog, at } = watch();
  at.made = 0;
  for (let second = 0; second < 900; second += 1) {
    at.ms = second * 1_000;
    at.made = 100 * (second + 1);
    at.stored = at.made - 150;
    await backlog.look();
    expect(backlog.isBehind, `after ${second} s`).toBe(second < 2);
  }
});

test('records that wait for ten seconds are a backlog, and ten minutes are the longest', async () => {
  const { watch: backlog, at } = watch();
  at.made = 1;
  at.stored = 1;
  await backlog.look();
  at.made = 2;
  at.ms = 1_000;
  await backlog.look();
  await backlog.look();
  at.ms = 9_900;
  await backlog.look();
  expect(backlog.isBehind).toBe(false);
  at.ms = 10_000;
  await backlog.look();
  expect(backlog.isBehind).toBe(true);
  at.ms = 600_000;
  expect(backlog.isBehind).toBe(false);
});
