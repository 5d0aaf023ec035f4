import { expect, test } from 'vitest';
import { withLanes } from '../../../../../src/page/browser/run/timeline/attempt-lanes.ts';
import { rowsOf, treeOf } from '../../../../../src/page/browser/run/timeline/span-tree.ts';
import { span } from '../../../../support/live-span.ts';

test('spans are rows in the order of their start, each below its parent', () => {
  const spans = [
    span('tool b', 'agent x', [30, 40]),
    span('agent x', 'step run', [5, 50]),
    span('phase build', null, [0, 60]),
    span('step run', 'phase build', [0, 60]),
    span('tool a', 'agent x', [10, 20]),
  ];
  const rows = rowsOf(treeOf(spans), new Set());
  expect(rows.map(({ label, depth }) => `${depth} ${label}`)).toEqual([
    '0 build',
    '1 run',
    '2 agent x',
    '3 tool a',
    '3 tool b',
  ]);
  expect(rowsOf(treeOf(spans), new Set(['agent x']))).toHaveLength(3);
});

test('a span without its parent is a root, and the spans of a circle of parents are shown', () => {
  const lost = treeOf([span('x', 'gone', [0, 1])]);
  expect(lost).toHaveLength(1);
  const circle = [span('a', 'b', [0, 1]), span('b', 'a', [0, 1]), span('own', 'own', [0, 1])];
  expect(rowsOf(treeOf(circle), new Set()).map(({ label }) => label)).toEqual(['own', 'a', 'b']);
});

test('spans of any depth are rows in their order, with lanes too', () => {
  const spans = Array.from({ length: 20_000 }, (_, at) =>
    span(`s${at}`, at === 0 ? null : `s${at - 1}`, [at, 30_000], {
      attributes: { 'tasktrail.task.attempt': at < 10_000 ? 1 : 2 },
    }),
  );
  const rows = rowsOf(treeOf(spans), new Set());
  expect(rows.map(({ id }) => id)).toEqual(spans.map(({ span_id: id }) => id));
  expect(rows.at(-1)?.depth).toBe(200);
  expect(rowsOf(withLanes(treeOf(spans)), new Set()).length).toBeGreaterThan(20_000);
});

test.each(['constructor', '__proto__', 'toString'])('an operation named %s is a span', (operation) => {
  const [root] = treeOf([span('x y', null, [0, 1], { attributes: { 'gen_ai.operation.name': operation } })]);
  expect(root?.kind).toBe('span');
});

test('what failed below is known above', () => {
  const [root] = treeOf([span('a', null, [0, 9]), span('b', 'a', [1, 2], { status: 'error' })]);
  expect(root?.hasError).toBe(true);
});

test.each([
  [{ name: 'execute_tool Bash', attributes: { 'gen_ai.operation.name': 'execute_tool' } }, 'tool', 'Bash'],
  [
    { name: 'invoke_agent claude', attributes: { 'gen_ai.operation.name': 'invoke_agent' } },
    'agent',
    'claude',
  ],
  [
    { name: 'process agent', kind: 'consumer', attributes: { 'tasktrail.task.attempt': 2 } },
    'attempt',
    'attempt 2',
  ],
  [{ name: 'send agent', kind: 'producer' }, 'queue', 'agent'],
  [
    { name: 'POST /webhooks/github', kind: 'server', attributes: { 'tasktrail.webhook.provider': 'github' } },
    'webhook',
    'POST /webhooks/github',
  ],
  [{ name: 'something else' }, 'span', 'something else'],
] as const)('%j is a %s', (more, kind, label) => {
  const [node] = treeOf([span('x', null, [0, 1], more)]);
  expect([node?.kind, node?.label]).toEqual([kind, label]);
});
