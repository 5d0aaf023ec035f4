import { expect, test } from 'vitest';
import { canonicalJson } from '../../src/model/canonical-json.ts';
import { eventIdentity } from '../../src/model/event-identity.ts';
import type { JsonValue } from '../../src/model/json.ts';
import type { NodeId } from '../../src/model/workflow-node.ts';

const STEP: NodeId = { phase: 'build', step: 'test' };
const PHASE: NodeId = { phase: 'build', step: null };

const identity = (payload: JsonValue, node: NodeId): string => canonicalJson(eventIdentity(payload, node));

test.each<[string, NodeId, JsonValue, JsonValue]>([
  ['reordered keys', STEP, { a: { x: 1, y: 2 }, b: 3 }, { b: 3, a: { y: 2, x: 1 } }],
  ['the phase repeated', STEP, { a: 1 }, { a: 1, phase: 'build' }],
  ['the step repeated', STEP, { a: 1 }, { a: 1, step: 'test' }],
  ['the step as an object', STEP, { a: 1, step: 'test' }, { a: 1, step: { name: 'test', skill: null } }],
  ['a step of null', PHASE, { a: 1 }, { a: 1, step: null, phase: 'build' }],
  ['no metadata', STEP, { artifact: { type: 'x' } }, { artifact: { type: 'x', metadata: {} } }],
  ['metadata of null', STEP, { artifact: { type: 'x' } }, { artifact: { metadata: null, type: 'x' } }],
  ['a path of null', STEP, { artifact: { type: 'x' } }, { artifact: { type: 'x', path: null, url: null } }],
  ['an empty list', PHASE, { phase: 'build' }, { phase: 'build', steps: [] }],
  ['an empty context', STEP, {}, { context: { branch: null, work_item_id: null } }],
])('payloads that differ only in %s are the same event', (_what, node, one, other) => {
  expect(identity(one, node)).toBe(identity(other, node));
});

test.each<[string, NodeId, JsonValue, JsonValue]>([
  ['a field', STEP, { a: 1 }, { a: 2 }],
  ['the order of a list', STEP, { options: [1, 2] }, { options: [2, 1] }],
  ['another phase', STEP, { a: 1 }, { a: 1, phase: 'deploy' }],
  ['another step', STEP, { a: 1 }, { a: 1, step: 'lint' }],
  ['a further field of the step', STEP, { step: 'test' }, { step: { name: 'test', skill: 's' } }],
  ['metadata', STEP, { artifact: { type: 'x', metadata: { a: 1 } } }, { artifact: { type: 'x' } }],
  [
    'null in metadata',
    STEP,
    { artifact: { metadata: { a: null } } },
    { artifact: { metadata: { b: null } } },
  ],
  ['false, 0 and empty text', STEP, { a: false, b: 0, c: '' }, {}],
  ['null in a list', STEP, { options: [null] }, { options: [] }],
  ['a key named __proto__', STEP, JSON.parse('{"a":1,"__proto__":2}'), { a: 1 }],
])('payloads that differ in %s are two events', (_what, node, one, other) => {
  expect(identity(one, node)).not.toBe(identity(other, node));
});

test('a payload that is not an object is its own identity', () => {
  for (const payload of ['text', 1, null, [1, { phase: 'build' }]]) {
    expect(eventIdentity(payload, STEP)).toEqual(payload);
  }
});
