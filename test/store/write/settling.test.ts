import { expect, test } from 'vitest';
import { SettlingClock } from '../../../src/store/write/settling.ts';

test('files are due two quiet seconds after the end', () => {
  const clock = new SettlingClock(0, false);
  expect([clock.isEnded, clock.isDue(1_000_000)]).toEqual([false, false]);
  clock.changed(10_000, true);
  expect([clock.isEnded, clock.isDue(11_999), clock.isDue(12_000)]).toEqual([true, false, true]);
  clock.changed(12_000, true);
  expect([clock.isDue(13_999), clock.isDue(14_000)]).toEqual([false, true]);
  clock.settled();
  expect([clock.isSettled, clock.isDue(1_000_000)]).toEqual([true, false]);
});

test('each further reordering doubles the wait, up to a minute', () => {
  const clock = new SettlingClock(0, true);
  const delays = Array.from({ length: 8 }, () => {
    clock.reordered();
    return Array.from({ length: 61 }, (_, second) => second).find((second) => clock.isDue(second * 1_000));
  });
  expect(delays).toEqual([2, 4, 8, 16, 32, 60, 60, 60]);
});

test('spans are given up ten seconds after the end, also with later changes', () => {
  const clock = new SettlingClock(0, false);
  expect(clock.areSpansLost(1_000_000)).toBe(false);
  clock.changed(5_000, true);
  clock.changed(14_000, true);
  expect([clock.areSpansLost(14_999), clock.areSpansLost(15_000)]).toEqual([false, true]);
});

test('another attempt resets the end', () => {
  const clock = new SettlingClock(0, true);
  clock.settled();
  clock.changed(20_000, false);
  expect([clock.isEnded, clock.isSettled, clock.areSpansLost(100_000)]).toEqual([false, false, false]);
});

test('it is idle after ten minutes, or once done and after twice the delay', () => {
  const clock = new SettlingClock(0, true);
  expect([clock.isIdle(599_999, false), clock.isIdle(600_000, false)]).toEqual([false, true]);
  expect([clock.isIdle(3_999, true), clock.isIdle(4_000, true)]).toEqual([false, true]);
});
