import { expect, test } from 'vitest';
import { treeOf } from '../../../../../src/page/browser/run/timeline/span-tree.ts';
import { scaleOf, tickLabel, ticksOf } from '../../../../../src/page/browser/run/timeline/time-scale.ts';
import { span } from '../../../../support/live-span.ts';

const START = Date.parse('2026-01-02T03:04:05.000Z');

test('times are placed in proportion', () => {
  const scale = scaleOf(treeOf([span('a', null, [0, 1_000])]), 0, { isFolded: true });
  expect(scale.at(START)).toBe(0);
  expect(scale.at(START + 250)).toBeCloseTo(0.25);
  expect(scale.at(START + 5_000)).toBe(1);
  expect(scale.folds).toEqual([]);
});

test('a long time without activity is folded, and what lies around it keeps its order', () => {
  const roots = treeOf([span('a', null, [0, 1_000]), span('b', null, [3_600_000, 3_601_000])]);
  const scale = scaleOf(roots, 0, { isFolded: true });
  expect(scale.folds).toHaveLength(1);
  expect(scale.at(START + 1_000)).toBeCloseTo(0.49);
  expect(scale.at(START + 3_600_000)).toBeCloseTo(0.51);
  const places = [0, 500, 1_000, 1_800_000, 3_600_000, 3_600_500, 3_601_000].map((ms) =>
    scale.at(START + ms),
  );
  expect(places).toEqual([...places].sort((a, b) => a - b));
  expect(scaleOf(roots, 0, { isFolded: false }).folds).toEqual([]);
});

test('the time of an agent is no idle time', () => {
  const agent = { attributes: { 'gen_ai.operation.name': 'invoke_agent' } };
  const spans = [
    span('agent', null, [0, 100_000], agent),
    span('t1', 'agent', [0, 10]),
    span('t2', 'agent', [90_000, 90_010]),
  ];
  const [root] = treeOf(spans);
  const rows = root === undefined ? [] : [root, ...root.children];
  expect(scaleOf(rows, 0, { isFolded: true }).folds).toEqual([]);
});

test('an open span ends now', () => {
  const scale = scaleOf(treeOf([span('a', null, [0, null])]), START + 4_000, { isFolded: true });
  expect(scale.endMs).toBe(START + 4_000);
});

test('spans without a duration have a scale, too', () => {
  const scale = scaleOf(treeOf([span('a', null, [0, 0])]), 0, { isFolded: true });
  expect(scale.at(START)).toBe(0);
  expect(ticksOf(scale, 6).length).toBeGreaterThan(0);
});

test('ticks are as exact as they are apart', () => {
  expect([0, 33_000, 33_100].map((ms) => tickLabel(ms, [33_000, 33_100]))).toEqual(['0', '33.0 s', '33.1 s']);
  expect(tickLabel(125_000, [120_000, 125_000])).toBe('2 m 5 s');
});

test('a span that says 1970 or 9999 lies at the edge, and makes the others no smaller', () => {
  const early = Date.parse('1970-01-01T00:00:00Z') - START;
  const late = Date.parse('9999-01-01T00:00:00Z') - START;
  const day = 86_400_000;
  const within = { startMs: START - day, endMs: START + day };
  const rows = treeOf([
    span('a', null, [0, 1_000]),
    span('from 1970', null, [early, 500]),
    span('of 1970', null, [early, early + 1_000]),
    span('until 9999', null, [200, late]),
    span('everything', null, [early, late]),
  ]);
  for (const isFolded of [true, false]) {
    const scale = scaleOf(rows, 0, { isFolded, within });
    expect([scale.startMs, scale.endMs, scale.folds]).toEqual([START, START + 1_000, []]);
    expect([early, 250, late].map((ms) => scale.at(START + ms))).toEqual([0, 0.25, 1]);
  }
  // Where all say so it is what they say.
  const old = scaleOf(treeOf([span('of 1970', null, [early, early + 1_000])]), 0, { isFolded: true, within });
  expect([old.startMs, old.endMs]).toEqual([0, 1_000]);
});
