import { expect, test } from 'vitest';
import type { JsonValue } from '../../src/model/json.ts';
import { countRuns, nodeKey, nodeOfPayload, parentNode, WORKFLOW } from '../../src/model/workflow-node.ts';

test.each<[JsonValue | undefined, string | null, string | null]>([
  [undefined, null, null],
  ['text', null, null],
  [{}, null, null],
  [{ phase: 'a' }, 'a', null],
  [{ phase: 'a', step: 's' }, 'a', 's'],
  [{ phase: 'a', step: { name: 's', skill: 'k' } }, 'a', 's'],
  [{ phase: 1, step: { name: null } }, null, null],
])('the payload %j names phase %j and step %j', (payload, phase, step) => {
  expect(nodeOfPayload(payload)).toEqual({ phase, step });
});

test('the parent of a step is its phase, the parent of a phase is the workflow', () => {
  expect(parentNode({ phase: 'a', step: 's' })).toEqual({ phase: 'a', step: null });
  expect(parentNode({ phase: 'a', step: null })).toEqual(WORKFLOW);
  expect(parentNode(WORKFLOW)).toEqual(WORKFLOW);
});

test('names that contain separators yield different keys', () => {
  const names = [null, '', 'null', 'a","b', 'a', '"'];
  const nodes = names.flatMap((phase) => names.map((step) => ({ phase, step })));
  expect(new Set(nodes.map(nodeKey)).size).toBe(nodes.length);
});

test('phases and steps count once; further starts are retries, those of a phase only when it has no steps', () => {
  const nodes = [
    { phase: null, step: null, starts: 4 },
    { phase: 'a', step: null, starts: 3 },
    { phase: 'a', step: 's', starts: 2 },
    { phase: 'a', step: 'skipped', starts: 0 },
    { phase: 'b', step: null, starts: 5 },
    { phase: 'c', step: null, starts: 0 },
    { phase: null, step: 'without phase', starts: 1 },
  ];
  expect(countRuns(nodes)).toEqual({ phases: 2, steps: 2, retries: 1 + 4 });
  expect(countRuns([])).toEqual({ phases: 0, steps: 0, retries: 0 });
});
