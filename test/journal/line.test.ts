import { expect, onTestFinished, test } from 'vitest';
import { logEntry, type OtlpLogRecord, spanEntry } from '../../src/journal/line.ts';
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
