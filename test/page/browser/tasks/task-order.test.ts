import { expect, test } from 'vitest';
import type { TaskItem } from '../../../../src/client/api/shapes.ts';
import { merged } from '../../../../src/page/browser/tasks/task-order.ts';
import { fc } from '../../../support/fast-check.ts';

const item = (at: number): TaskItem =>
  ({ task_id: `t${at}`, created_at: new Date(at * 1_000).toISOString() }) as TaskItem;
const ids = (items: readonly TaskItem[]): readonly string[] => items.map(({ task_id: id }) => id);

test('tasks that come stand in the order of their creation, whatever the order in which they come', () => {
  const times = fc.uniqueArray(fc.integer({ min: 0, max: 100_000 }), { maxLength: 40 });
  fc.assert(
    fc.property(times, fc.nat(), (all, cut) => {
      const newest = (some: readonly number[]): readonly number[] => [...some].sort((a, b) => b - a);
      const at = all.length === 0 ? 0 : cut % all.length;
      const loaded = newest(all.slice(0, at)).map(item);
      const result = merged(loaded, all.slice(at).map(item), false);
      expect(ids(result)).toEqual(newest(all).map((one) => `t${one}`));
    }),
  );
});

test('what belongs behind the loaded part waits for its page', () => {
  const loaded = [item(9), item(5)];
  expect(ids(merged(loaded, [item(7), item(1)], true))).toEqual(['t9', 't7', 't5']);
  expect(ids(merged([], [item(1)], true))).toEqual(['t1']);
});
