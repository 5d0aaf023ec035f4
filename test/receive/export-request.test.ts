import { expect, test } from 'vitest';
import { LOGS, logsRequest, TRACES } from './requests.ts';

test.each([[{}], [{ resourceLogs: null }], [{ resourceLogs: [] }], [{ resourceLogs: [{}] }], [{ new: 1 }]])(
  '%j is an empty request',
  (request) => {
    expect(LOGS.read(request)).toEqual({ batch: { logs: [], spans: [] }, rejected: 0, reasons: [] });
  },
);

test.each<[unknown, string]>([
  [[], 'the request is not an object'],
  [null, 'the request is not an object'],
  ['x', 'the request is not an object'],
  [{ resourceLogs: {} }, 'resourceLogs is not an array'],
])('%j is refused whole: %s', (request, message) => {
  expect(() => LOGS.read(request)).toThrow(
    expect.objectContaining({ code: 'ERR_INPUT_INVALID', message: `malformed request: ${message}` }),
  );
});

test.each<[string, unknown, string]>([
  ['a null resource entry', null, 'an entry of resourceLogs is not an object'],
  ['a number for a resource entry', 7, 'an entry of resourceLogs is not an object'],
  ['a resource entry whose scopes are text', { scopeLogs: 'x' }, 'scopeLogs is not an array'],
  ['a null scope entry', { scopeLogs: [null] }, 'an entry of scopeLogs is not an object'],
  ['a scope entry without a list', { scopeLogs: [{ logRecords: {} }] }, 'logRecords is not an array'],
])('%s is refused as one, and the good records around it are kept', (_, bad, reason) => {
  const good = (text: string) => ({ scopeLogs: [{ logRecords: [{ body: { stringValue: text } }] }] });
  const { batch, rejected, reasons } = LOGS.read({ resourceLogs: [good('a'), bad, good('b')] });
  expect(batch.logs.map(({ record }) => record.body)).toEqual(['a', 'b']);
  expect({ rejected, reasons }).toEqual({ rejected: 1, reasons: [reason] });
});

test('a null entry among the resources of spans is refused alone', () => {
  const spans = [{ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) }];
  const { batch, rejected } = TRACES.read({ resourceSpans: [null, { scopeSpans: [null, { spans }] }] });
  expect(batch.spans).toHaveLength(1);
  expect(rejected).toBe(2);
});

test('records have their resource and scope, in the order of the request', () => {
  const resource = (name: string) => ({
    attributes: [{ key: 'service.name', value: { stringValue: name } }],
  });
  const scopeLogs = (name: string, ...bodies: string[]) => ({
    scope: { name, version: name === 'bare' ? '' : '2' },
    logRecords: bodies.map((stringValue) => ({ body: { stringValue } })),
  });
  const { batch } = LOGS.read({
    resourceLogs: [
      { resource: resource('a'), scopeLogs: [scopeLogs('s1', '1', '2'), scopeLogs('bare', '3')] },
      { resource: resource('b'), scopeLogs: [scopeLogs('s2', '4')] },
      { scopeLogs: [{ logRecords: [{ body: { stringValue: '5' } }] }] },
    ],
  });
  expect(batch.logs.map(({ resource, scope, record }) => [resource, scope, record.body])).toEqual([
    [{ 'service.name': 'a' }, { name: 's1', version: '2' }, '1'],
    [{ 'service.name': 'a' }, { name: 's1', version: '2' }, '2'],
    [{ 'service.name': 'a' }, { name: 'bare' }, '3'],
    [{ 'service.name': 'b' }, { name: 's2', version: '2' }, '4'],
    [{}, { name: '' }, '5'],
  ]);
  expect(batch.logs[0]?.resource).toBe(batch.logs[1]?.resource);
});

test('a bad resource refuses its own records and no others', () => {
  const { batch, rejected, reasons } = LOGS.read({
    resourceLogs: [
      { resource: { attributes: 'x' }, scopeLogs: [{ logRecords: [{}, {}] }] },
      { resource: {}, scopeLogs: [{ logRecords: [{}] }, { scope: { name: 7 }, logRecords: [{}] }] },
    ],
  });
  expect(batch.logs).toHaveLength(1);
  expect(rejected).toBe(3);
  expect(reasons).toEqual([
    'the attributes of the resource is not an array (2 times)',
    'the name of the scope is not a string',
  ]);
});

test('a hundred thousand bad records give one reason', () => {
  const { rejected, reasons } = LOGS.read(logsRequest(...new Array(100_000).fill(0)));
  expect(rejected).toBe(100_000);
  expect(reasons).toEqual(['a record is not an object (100000 times)']);
});

test('the resource of spans keeps the shape of OTLP', () => {
  const attributes = [{ key: 'n', value: { intValue: 7 } }];
  const spans = [{ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) }];
  const { batch } = TRACES.read({ resourceSpans: [{ resource: { attributes }, scopeSpans: [{ spans }] }] });
  expect(batch.spans[0]?.resource).toEqual({ attributes: [{ key: 'n', value: { intValue: '7' } }] });
});
