import { expect, test } from 'vitest';
import { classifyObject, encodeDocument, hasConflictingPayload } from '../../src/archive/stored-document.ts';
import type { JsonValue } from '../../src/model/json.ts';
import { reversedKeys } from '../support/reversed-keys.ts';
import { documentFrom, RUN, renamed, WORKFLOW_ID } from './documents.ts';

const document = documentFrom(RUN);
const text = Buffer.from(encodeDocument(document)).toString();

test('a written document is read unchanged', () => {
  expect(classifyObject(encodeDocument(document), WORKFLOW_ID)).toEqual({ kind: 'document', document });
});

test.each([0, 120, text.length - 3])('an object truncated after %i bytes is broken', (length) => {
  expect(classifyObject(Buffer.from(text.slice(0, length)), WORKFLOW_ID)).toEqual({ kind: 'broken' });
});

test.each([
  ['bytes that are not text', Buffer.from([0xff, 0xfe, 0x00])],
  ['text', Buffer.from('hello')],
  ['an array', Buffer.from('[]')],
  ['null', Buffer.from('null')],
  ['the beginning of another workflow', encodeDocument(renamed(document, 'other')).subarray(0, 200)],
  ['another workflow', encodeDocument(renamed(document, 'other'))],
  ['an end without its events', json({ ...document, events: undefined })],
  ['no revision', json({ ...document, revision: '1' })],
  ['an event without a time', json({ ...document, events: [{ ...RUN[0], timestamp: 5 }] })],
  ['an event of another workflow', json({ ...document, events: [{ ...RUN[0], workflow_id: 'other' }] })],
  ['an event that is null', json({ ...document, events: [null] })],
  ['a document of a later schema', json({ ...document, schema_version: 99 })],
])('an object is foreign: %s', (_what, bytes) => {
  expect(classifyObject(bytes, WORKFLOW_ID)).toMatchObject({ kind: 'foreign' });
});

test('payloads of an event conflict by their values, not by the order of their keys', () => {
  const reordered = RUN.map((event) => ({ ...event, payload: reversedKeys(event.payload) as JsonValue }));
  expect(hasConflictingPayload(RUN, reordered)).toBe(false);
  const changed = RUN.map((event) => ({ ...event, payload: { phase: 'other' } }));
  expect(hasConflictingPayload(RUN, changed)).toBe(true);
  expect(hasConflictingPayload(RUN, [])).toBe(false);
});

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
