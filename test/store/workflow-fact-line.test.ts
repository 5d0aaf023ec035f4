import { expect, test } from 'vitest';
import { envelopeOf } from '../../src/project/workflow-envelope.ts';
import { isWorkflowFact, parseEnvelope, parseFact } from '../../src/store/workflow-fact-line.ts';
import { fact, foldOf, wholeRun } from '../support/workflow-files.ts';

const GOOD = fact('w-1', 0, {
  attempt: 2,
  key: 'mine',
  phases: ['build'],
  span: { parent_id: null, name: 'workflow x', kind: 1, attributes: {} },
  derive: { attributes: {} },
});

test('facts and envelopes are read back unchanged', () => {
  for (const one of [GOOD, ...wholeRun('w-1')]) {
    expect(isWorkflowFact(one)).toBe(true);
    expect(parseFact(JSON.stringify(one))).toEqual(one);
  }
  for (const event of foldOf('w-1', [GOOD]).placed) {
    expect(parseEnvelope(JSON.stringify(envelopeOf(event)))).toEqual(envelopeOf(event));
  }
});

test.each([
  ['a time in another format', { timestamp: '2026-11-21T10:00:00Z' }],
  ['an invalid time', { timestamp: 'soon' }],
  ['an id that is not safe in a path', { workflow_id: '../x' }],
  ['no event id', { event_id: '' }],
  ['no type', { event_type: undefined }],
  ['no payload', { payload: undefined }],
  ['an attempt of 0', { attempt: 0 }],
  ['an attempt that is text', { attempt: 'two' }],
  ['a phase that is not text', { phase: 7 }],
  ['a step that is missing', { step: undefined }],
  ['phases that are not text', { phases: [1] }],
  ['a span without a name', { span: { parent_id: null, kind: 1, attributes: {} } }],
  ['a derive without attributes', { derive: {} }],
])('a line with %s is not a fact', (_what, change) => {
  expect(isWorkflowFact({ ...GOOD, ...change })).toBe(false);
  expect(parseFact(JSON.stringify({ ...GOOD, ...change }))).toBeUndefined();
});

test.each(['', '{', '[]', 'null', '"x"', '{}'])('the text %j is neither a fact nor an envelope', (text) => {
  expect(parseFact(text)).toBeUndefined();
  expect(parseEnvelope(text)).toBeUndefined();
});

test('an envelope needs an attempt', () => {
  const [event] = foldOf('w-1', [GOOD]).envelopes;
  expect(parseEnvelope(JSON.stringify({ ...event, attempt: null }))).toBeUndefined();
  expect(parseEnvelope(JSON.stringify({ ...event, task_id: 5 }))).toBeUndefined();
  expect(parseEnvelope(JSON.stringify({ ...event, project: undefined }))).toBeUndefined();
});
