import { expect, test } from 'vitest';
import { RefusedSignals } from '../../src/export/refused-signals.ts';

const MINUTE = 60_000;

test('a refused signal is tried again after a minute, then after two, and within the hour at the latest', () => {
  let now = 0;
  const refused = new RefusedSignals(() => now);
  expect(refused.has('logs')).toBe(false);
  const pauses: number[] = [];
  for (let times = 0; times < 9; times += 1) {
    refused.add('logs', 'status 404', 'unsent');
    const from = now;
    while (refused.has('logs')) now += MINUTE;
    pauses.push((now - from) / MINUTE);
  }
  expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
  refused.remove('logs');
  refused.add('logs', 'status 404', 'unsent');
  now += MINUTE;
  expect(refused.has('logs')).toBe(false);
});

test('the notice names each signal, why, and how many records were not sent', () => {
  const refused = new RefusedSignals(() => 0);
  expect(refused.notice).toBeUndefined();
  refused.add('logs', 'status 404', 'unsent');
  refused.count('logs', 3);
  refused.add('logs', 'status 405', 'unsent');
  refused.count('logs', 2);
  refused.count('traces', 7);
  expect(refused.notice).toBe('takes no logs: they are not sent there (status 405, 5 so far)');
  refused.add('traces', 'status 501', 'unsent');
  expect(refused.notice).toContain('; takes no traces: they are not sent there (status 501, 0 so far)');
  refused.remove('logs');
  expect(refused.notice).not.toContain('logs');
});
