import { createHash } from 'node:crypto';
import { decodeTime, isValid } from 'ulid';
import { expect, test } from 'vitest';
import type { PlainLogRecord } from '../../src/model/otlp.ts';
import { foreignEventId, identityOf } from '../../src/project/foreign-id.ts';
import { T0 } from '../support/records.ts';

const RECORD: PlainLogRecord = {
  timeUnixNano: `${T0}000000`,
  eventName: 'gen_ai.choice',
  severityNumber: 9,
  severityText: 'INFO',
  body: { text: 'hello' },
  attributes: { b: 1, a: 'x' },
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
};

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function idOf(record: PlainLogRecord, ordinal = 0): string {
  return foreignEventId(identityOf(record), ordinal, hash);
}

test('the id is a ULID with the time of the record', () => {
  const id = idOf(RECORD);
  expect(isValid(id)).toBe(true);
  expect(decodeTime(id)).toBe(T0);
});

test('ids sort by the nanosecond', () => {
  const ids = ['000000', '000001', '000999', '999999'].map((nanos) =>
    idOf({ ...RECORD, timeUnixNano: `${T0}${nanos}` }),
  );
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(ids.map(decodeTime))).toEqual(new Set([T0]));
});

test('the same record has the same id in any order of its attributes', () => {
  expect(idOf({ ...RECORD, attributes: { a: 'x', b: 1 } })).toBe(idOf(RECORD));
});

test.each<[string, Partial<PlainLogRecord>]>([
  ['time', { timeUnixNano: `${T0}000001` }],
  ['name', { eventName: 'other' }],
  ['severity', { severityNumber: 10 }],
  ['severity text', { severityText: 'WARN' }],
  ['body', { body: { text: 'hello!' } }],
  ['attributes', { attributes: { a: 'x', b: 2 } }],
  ['trace id', { traceId: '1af7651916cd43dd8448eb211c80319c' }],
  ['span id', { spanId: 'c7ad6b7169203331' }],
])('another %s gives another id', (_what, change) => {
  expect(idOf({ ...RECORD, ...change })).not.toBe(idOf(RECORD));
});

test('equal records of one request have different ids', () => {
  expect(idOf(RECORD, 1)).not.toBe(idOf(RECORD, 0));
});
