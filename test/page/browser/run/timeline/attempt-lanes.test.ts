import { expect, test } from 'vitest';
import { withLanes } from '../../../../../src/page/browser/run/timeline/attempt-lanes.ts';
import { rowsOf, treeOf } from '../../../../../src/page/browser/run/timeline/span-tree.ts';
import { span } from '../../../../support/live-span.ts';

const START = Date.parse('2026-01-02T03:04:05.000Z');
const of = (attempt: number) => ({ attributes: { 'tasktrail.task.attempt': attempt } });
const process = (attempt: number) => ({ ...of(attempt), name: 'process agent', kind: 'consumer' as const });

const rows = (spans: Parameters<typeof treeOf>[0]): readonly string[] =>
  rowsOf(withLanes(treeOf(spans)), new Set()).map(
    ({ depth, label, startMs, endMs }) =>
      `${depth} ${label} ${startMs - START}-${endMs === undefined ? '' : endMs - START}`,
  );

test('each attempt is a lane with its own spans below; webhook and queue stand before', () => {
  expect(
    rows([
      span('queue', null, [0, 1], { name: 'send agent', kind: 'producer' }),
      span('p1', 'queue', [2, 50], process(1)),
      span('step a', 'p1', [3, 50], of(1)),
      span('tool 1', 'step a', [4, 20], of(1)),
      span('p2', 'queue', [60, 90], process(2)),
      span('step b', 'p2', [61, 90], of(2)),
      span('tool 2', 'step b', [62, 80]),
    ]),
  ).toEqual([
    '0 agent 0-1',
    '0 attempt 1 2-50',
    '1 a 3-50',
    '2 tool 1 4-20',
    '0 attempt 2 60-90',
    '1 b 61-90',
    '2 tool 2 62-80',
  ]);
});

test('an agent that went on in the next attempt is in both lanes, each with its part of the time, and each tool once', () => {
  expect(
    rows([
      span('p1', null, [0, 100], process(1)),
      span('agent x', 'p1', [1, 100], of(2)),
      span('tool 1', 'agent x', [2, 10], of(1)),
      span('tool 2', 'agent x', [60, 70], of(2)),
      span('p2', null, [50, null], process(2)),
    ]),
  ).toEqual([
    '0 attempt 1 0-50',
    '1 agent x 1-50',
    '2 tool 1 2-10',
    '0 attempt 2 50-',
    '1 agent x 50-100',
    '2 tool 2 60-70',
  ]);
});

test('an attempt whose own span was lost has a lane, too', () => {
  expect(
    rows([
      span('tool 1', 'gone', [5, 9], of(1)),
      span('p2', null, [20, null], process(2)),
      span('tool 2', 'p2', [30, 31], of(2)),
    ]),
  ).toEqual(['0 attempt 1 5-9', '1 tool 1 5-9', '0 attempt 2 20-', '1 tool 2 30-31']);
});

test('a failed span below marks its own lane, and no other; each row has an id of its own', () => {
  const tree = withLanes(
    treeOf([
      span('p1', null, [0, 9], process(1)),
      span('agent x', 'p1', [1, 30], of(2)),
      span('tool 1', 'agent x', [2, 3], { ...of(1), status: 'error' }),
      span('p2', null, [10, 30], process(2)),
      span('tool 2', 'agent x', [12, 13], of(2)),
    ]),
  );
  const all = rowsOf(tree, new Set());
  expect(all.map(({ label, hasError }) => [label, hasError])).toEqual([
    ['attempt 1', true],
    ['agent x', true],
    ['tool 1', true],
    ['attempt 2', false],
    ['agent x', false],
    ['tool 2', false],
  ]);
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
  expect(rowsOf(tree, new Set(['attempt-1'])).map(({ label }) => label)).toEqual([
    'attempt 1',
    'attempt 2',
    'agent x',
    'tool 2',
  ]);
});

test('a task with one attempt has no lanes', () => {
  const tree = treeOf([span('p1', null, [0, 9], process(1)), span('tool', 'p1', [1, 2])]);
  expect(withLanes(tree)).toBe(tree);
});
