import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { ReceivedLog, ReceivedSpan } from '../../src/model/otlp.ts';
import { decodeJson } from '../../src/receive/json/decode-json.ts';
import type { DecodedRequest } from '../../src/receive/signals.ts';
import { decode, decodeLargeJson, LOGS, TRACES } from './requests.ts';

/** Bodies of real agents, as posted: file, and how many records it holds. */
const SAMPLES: readonly (readonly [file: string, records: number])[] = [
  ['claude-code/otlp-logs.json', 20],
  ['claude-code/otlp-logs.bin', 20],
  ['claude-code/otlp-traces.json', 17],
  ['claude-code/otlp-traces.bin', 17],
  ['codex/otlp-logs.json', 27],
  ['codex/otlp-traces-1.json', 27],
  ['gemini-cli/otlp-logs.json', 27],
  ['gemini-cli/otlp-traces.json', 11],
];

function read(file: string): DecodedRequest {
  const body = readFileSync(new URL(`../samples/${file}`, import.meta.url));
  const signal = file.includes('otlp-logs') ? LOGS : TRACES;
  if (!file.endsWith('.json')) return decode(signal, body);
  const decoded = signal.read(decodeJson(body));
  expect(decodeLargeJson(signal, body)).toEqual(decoded);
  return decoded;
}

function linesOf({ batch }: DecodedRequest): string {
  const items: readonly (ReceivedLog | ReceivedSpan)[] = [...batch.logs, ...batch.spans];
  return items.map((item) => `${JSON.stringify(item)}\n`).join('');
}

test.each(SAMPLES)('%s is read as in the golden file, with all %i records', async (file, records) => {
  const decoded = read(file);
  expect(decoded.reasons).toEqual([]);
  expect(decoded.batch.logs.length + decoded.batch.spans.length).toBe(records);
  await expect(linesOf(decoded)).toMatchFileSnapshot(`golden/${file.replace('/', '-')}.jsonl`);
});

test('the records of Codex have the name and the time that Codex means', () => {
  const { logs } = read('codex/otlp-logs.json').batch;
  expect(logs.filter(({ record }) => record.eventName?.startsWith('codex.')).length).toBeGreaterThan(20);
  expect(logs.some(({ record }) => record.attributes['event.name'] !== undefined)).toBe(false);
  expect(logs.every(({ record }) => record.timeUnixNano.startsWith('1795227'))).toBe(true);
});

test.each(['claude-code', 'codex', 'gemini-cli'])('the resource of %s names its task', (agent) => {
  for (const { resource } of read(`${agent}/otlp-logs.json`).batch.logs) {
    expect(resource['tasktrail.task.id']).toBe('task-demo');
  }
});

test.each(['logs', 'traces'])(
  'the %s of Claude Code differ between the encodings in no name or type',
  (signal) => {
    const shape = (file: string) =>
      JSON.parse(JSON.stringify(read(file).batch), (_, value) => shapeOf(value));
    const names = (file: string) => new Set(JSON.stringify(shape(file)).match(/"[^"]+":/g));
    expect(names(`claude-code/otlp-${signal}.bin`)).toEqual(names(`claude-code/otlp-${signal}.json`));
  },
);

function shapeOf(value: unknown): unknown {
  return typeof value === 'object' ? value : typeof value;
}
