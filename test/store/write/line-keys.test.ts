import { expect, test } from 'vitest';
import { traceLine } from '../../../src/project/span.ts';
import { factKey, isFactLine } from '../../../src/store/write/lines/fact-line.ts';
import {
  eventKey,
  isoOfSpan,
  jsonLine,
  scopeOf,
  spanLine,
  traceKey,
} from '../../../src/store/write/lines/line-keys.ts';
import { eventId, fact, span, spanId, T0, TRACE_ID } from '../../support/records.ts';

const SECRET = `ghp_${'a1B2'.repeat(9)}`;

test('a JSON line has the key of its event and no secret', () => {
  const line = { timestamp: new Date(T0).toISOString(), event_id: eventId(1), content: `token ${SECRET}` };
  const { id, timestamp, text } = jsonLine(line);
  expect(eventKey(JSON.parse(text))).toEqual({ id, timestamp });
  expect(JSON.parse(text)).toEqual({ ...line, content: 'token [redacted:github-token]' });
});

test('a span line has the key and scope of its span and no secret', () => {
  const received = span({ id: spanId(1), attributes: { note: SECRET } });
  const { id, timestamp, text = '' } = spanLine(received.span, traceLine(received)) ?? {};
  const line = JSON.parse(text);
  expect(id).toBe(`${TRACE_ID}-${spanId(1)}`);
  expect(traceKey(line)).toEqual({ id, timestamp });
  expect(scopeOf(line)).toEqual({ name: 'test' });
  expect(text).not.toContain(SECRET);
});

test.each([undefined, null, 7, 'x', [], {}, { event_id: 1, timestamp: '' }, { event_id: 'a' }])(
  'the value %j has no key',
  (value) => {
    expect(eventKey(value)).toBeUndefined();
    expect(factKey(value)).toBeUndefined();
    expect(traceKey(value)).toBeUndefined();
    expect(scopeOf(value)).toBeUndefined();
  },
);

test('a fact needs every field that the fold reads', () => {
  const good = fact({
    body: {},
    span: { parent_id: null, name: 'x', kind: 1, attributes: {} },
    derive: { attributes: {} },
  });
  expect(isFactLine(good)).toBe(true);
  expect(factKey(good)).toEqual({ id: good.event_id, timestamp: good.timestamp });
  const damaged: Record<string, unknown>[] = [
    { timestamp: 'soon' },
    { event: 7 },
    { attempt: '1' },
    { trace_id: 5 },
    { span_id: undefined },
    { body: [] },
    { span: { ...good.span, name: 1 } },
    { span: { ...good.span, parent_id: 1 } },
    { derive: {} },
  ];
  for (const more of damaged) expect(factKey({ ...good, ...more })).toBeUndefined();
});

test('the time of a span is empty when it is missing, negative or after the year 9999', () => {
  expect(isoOfSpan(`${T0}000000`)).toBe('2026-01-02T03:04:05.000Z');
  expect(isoOfSpan('253402300799000000000')).toBe('9999-12-31T23:59:59.000Z');
  for (const nanos of [undefined, 'x', '0', -1, '253402300800000000000']) expect(isoOfSpan(nanos)).toBe('');
});
