import { expect, test } from 'vitest';
import { groupsOf, inMoveOrder } from '../../src/move/move-order.ts';
import { shardOf } from '../../src/warehouse/logsql.ts';

test('each unit is in one group, a group is of one part, and long units are few in a group', () => {
  const units = Array.from({ length: 3_000 }, (_, number) => ({
    id: `task-${number}`,
    bytes: number * 5_000,
  }));
  const groups = [...groupsOf(inMoveOrder(units))];
  expect(groups.flat().sort()).toEqual(units.map(({ id }) => id).sort());
  for (const group of groups) {
    expect(new Set(group.map(shardOf)).size).toBe(1);
    const bytes = group.reduce((sum, id) => sum + Number(id.slice(5)) * 5_000, 0);
    expect(group.length === 1 || bytes <= 8 * 1_048_576).toBe(true);
    expect(group.length).toBeLessThanOrEqual(32);
  }
});
