import { expect, test } from 'vitest';
import {
  isAboutNotification,
  pauseMs,
  RETRY_MS_MAX,
  retryAfterMs,
} from '../../../src/notify/send/send-outcome.ts';

test('the pauses grow from seconds to hours, and three days have some twenty tries', () => {
  const pauses = Array.from({ length: 30 }, (_, index) => pauseMs(index + 1, () => 0.5));
  expect(pauses[0]).toBe(5_000);
  expect(pauses).toEqual([...pauses].sort((a, b) => a - b));
  let sum = 0;
  const tries = pauses.findIndex((pause) => {
    sum += pause;
    return sum > RETRY_MS_MAX;
  });
  expect(tries).toBeGreaterThan(12);
  expect(tries).toBeLessThan(25);
});

test.each([
  ['120', 120_000],
  ['0', 0],
  [' 7 ', 7_000],
  ['Wed, 02 Jan 2030 00:01:00 GMT', 60_000],
  ['Wed, 02 Jan 2020 00:00:00 GMT', 0],
  ['9999999999', 86_400_000],
  ['-5', undefined],
  ['1e9', undefined],
  ['soon', undefined],
  ['', undefined],
  ['9'.repeat(400), undefined],
] as const)('Retry-After %j is %j ms', (text, ms) => {
  expect(retryAfterMs(text, Date.parse('2030-01-02T00:00:00Z'))).toBe(ms);
});

test('an answer that is busy or redirects is about the receiver, another error about the notification', () => {
  expect([400, 404, 422, 500].map((status) => isAboutNotification({ status }))).toEqual(
    Array.from({ length: 4 }, () => true),
  );
  for (const status of [301, 408, 429, 502, 503, 504, undefined])
    expect(isAboutNotification({ status })).toBe(false);
});
