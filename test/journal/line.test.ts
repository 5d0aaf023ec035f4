import { expect, onTestFinished, test } from 'vitest';
import { factEntry, logEntry, type OtlpLogRecord, sourceLine, spanEntry } from '../../src/journal/line.ts';
import type { Fact } from '../../src/model/fact.ts';
import type { OtlpSpan } from '../../src/model/otlp.ts';
import { wellFormedJsonText } from '../../src/model/text.ts';
import { maskSecrets, setRedactRules } from '../../src/redact/redact.ts';

const SECRET = `ghp_${'aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zZ'.repeat(2).slice(0, 36)}`;

const RECORD: OtlpLogRecord = {
  timeUnixNano: '1750000000000000001',
  observedTimeUnixNano: '1750000000000000002',
  severityNumber: 9,
  severityText: 'IN"FO',
  eventName: 'tasktrail.agent.output',
  body: { kvlistValue: { values: [{ key: 'k', value: { stringValue: 'line\n' } }] } },
  attributes: [
    { key: 'quo"ted', value: { intValue: 1 } },
    { key: 'empty', value: {} },
    { key: 'list', value: { arrayValue: { values: [{ boolValue: true }, { doubleValue: 'NaN' }] } } },
    { key: 'text', value: { stringValue: 'é\u2028\u0000"\\' } },
  ],
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  spanId: '00f067aa0ba902b7',
};

test.each([
  ['with every field', RECORD],
  ['with the required fields only', { timeUnixNano: '0', attributes: [] }],
])('the line of a record equals that of JSON.stringify: %s', (_what, record) => {
  expect(logEntry(record).json).toBe(wellFormedJsonText(JSON.stringify(record)));
  // Names are cached: the second call takes another path to the same text.
  expect(logEntry(record).json).toBe(wellFormedJsonText(JSON.stringify(record)));
});

test.each<readonly [string, Partial<OtlpLogRecord>]>([
  ['the body', { body: { stringValue: `token ${SECRET}` } }],
  ['a value inside the body', { body: { arrayValue: { values: [{ stringValue: SECRET }] } } }],
  ['an attribute', { attributes: [{ key: 'a', value: { stringValue: SECRET } }] }],
  ['the name of an attribute', { attributes: [{ key: SECRET, value: { intValue: 1 } }] }],
  ['the event name', { eventName: `event ${SECRET}` }],
  ['the severity', { severityText: SECRET }],
])('a secret in %s is not written to the journal', (_where, fields) => {
  for (let time = 0; time < 2; time += 1) {
    const { json } = logEntry({ timeUnixNano: '1', attributes: [], ...fields });
    expect(json).not.toContain(SECRET);
    expect(json).toContain('[redacted:github-token]');
    JSON.parse(json);
  }
});

const SPAN: OtlpSpan = {
  traceId: RECORD.traceId ?? '',
  spanId: RECORD.spanId ?? '',
  parentSpanId: '00f067aa0ba902b8',
  traceState: 'a=b',
  flags: 1,
  name: 'a "span"',
  kind: 2,
  startTimeUnixNano: '1750000000000000001',
  endTimeUnixNano: '1750000000000000002',
  attributes: RECORD.attributes,
  droppedAttributesCount: 1,
  events: [
    { timeUnixNano: '1', name: 'first', attributes: RECORD.attributes, droppedAttributesCount: 2 },
    { timeUnixNano: '2', name: 'second', attributes: [] },
  ],
  droppedEventsCount: 3,
  links: [
    {
      ...{ traceId: 'c'.repeat(32), spanId: 'd'.repeat(16), traceState: 'e=f' },
      ...{ attributes: RECORD.attributes, droppedAttributesCount: 4, flags: 1 },
    },
    { traceId: '', spanId: '', attributes: [] },
  ],
  droppedLinksCount: 5,
  status: { code: 2, message: 'it "failed"' },
};

test.each([
  ['with every field', SPAN],
  [
    'with the required fields only',
    {
      ...{ traceId: 'a', spanId: 'b"', name: '', kind: 1, startTimeUnixNano: '1', endTimeUnixNano: '2' },
      attributes: [],
    },
  ],
])('the line of a span equals that of JSON.stringify: %s', (_what, span) => {
  for (let time = 0; time < 2; time += 1)
    expect(spanEntry(span).json).toBe(wellFormedJsonText(JSON.stringify(span)));
});

const SECRET_ATTRIBUTES = [{ key: 'a', value: { stringValue: SECRET } }];

test.each<readonly [string, Partial<OtlpSpan>]>([
  ['the name', { name: `deploy ${SECRET}` }],
  ['an attribute', { attributes: SECRET_ATTRIBUTES }],
  [
    'a value inside an attribute',
    { attributes: [{ key: 'a', value: { arrayValue: { values: [{ stringValue: SECRET }] } } }] },
  ],
  ['the name of an event', { events: [{ timeUnixNano: '1', name: SECRET, attributes: [] }] }],
  ['an attribute of an event', { events: [{ timeUnixNano: '1', name: 'e', attributes: SECRET_ATTRIBUTES }] }],
  ['an attribute of a link', { links: [{ traceId: '', spanId: '', attributes: SECRET_ATTRIBUTES }] }],
  [
    'the state of a link',
    { links: [{ traceId: '', spanId: '', traceState: `a=${SECRET}`, attributes: [] }] },
  ],
  ['the trace state', { traceState: `a=${SECRET}` }],
  ['the status', { status: { code: 2, message: `failed with ${SECRET}` } }],
])('a secret in %s of a span is not written to the journal', (_where, fields) => {
  for (let time = 0; time < 2; time += 1) {
    const { json } = spanEntry({ ...SPAN, ...fields });
    expect(json).not.toContain(SECRET);
    expect(json).toContain('[redacted:github-token]');
    JSON.parse(json);
  }
});

test('what an attribute of a span is named after is masked, also in its events', () => {
  const attributes = [{ key: 'db.password', value: { stringValue: 'Tr0ub4dor&3x' } }];
  const { json } = spanEntry({ ...SPAN, attributes, events: [{ timeUnixNano: '1', name: 'e', attributes }] });
  expect(json).not.toContain('Tr0ub4dor');
});

test('text whose JSON form resembles a token is written unchanged', () => {
  const lure = `\npm_${'aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zZ'.repeat(2).slice(0, 36)}`;
  const value = { stringValue: lure };
  const list = { arrayValue: { values: [value] } };
  const attributes = [
    { key: lure, value },
    { key: 'list', value: list },
  ];
  for (const body of [value, list]) {
    const record = { timeUnixNano: '1', severityText: lure, eventName: lure, body, attributes };
    expect(JSON.parse(logEntry(record).json)).toEqual(record);
  }
  const span = {
    traceId: 'a',
    spanId: 'b',
    name: lure,
    kind: 1,
    startTimeUnixNano: '1',
    endTimeUnixNano: '2',
    attributes,
  };
  expect(JSON.parse(spanEntry(span).json)).toEqual(span);
});

test('a name that was written before is masked by a rule and a secret that come later', () => {
  onTestFinished(() => {
    maskSecrets([]);
    setRedactRules([]);
  });
  const record = {
    ...RECORD,
    eventName: 'deploy.falcon-nine',
    attributes: [{ key: 'own-value-7', value: { intValue: 1 } }],
  };
  expect(logEntry(record).json).toContain('deploy.falcon-nine');
  expect(logEntry(record).json).toContain('own-value-7');
  setRedactRules([{ name: 'codeword', pattern: 'falcon-\\w+' }]);
  expect(logEntry(record).json).not.toContain('falcon');
  expect(logEntry(record).json).toContain('own-value-7');
  maskSecrets(['own-value-7']);
  expect(logEntry(record).json).not.toContain('own-value-7');
  maskSecrets([]);
  expect(logEntry(record).json).toContain('own-value-7');
});

const FACT: Fact = {
  eventName: 'tasktrail.agent.output',
  eventId: '01JY0000000000000000000000',
  timeMs: 1_750_000_000_000,
  body: 'line "one"\n',
  shared: { 'tasktrail.task.id': 'task-1', 'tasktrail.task.attempt': 2 },
  attributes: {
    text: 'é\u2028"\\\ud800',
    yes: true,
    half: 0.5,
    list: [1, 'a'],
    none: null,
    absent: undefined,
  },
  span: { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' },
};

function written(fact: Partial<Fact>): OtlpLogRecord {
  return JSON.parse(factEntry({ ...FACT, ...fact }).json);
}

test('a fact is a log record in OTLP, the same when its texts were written before', () => {
  for (let time = 0; time < 2; time += 1) {
    const { observedTimeUnixNano, ...record } = written({});
    expect(Math.abs(Number(observedTimeUnixNano) / 1e6 - Date.now())).toBeLessThan(60_000);
    expect(record).toEqual({
      timeUnixNano: '1750000000000000000',
      eventName: FACT.eventName,
      body: { stringValue: FACT.body },
      attributes: [
        { key: 'tasktrail.event.id', value: { stringValue: FACT.eventId } },
        { key: 'tasktrail.task.id', value: { stringValue: 'task-1' } },
        { key: 'tasktrail.task.attempt', value: { intValue: 2 } },
        { key: 'text', value: { stringValue: 'é\u2028"\\\ufffd' } },
        { key: 'yes', value: { boolValue: true } },
        { key: 'half', value: { doubleValue: 0.5 } },
        { key: 'list', value: { arrayValue: { values: [{ intValue: 1 }, { stringValue: 'a' }] } } },
      ],
      ...FACT.span,
    });
  }
  expect(written({ body: { a: [null] } }).body).toEqual({
    kvlistValue: { values: [{ key: 'a', value: { arrayValue: { values: [{}] } } }] },
  });
});

test('a fact with values of a caller that OTLP does not take is written all the same', () => {
  const odd = { big: 1n, call: () => 1, date: new Date(0) } as unknown as Fact['attributes'];
  const many = Object.fromEntries(Array.from({ length: 2_000 }, (_, n) => [`a${n}`, n]));
  expect(written({ attributes: { ...odd, '': 'no name' } }).attributes.slice(3)).toEqual([
    { key: 'big', value: { stringValue: '1' } },
    { key: 'call', value: { stringValue: '[function]' } },
    { key: 'date', value: { stringValue: '1970-01-01T00:00:00.000Z' } },
  ]);
  expect(written({ attributes: many }).attributes).toHaveLength(1_024 + 3);
  for (const span of [
    { traceId: '0'.repeat(32), spanId: '0'.repeat(16) },
    { traceId: 'no trace', spanId: '00f067aa0ba902b7' },
  ])
    expect(written({ span })).not.toHaveProperty('traceId');
  expect(written({ span: undefined, body: undefined, shared: undefined })).not.toHaveProperty('body');
});

test.each([
  [1_750_000_000_000, '1750000000000000000'],
  [1_750_000_000_000.25, '1750000000000250000'],
  [0.5, '0'],
  [-5, '0'],
  [Number.NaN, '0'],
])('the time %d of a fact is %s', (timeMs, nanos) => {
  expect(written({ timeMs }).timeUnixNano).toBe(nanos);
});

test('a secret in a fact or its source is not written, also by a rule that comes after the texts were kept', () => {
  onTestFinished(() => maskSecrets([]));
  const shared = { 'tasktrail.task.id': 'own-value-7' };
  const source = { resource: { attributes: [] }, scope: { name: 'own-value-7' } };
  const text = (): string => factEntry({ ...FACT, shared }).json + sourceLine(source);
  expect(text().match(/own-value-7/g)).toHaveLength(2);
  maskSecrets(['own-value-7']);
  expect(text()).not.toContain('own-value-7');
  for (const fact of [
    { body: `token ${SECRET}` },
    { body: { deep: [SECRET] } },
    { attributes: { a: SECRET } },
    { attributes: { [SECRET]: [1] } },
    { shared: { a: SECRET } },
    { eventName: SECRET },
    { attributes: { password: 'plain words' } },
  ]) {
    const { json } = factEntry({ ...FACT, ...fact });
    expect(json).not.toMatch(new RegExp(`${SECRET}|plain words`));
    expect(json).toContain('[redacted:');
    JSON.parse(json);
  }
});
