import { expect, test } from 'vitest';
import { Random } from './random.ts';
import { GROUPS, makeSchedule, type ScheduleOptions } from './schedule.ts';

const OPTIONS: ScheduleOptions = {
  seed: 'a seed',
  durationMs: 600_000,
  everyMs: 300,
  groups: new Set(GROUPS),
  has: new Set(['redis', 'victoria', 'cluster']),
};

test('the same seed gives the same schedule, another seed another one', () => {
  expect(makeSchedule(OPTIONS)).toEqual(makeSchedule(OPTIONS));
  expect(makeSchedule({ ...OPTIONS, seed: 'another' })).not.toEqual(makeSchedule(OPTIONS));
});

test('the actions fill the time at the given rate, in order', () => {
  const times = makeSchedule(OPTIONS).map(({ atMs }) => atMs);
  expect(times.length).toBeGreaterThan(1_800);
  expect(times.length).toBeLessThan(2_200);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(times.at(-1)).toBeLessThan(OPTIONS.durationMs);
});

test('only the kinds of the given groups occur, and those of Redis and VictoriaLogs only with them', () => {
  const kindsOf = (options: Partial<ScheduleOptions>): string[] => [
    ...new Set(makeSchedule({ ...OPTIONS, ...options }).map(({ kind }) => kind)),
  ];
  expect(kindsOf({}).length).toBeGreaterThan(25);
  expect(kindsOf({ groups: new Set(['disk']) }).sort()).toEqual(['disk-full', 'disk-read-only']);
  expect(kindsOf({ has: new Set() }).filter((kind) => /worker|redis|store|victoria/.test(kind))).toEqual([]);
  const one = kindsOf({ groups: new Set(['victoria']), has: new Set(['victoria']) });
  expect(one.sort()).toEqual(['victoria-stop', 'victoria-term']);
  expect(kindsOf({ groups: new Set(['forgery']) })).toEqual([]);
});

test('random numbers lie between 0 and 1 and fill the range', () => {
  const random = new Random('a seed');
  const numbers = Array.from({ length: 10_000 }, () => random.next());
  expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...numbers)).toBeLessThan(1);
  const tenths = new Set(numbers.map((number) => Math.floor(number * 10)));
  expect(tenths.size).toBe(10);
});
