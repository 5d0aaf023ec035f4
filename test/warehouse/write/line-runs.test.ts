import { expect, test } from 'vitest';
import { LineRuns } from '../../../src/warehouse/write/line-runs.ts';

test('the lines of a task are numbered together, those of another one apart', () => {
  const runs = new LineRuns();
  const numbers = (['fact', 'output', 'span', 'stage'] as const).map((kind) =>
    runs.numberOf({ kind, unit: 'task-1' }),
  );
  expect(numbers.map((number) => number?.seq)).toEqual(['0', '1', '2', '3']);
  expect(new Set(numbers.map((number) => number?.run)).size).toBe(1);
  expect(numbers[0]?.run).toMatch(/^[0-9a-z]{6}$/);
  expect(runs.numberOf({ kind: 'fact', unit: 'task-2' })).toMatchObject({ seq: '0' });
});

test('the events of all workflows are numbered together', () => {
  const runs = new LineRuns();
  const [one, other] = ['wf-1', 'wf-2'].map((unit) => runs.numberOf({ kind: 'event', unit }));
  expect(other).toEqual({ run: one?.run, seq: '1' });
});

test('marks, deliveries and spans of workflows have no number', () => {
  const runs = new LineRuns();
  for (const kind of ['task', 'delivery', 'workflow-span'] as const)
    expect(runs.numberOf({ kind, unit: 'x' })).toBeUndefined();
});

test('no number is given again after a request that has failed', () => {
  const runs = new LineRuns();
  const before = runs.numberOf({ kind: 'output', unit: 'task-1' });
  runs.restart();
  const after = runs.numberOf({ kind: 'output', unit: 'task-1' });
  expect(after?.seq).toBe('0');
  expect(after?.run).not.toBe(before?.run);
});
