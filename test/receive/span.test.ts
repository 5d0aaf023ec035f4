import { expect, test } from 'vitest';
import type { OtlpSpan } from '../../src/model/otlp.ts';
import { first, nested, readSpans, SPAN_ID, TRACE_ID } from './requests.ts';

const PARENT_ID = 'd5efe8f0839c103f';
const IDS = { traceId: TRACE_ID, spanId: SPAN_ID };

function oneSpan(raw: unknown): OtlpSpan {
  const { batch, reasons } = readSpans(raw);
  expect(reasons).toEqual([]);
  return first(batch.spans).span;
}

test('a span with ids alone gets the defaults that every span has, and nothing else', () => {
  expect(oneSpan(IDS)).toStrictEqual({
    ...IDS,
    name: '',
    kind: 0,
    startTimeUnixNano: '0',
    endTimeUnixNano: '0',
    attributes: [],
  });
});

test('defaults that a sender writes out are left out', () => {
  const written = {
    ...IDS,
    parentSpanId: '',
    traceState: '',
    flags: 0,
    events: [],
    links: [],
    status: { code: 0, message: '' },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
  expect(oneSpan(written)).toStrictEqual(oneSpan(IDS));
  expect(oneSpan({ ...written, parentSpanId: '0'.repeat(16) })).toStrictEqual(oneSpan(IDS));
});

test('every field of a span is kept in canonical form', () => {
  const value = { arrayValue: { values: [{ intValue: 7 }, { doubleValue: 1 }, { boolValue: false }] } };
  const span = oneSpan({
    traceId: TRACE_ID.toUpperCase(),
    spanId: SPAN_ID.toUpperCase(),
    parentSpanId: PARENT_ID.toUpperCase(),
    traceState: 'a=b',
    flags: 257,
    name: 'work',
    kind: 5,
    startTimeUnixNano: 1795227683058000000,
    endTimeUnixNano: '01795227683059000000',
    attributes: [{ key: 'a', value, unknown: 1 }],
    droppedAttributesCount: 1,
    events: [{ timeUnixNano: '3', name: 'tick', attributes: [], droppedAttributesCount: 2, unknown: 1 }],
    droppedEventsCount: 3,
    links: [{ ...IDS, traceState: 'c=d', attributes: [], droppedAttributesCount: 4, flags: 1 }],
    droppedLinksCount: 5,
    status: { code: 2, message: 'it broke' },
    unknown: {},
  });
  expect(span).toStrictEqual({
    traceId: TRACE_ID,
    spanId: SPAN_ID,
    parentSpanId: PARENT_ID,
    traceState: 'a=b',
    flags: 257,
    name: 'work',
    kind: 5,
    startTimeUnixNano: '1795227683058000000',
    endTimeUnixNano: '1795227683059000000',
    attributes: [
      {
        key: 'a',
        value: { arrayValue: { values: [{ intValue: '7' }, { doubleValue: 1 }, { boolValue: false }] } },
      },
    ],
    droppedAttributesCount: 1,
    events: [{ timeUnixNano: '3', name: 'tick', attributes: [], droppedAttributesCount: 2 }],
    droppedEventsCount: 3,
    links: [{ ...IDS, traceState: 'c=d', attributes: [], droppedAttributesCount: 4, flags: 1 }],
    droppedLinksCount: 5,
    status: { code: 2, message: 'it broke' },
  });
});

test('a link without a valid context keeps its attributes', () => {
  const attributes = [{ key: 'why', value: { stringValue: 'x' } }];
  const { links } = oneSpan({ ...IDS, links: [{ traceId: '0'.repeat(32), spanId: '', attributes }] });
  expect(links).toEqual([{ traceId: '', spanId: '', attributes }]);
});

test.each<[string, unknown]>([
  ['traceId is not 32 hex digits, not all zero', { spanId: SPAN_ID }],
  ['traceId is not 32 hex digits, not all zero', { ...IDS, traceId: '0'.repeat(32) }],
  ['traceId is not 32 hex digits, not all zero', { ...IDS, traceId: 'S/kvNXezTaajzpKdDg5HNg==' }],
  ['traceId is not 32 hex digits, not all zero', { ...IDS, traceId: TRACE_ID.slice(1) }],
  ['traceId is not a string', { ...IDS, traceId: 12 }],
  ['spanId is not 16 hex digits, not all zero', { traceId: TRACE_ID }],
  ['spanId is not 16 hex digits, not all zero', { ...IDS, spanId: '' }],
  ['spanId is not 16 hex digits, not all zero', { ...IDS, spanId: '0'.repeat(16) }],
  ['spanId is not 16 hex digits, not all zero', { ...IDS, spanId: 'g0f067aa0ba902b7' }],
  ['parentSpanId is not 16 hex digits', { ...IDS, parentSpanId: 'abc' }],
  ['name is not a string', { ...IDS, name: {} }],
  ['kind is not a 32-bit integer', { ...IDS, kind: 'SPAN_KIND_SERVER' }],
  ['startTimeUnixNano is not a number of nanoseconds', { ...IDS, startTimeUnixNano: '-1' }],
  ['attributes is not an array', { ...IDS, attributes: 'x' }],
  ['a value nests deeper than 64 levels', { ...IDS, attributes: [{ key: 'a', value: nested(65) }] }],
  ['events is not an array', { ...IDS, events: {} }],
  ['an event is not an object', { ...IDS, events: [7] }],
  ['a link is not an object', { ...IDS, links: [null] }],
  ['the traceId of a link is not 32 hex digits', { ...IDS, links: [{ traceId: 'x', spanId: SPAN_ID }] }],
  ['the spanId of a link is not 16 hex digits', { ...IDS, links: [{ traceId: TRACE_ID, spanId: 'x' }] }],
  ['status is not an object', { ...IDS, status: 2 }],
  ['the code of the status is not a 32-bit integer', { ...IDS, status: { code: 'ERROR' } }],
])('%s: that span alone is refused', (reason, bad) => {
  const { batch, rejected, reasons } = readSpans({ ...IDS, name: 'before' }, bad, { ...IDS, name: 'after' });
  expect({ rejected, reasons }).toEqual({ rejected: 1, reasons: [reason] });
  expect(batch.spans.map(({ span }) => span.name)).toEqual(['before', 'after']);
});
