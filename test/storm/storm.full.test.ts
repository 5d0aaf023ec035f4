import { expect, test } from 'vitest';
import { noImageReason } from '../support/disk-image.ts';
import type { Group } from './schedule.ts';
import { runStorm } from './storm.ts';

const SECONDS = 25;

/** Kills, cuts and forged records. `npm run test:storm` has the rest. */
const GROUPS: readonly Group[] = ['kills', 'signals', 'network', 'endpoint', 'forgery'];

test('a short storm of kills and cuts loses nothing, doubles nothing and runs nothing twice', async () => {
  const printed: string[] = [];
  const rounds = await runStorm({
    minutes: SECONDS / 60,
    roundSeconds: SECONDS,
    seed: 'ci',
    groups: new Set(GROUPS),
    queue: 'memory',
    everyMs: 400,
    firstRound: 1,
    keep: false,
    print: (line) => void printed.push(line),
  });
  const [round] = rounds;
  expect(round?.violations, printed.join('\n')).toEqual([]);
  expect(round?.counts.acknowledged).toBeGreaterThan(20);
  expect(round?.counts.foundOnce).toBe(round?.counts.acknowledged);
  const kills = Object.entries(round?.actions ?? {}).filter(([kind]) => kind.startsWith('kill-'));
  expect(kills.reduce((sum, [, count]) => sum + count, 0)).toBeGreaterThan(10);
}, 600_000);

test.skipIf(noImageReason() !== undefined)(
  'a short storm of power cuts loses nothing that was synced, and doubles nothing',
  async () => {
    const printed: string[] = [];
    const rounds = await runStorm({
      minutes: SECONDS / 60,
      roundSeconds: SECONDS,
      seed: 'power',
      groups: new Set(['power', 'network']),
      queue: 'memory',
      everyMs: 800,
      firstRound: 1,
      keep: false,
      print: (line) => void printed.push(line),
    });
    const [round] = rounds;
    expect(round?.violations, printed.join('\n')).toEqual([]);
    expect(round?.counts.acknowledged).toBeGreaterThan(10);
    expect(round?.actions['power-cut']).toBeGreaterThan(1);
  },
  600_000,
);
