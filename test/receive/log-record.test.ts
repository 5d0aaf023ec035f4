import { expect, test } from 'vitest';
import { LOGS, nested, oneLog, readLogs, SPAN_ID, TRACE_ID } from './requests.ts';

const TIME = '1795227683058000000';
const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });

test('a record becomes plain: its body is JSON and its attributes are one object', () => {
  const record = oneLog({
    timeUnixNano: TIME,
    severityNumber: 9,
    severityText: 'INFO',
    eventName: 'session.start',
    body: { kvlistValue: { values: [{ key: 'a', value: { intValue: '7' } }] } },
    attributes: [
      text('model', 'opus'),
      { key: 'ok', value: { boolValue: true } },
      { key: 'none', value: {} },
    ],
    traceId: TRACE_ID,
    spanId: SPAN_ID,
  });
  expect(record).toStrictEqual({
    timeUnixNano: TIME,
    severityNumber: 9,
    severityText: 'INFO',
    eventName: 'session.start',
    body: { a: 7 },
    attributes: { model: 'opus', ok: true, none: null },
    traceId: TRACE_ID,
    spanId: SPAN_ID,
  });
});

test('an empty record is a record without a time', () => {
  expect(oneLog({})).toStrictEqual({ timeUnixNano: '0', attributes: {} });
});

test('null means an absent field', () => {
  const nulls = {
    body: null,
    attributes: null,
    severityText: null,
    severityNumber: null,
    timeUnixNano: null,
  };
  expect(oneLog({ ...nulls, traceId: null, eventName: null })).toStrictEqual({
    timeUnixNano: '0',
    attributes: {},
  });
});

test('a time of 0 means the time when the record was observed', () => {
  expect(oneLog({ timeUnixNano: '0', observedTimeUnixNano: TIME }).timeUnixNano).toBe(TIME);
  expect(oneLog({ observedTimeUnixNano: TIME }).timeUnixNano).toBe(TIME);
  expect(oneLog({ timeUnixNano: '5', observedTimeUnixNano: TIME }).timeUnixNano).toBe('5');
});

test.each([
  [1795227683058000000, '1795227683058000000'],
  [0, '0'],
  ['00012', '12'],
  ['0000', '0'],
  ['18446744073709551615', '18446744073709551615'],
])('the time %j is written %s', (timeUnixNano, expected) => {
  expect(oneLog({ timeUnixNano }).timeUnixNano).toBe(expected);
});

test.each([
  ['-1'],
  [-1],
  [1.5],
  ['1.5'],
  ['1e9'],
  [''],
  [' 1'],
  ['yesterday'],
  ['18446744073709551616'],
  [2 ** 64],
  [true],
  [{}],
])('a time of %j refuses the record', (timeUnixNano) => {
  const { rejected, reasons } = readLogs({ timeUnixNano });
  expect({ rejected, reasons }).toEqual({
    rejected: 1,
    reasons: ['timeUnixNano is not a number of nanoseconds'],
  });
});

test('the attribute event.name is the event name, takes precedence over the field, and is removed from the attributes', () => {
  const record = oneLog({
    eventName: 'event otel/src/trace_context.rs:158',
    attributes: [text('event.name', 'codex.user_prompt'), text('other', 'x')],
  });
  expect(record.eventName).toBe('codex.user_prompt');
  expect(record.attributes).toStrictEqual({ other: 'x' });
});

test('an attribute event.name that is not a text stays an attribute', () => {
  const record = oneLog({
    eventName: 'kept',
    attributes: [{ key: 'event.name', value: { intValue: 1 } }],
  });
  expect(record).toMatchObject({ eventName: 'kept', attributes: { 'event.name': 1 } });
  expect(oneLog({ eventName: 'kept', attributes: [text('event.name', '')] }).eventName).toBe('kept');
});

test('ids are lower-case hex', () => {
  const record = oneLog({ traceId: TRACE_ID.toUpperCase(), spanId: SPAN_ID.toUpperCase() });
  expect(record).toMatchObject({ traceId: TRACE_ID, spanId: SPAN_ID });
});

test.each([
  ['', ''],
  ['0'.repeat(32), '0'.repeat(16)],
  ['xyz', SPAN_ID],
  [`${TRACE_ID}00`, SPAN_ID],
  [7, {}],
])('a record with the ids %j and %j is kept without them', (traceId, spanId) => {
  const record = oneLog({ traceId, spanId, body: { stringValue: 'kept' } });
  expect(record).toStrictEqual({ timeUnixNano: '0', body: 'kept', attributes: {} });
});

test('a record with an invalid span id is kept without that id', () => {
  expect(oneLog({ traceId: TRACE_ID, spanId: 'no' })).toStrictEqual({
    timeUnixNano: '0',
    attributes: {},
    traceId: TRACE_ID,
  });
});

test.each<[string, unknown]>([
  ['attributes is not an array', { attributes: {} }],
  ['an attribute is not an object', { attributes: ['x'] }],
  ['an attribute key is not a string', { attributes: [{ key: 7 }] }],
  ['a value is not an object', { attributes: [{ key: 'a', value: 'x' }] }],
  ['a stringValue is not a string', { body: { stringValue: 5 } }],
  ['a boolValue is not a boolean', { body: { boolValue: 'true' } }],
  ['an intValue is not a 64-bit integer', { body: { intValue: '1.5' } }],
  ['an intValue is not a 64-bit integer', { body: { intValue: '9223372036854775808' } }],
  ['an intValue is not a 64-bit integer', { body: { intValue: 1.5 } }],
  ['a doubleValue is not a number', { body: { doubleValue: 'much' } }],
  ['a doubleValue is not a number', { body: { doubleValue: '' } }],
  ['a bytesValue is not a string', { body: { bytesValue: [1] } }],
  ['an arrayValue is not an object', { body: { arrayValue: [] } }],
  ['the values of an arrayValue is not an array', { body: { arrayValue: { values: {} } } }],
  ['the values of a kvlistValue is not an array', { body: { kvlistValue: { values: 'x' } } }],
  ['a value nests deeper than 64 levels', { body: nested(65) }],
  ['a value nests deeper than 64 levels', { attributes: [{ key: 'a', value: nested(200) }] }],
  ['eventName is not a string', { eventName: 5 }],
  ['severityText is not a string', { severityText: 5 }],
  ['severityNumber is not a 32-bit integer', { severityNumber: 'INFO' }],
  ['severityNumber is not a 32-bit integer', { severityNumber: 9.5 }],
  ['a record is not an object', 'x'],
  ['a record is not an object', null],
])('%s: that record alone is refused', (reason, bad) => {
  const { batch, rejected, reasons } = readLogs({ body: { stringValue: 'before' } }, bad, {
    body: { stringValue: 'after' },
  });
  expect({ rejected, reasons }).toEqual({ rejected: 1, reasons: [reason] });
  expect(batch.logs.map((log) => log.record.body)).toEqual(['before', 'after']);
});

test('64 levels of a value are accepted', () => {
  let depth = 0;
  for (let body: unknown = oneLog({ body: nested(64) }).body; Array.isArray(body); body = body[0]) depth++;
  expect(depth).toBe(64);
});

test.each<[unknown, unknown]>([
  [{ intValue: '9223372036854775807' }, '9223372036854775807'],
  [{ intValue: '-9223372036854775808' }, '-9223372036854775808'],
  [{ intValue: '007' }, 7],
  [{ intValue: -3 }, -3],
  [{ doubleValue: 1.5 }, 1.5],
  [{ doubleValue: '1.5' }, 1.5],
  [{ doubleValue: 'NaN' }, 'NaN'],
  [{ doubleValue: '-Infinity' }, '-Infinity'],
  [{ bytesValue: 'AQI=' }, 'AQI='],
  [{ arrayValue: {} }, []],
  [{ kvlistValue: { values: null } }, {}],
  [{ stringValue: null, intValue: 5 }, 5],
  [{}, undefined],
  [{ unknownValue: 1 }, undefined],
])('the body %j reads as %j', (body, expected) => {
  expect(oneLog({ body }).body).toEqual(expected);
});

test('a key __proto__ is a key like others', () => {
  const { attributes } = oneLog({ attributes: [text('__proto__', 'x')] });
  expect(Object.entries(attributes)).toEqual([['__proto__', 'x']]);
  expect(Object.getPrototypeOf(attributes)).toBe(Object.prototype);
});

test('unknown fields are ignored at every level', () => {
  const request = JSON.parse(
    '{"new":1,"resourceLogs":[{"new":{},"resource":{"new":[]},"scopeLogs":[{"new":"","scope":{"new":1},' +
      '"logRecords":[{"new":{"deep":[]},"body":{"stringValue":"kept","new":1}}]}]}]}',
  );
  expect(LOGS.read(request).batch.logs.map((log) => log.record.body)).toEqual(['kept']);
});
