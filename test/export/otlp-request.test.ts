import { expect, test } from 'vitest';
import { partsOf, requestBody } from '../../src/export/otlp-request.ts';
import type { BatchEntry } from '../../src/journal/segment-reader.ts';

const source = (name: string): string => `"resource":{"name":"${name}"},"scope":{"name":"s"}`;
const entry = (kind: 'L' | 'S', n: number, from = 'a'): BatchEntry => ({
  kind,
  json: `{"n":${n}}`,
  source: source(from),
});

const bodyOf = (signal: 'logs' | 'traces', entries: readonly BatchEntry[]): unknown =>
  JSON.parse(requestBody({ signal, entries }).toString('utf8'));

test('a batch becomes a part of logs and then one of spans, each in order', () => {
  const entries = [entry('S', 1), entry('L', 2), entry('S', 3), entry('L', 4)];
  expect(partsOf(entries)).toEqual([
    { signal: 'logs', entries: [entries[1], entries[3]] },
    { signal: 'traces', entries: [entries[0], entries[2]] },
  ]);
  expect(partsOf([entry('S', 1)]).map(({ signal }) => signal)).toEqual(['traces']);
  expect(partsOf([])).toEqual([]);
});

test('neighbours with the same source share a resource', () => {
  const entries = [entry('L', 1), entry('L', 2), entry('L', 3, 'b'), entry('L', 4)];
  const group = (name: string, ...numbers: number[]): unknown => ({
    resource: { name },
    scopeLogs: [{ scope: { name: 's' }, logRecords: numbers.map((n) => ({ n })) }],
  });
  expect(bodyOf('logs', entries)).toEqual({ resourceLogs: [group('a', 1, 2), group('b', 3), group('a', 4)] });
});

test('spans are grouped under the names of the trace request', () => {
  expect(bodyOf('traces', [entry('S', 1)])).toEqual({
    resourceSpans: [{ resource: { name: 'a' }, scopeSpans: [{ scope: { name: 's' }, spans: [{ n: 1 }] }] }],
  });
});

test('records with a damaged source are sent without resource and scope', () => {
  expect(bodyOf('logs', [{ kind: 'L', json: '{"n":1}', source: '"resource":{' }])).toEqual({
    resourceLogs: [{ resource: {}, scopeLogs: [{ scope: {}, logRecords: [{ n: 1 }] }] }],
  });
});
