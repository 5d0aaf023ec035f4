import { expect, test } from 'vitest';
import type { TelemetryBatch } from '../../src/model/otlp.ts';
import { isStorable, type JsonRecord, readRecords } from '../../src/receive/records.ts';
import { SIGNALS } from '../../src/receive/signals.ts';

const sourceOf = (name: string): string =>
  `"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"${name}"}}]},"scope":{"name":"${name}"}`;

const logOf = (at: number, source = sourceOf('a')): JsonRecord => ({
  source,
  json: `{"timeUnixNano":"1795992770267000000","body":{"stringValue":"line ${at}"},"attributes":[]}`,
});

async function read(
  signal: 'logs' | 'traces',
  entries: readonly JsonRecord[],
): Promise<{ batches: TelemetryBatch[]; rejected: number; reasons: readonly string[] }> {
  const batches: TelemetryBatch[] = [];
  const results: { readonly rejected: number; readonly reasons: readonly string[] }[] = [];
  for await (const batch of readRecords({ signal, entries }, (result) => results.push(result)))
    batches.push(batch);
  const rejected = results.reduce((sum, result) => sum + result.rejected, 0);
  return { batches, rejected, reasons: results.flatMap(({ reasons }) => reasons) };
}

test('records are read as those of a request, each with the resource and scope of its own', async () => {
  const entries = [logOf(1), logOf(2, sourceOf('b')), logOf(3, sourceOf('b')), logOf(4)];
  const group = ({ source, json }: JsonRecord): unknown => {
    const { resource, scope } = JSON.parse(`{${source}}`);
    return { resource, scopeLogs: [{ scope, logRecords: [JSON.parse(json)] }] };
  };
  const expected = SIGNALS[0]?.read({ resourceLogs: entries.map(group) });
  const { batches, rejected, reasons } = await read('logs', entries);
  expect(batches.flatMap(({ logs }) => logs)).toEqual(expected?.batch.logs);
  expect(batches.flatMap(({ logs }) => logs)).toHaveLength(4);
  expect({ rejected, reasons }).toEqual({ rejected: 0, reasons: [] });
});

test('many records come in batches that share their memory, in their order', async () => {
  const { batches } = await read(
    'logs',
    Array.from({ length: 1_500 }, (_, at) => logOf(at)),
  );
  expect(batches.length).toBeGreaterThan(1);
  expect(new Set(batches.map(({ memory }) => memory)).size).toBe(1);
  const texts = batches.flatMap(({ logs }) => logs.map(({ record }) => record.body));
  expect(texts).toEqual(Array.from({ length: 1_500 }, (_, at) => `line ${at}`));
});

test('an invalid record is rejected alone, with its reason', async () => {
  const bad = { source: sourceOf('a'), json: '{"traceId":"x","spanId":"y"}' };
  const { batches, rejected, reasons } = await read('traces', [bad]);
  expect(batches).toEqual([]);
  expect(rejected).toBe(1);
  expect(reasons[0]).toContain('traceId is not 32 hex digits');
});

test('a record without a readable source loses its resource and keeps the rest', async () => {
  const { batches } = await read('logs', [logOf(1, '"resource":{')]);
  expect(batches[0]?.logs[0]).toMatchObject({ resource: {}, record: { body: 'line 1' } });
});

test('a record that is no JSON is an error of the input', async () => {
  const torn = { source: sourceOf('a'), json: '{"body":' };
  await expect(read('logs', [logOf(1), torn])).rejects.toMatchObject({ code: 'ERR_INPUT_INVALID' });
});

test('a long record goes through a request, where its values are counted', () => {
  expect(isStorable(logOf(1))).toBe(true);
  expect(isStorable({ source: '', json: ' '.repeat(300_000) })).toBe(false);
});
