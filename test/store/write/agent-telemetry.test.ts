import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { type JsonObject, type JsonValue, objectOf } from '../../../src/model/json.ts';
import { startReceiver } from '../../../src/receive/server.ts';
import { documentOf, filesIn, linesOf, openStore, type TestStore, tempDir } from '../../support/log-dir.ts';

const TASK = 'task-demo';

/** Recorded requests of real agents, and their number of records or spans. */
const LOGS: readonly (readonly [file: string, records: number])[] = [
  ['claude-code/otlp-logs.json', 20],
  ['claude-code/otlp-logs.bin', 20],
  ['claude-code/otlp-logs-with-content.json', 20],
  ['claude-code/otlp-logs-error529.json', 2],
  ['codex/otlp-logs.json', 27],
  ['gemini-cli/otlp-logs.json', 27],
];
const TRACES: readonly (readonly [file: string, spans: number])[] = [
  ['claude-code/otlp-traces.json', 17],
  ['claude-code/otlp-traces.bin', 17],
  ['codex/otlp-traces-1.json', 27],
  ['codex/otlp-traces-2.json', 49],
  ['gemini-cli/otlp-traces.json', 11],
];
const METRICS = [
  'claude-code/otlp-metrics.json',
  'claude-code/otlp-metrics.bin',
  'codex/otlp-metrics.json',
  'gemini-cli/otlp-metrics.json',
];

/** Totals at the end of the run's output, larger than those of a single model request. */
const STREAM = {
  cost_usd: 0.0421,
  input_tokens: 15_280,
  output_tokens: 285,
  cache_read_input_tokens: 10_000,
  cache_creation_input_tokens: 3_700,
  duration_seconds: 12.5,
};

let holder: TestStore;
let url: string;

beforeEach(async () => {
  holder = openStore(await tempDir());
  const receiver = await startReceiver({ host: '127.0.0.1', port: 0, sink: holder.store });
  onTestFinished(() => receiver.close(0));
  url = receiver.url;
});

function sample(file: string): Buffer {
  return readFileSync(new URL(`../../samples/${file}`, import.meta.url));
}

async function post(path: string, body: Buffer | string, type: string): Promise<Response> {
  return fetch(`${url}/v1/${path}`, { method: 'POST', headers: { 'content-type': type }, body });
}

async function send(path: 'logs' | 'traces', file: string): Promise<void> {
  const isJson = file.endsWith('.json');
  const response = await post(path, sample(file), isJson ? 'application/json' : 'application/x-protobuf');
  expect(response.status).toBe(200);
  // An empty answer: no record was refused.
  expect(await response.text()).toBe(isJson ? '{}' : '');
}

/** Records of the worker about the run, as OTLP. */
async function sendOwn(stream: Partial<typeof STREAM> = STREAM): Promise<void> {
  const at = 1_795_227_600_000;
  const record = (number: number, eventName: string, body: unknown, more: object = {}): object => ({
    timeUnixNano: `${at + number}000000`,
    eventName,
    body,
    attributes: Object.entries({
      'tasktrail.event.id': `01KDY${String(number).padStart(21, '0')}`,
      'tasktrail.task.id': TASK,
      ...more,
    }).map(([key, stringValue]) => ({ key, value: { stringValue } })),
  });
  const text = (stringValue: string): object => ({ stringValue });
  const output = { 'tasktrail.agent.output.type': 'output' };
  const metrics = Object.entries(stream).map(([key, doubleValue]) => ({ key, value: { doubleValue } }));
  const result = [
    { key: 'success', value: { boolValue: true } },
    { key: 'status', value: text('completed') },
    { key: 'result', value: text('Done.') },
    { key: 'metrics', value: { kvlistValue: { values: metrics } } },
  ];
  const running = [{ key: 'status', value: text('running') }];
  const logRecords = [
    record(1, 'tasktrail.task.metadata', { kvlistValue: { values: running } }),
    record(2, 'tasktrail.agent.output', text('I look at the folder.\n'), output),
    record(3, 'tasktrail.agent.output', text('Done.\n'), output),
    record(4, 'tasktrail.task.result', { kvlistValue: { values: result } }),
  ];
  const body = { resourceLogs: [{ scopeLogs: [{ scope: { name: 'tasktrail' }, logRecords }] }] };
  const response = await post('logs', JSON.stringify(body), 'application/json');
  expect(await response.text()).toBe('{}');
}

function foreignLines(): JsonObject[] {
  return linesOf(holder.dir, TASK, '03-agent-output.jsonl').filter(({ type }) => type === 'system');
}

function expectOneTask(): void {
  expect(readdirSync(holder.dir)).toEqual([TASK]);
  expect(holder.books.snapshot()).toMatchObject({ unattributed: {}, dropped: {}, skippedLines: 0 });
}

function metricsOf(): JsonObject {
  return objectOf(documentOf(holder.dir, TASK, '04-final-result.json').metrics);
}

function withoutBasis(result: JsonObject): JsonObject {
  const { cost_basis: _, ...metrics } = objectOf(result.metrics);
  return metrics;
}

test.each(LOGS)(
  'all records of %s are stored in their task (%i), and the result comes from the output',
  async (file, records) => {
    await sendOwn();
    const result = documentOf(holder.dir, TASK, '04-final-result.json');
    expect(result).toMatchObject({ success: true, metrics: STREAM });
    await send('logs', file);
    expect(foreignLines()).toHaveLength(records);
    expectOneTask();
    // Sent by two paths, each twice, as by a collector in between and a sender without an answer.
    await holder.pass(20_000);
    const before = filesIn(holder.dir);
    for (let again = 0; again < 3; again += 1) await send('logs', file);
    await sendOwn();
    await holder.pass(20_000);
    expect(filesIn(holder.dir)).toEqual(before);
    const { cost_basis: basis, ...metrics } = metricsOf();
    expect(metrics).toEqual(withoutBasis(result));
    const isOfCalls = !file.includes('error529');
    expect(basis).toMatchObject({
      source: 'result',
      // The calls have 100 tokens less than the result states.
      verdict: isOfCalls
        ? expect.stringMatching(/^differs by .*-100 input tokens \(telemetry\)$/)
        : 'unknown',
    });
    expect(
      linesOf(holder.dir, TASK, '03-agent-output.jsonl').filter(({ type }) => type === 'output'),
    ).toHaveLength(2);
  },
);

test.each(TRACES)(
  'all spans of %s are stored in the trace of their task (%i), each once',
  async (file, spans) => {
    await sendOwn();
    const result = documentOf(holder.dir, TASK, '04-final-result.json');
    for (let again = 0; again < 4; again += 1) await send('traces', file);
    expect(linesOf(holder.dir, TASK, 'trace.jsonl')).toHaveLength(spans);
    const { cost_basis: basis, ...metrics } = metricsOf();
    expect(metrics).toEqual(withoutBasis(result));
    expect(basis).toMatchObject({
      source: 'result',
      verdict: expect.stringMatching(/^differs by .*\(spans\)$/),
    });
    expectOneTask();
  },
);

test.each(METRICS)('%s is refused with a reason', async (file) => {
  const type = file.endsWith('.json') ? 'application/json' : 'application/x-protobuf';
  const response = await post('metrics', sample(file), type);
  expect(response.status).toBe(404);
  expect(await response.text()).toContain('metrics are not taken here');
  expect(readdirSync(holder.dir)).toEqual([]);
});

test('records of three agents for one task are stored together', async () => {
  await Promise.all([
    ...LOGS.map(([file]) => send('logs', file)),
    ...TRACES.map(([file]) => send('traces', file)),
    sendOwn(),
  ]);
  // The two encodings of one agent come from two runs and share no record.
  const logs = LOGS.reduce((sum, [, count]) => sum + count, 0);
  expect(foreignLines()).toHaveLength(logs);
  expect(documentOf(holder.dir, TASK, '04-final-result.json').metrics).toMatchObject(STREAM);
  expectOneTask();
});

/** A posted OTLP record. */
interface Posted {
  readonly timeUnixNano?: string | number;
  readonly observedTimeUnixNano?: string | number;
  readonly eventName?: string;
  readonly attributes: readonly { readonly key: string; readonly value: PostedValue }[];
}

interface PostedValue {
  readonly stringValue?: string;
  readonly intValue?: string | number;
  readonly doubleValue?: number;
  readonly boolValue?: boolean;
  readonly arrayValue?: { readonly values?: readonly PostedValue[] };
}

function postedIn(file: string): Posted[] {
  const request = JSON.parse(sample(file).toString()) as {
    resourceLogs: readonly { scopeLogs: readonly { logRecords: readonly Posted[] }[] }[];
  };
  return request.resourceLogs.flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords));
}

function plain(value: PostedValue): JsonValue {
  if (value.intValue !== undefined) return Number(value.intValue);
  if (value.arrayValue !== undefined) return (value.arrayValue.values ?? []).map(plain);
  return value.stringValue ?? value.doubleValue ?? value.boolValue ?? null;
}

test.each(LOGS.filter(([file]) => file.endsWith('.json')))(
  'names, times and values of %s are stored unchanged',
  async (file) => {
    await send('logs', file);
    const expected = postedIn(file).map((posted) => {
      const values = new Map(posted.attributes.map(({ key, value }) => [key, plain(value)]));
      const event = values.get('event.name') ?? posted.eventName;
      for (const key of ['event.name', 'tasktrail.task.id']) values.delete(key);
      const isTimed = BigInt(posted.timeUnixNano ?? 0) > 0n;
      const nanos = BigInt((isTimed ? posted.timeUnixNano : posted.observedTimeUnixNano) ?? 0);
      const timestamp = new Date(Number(nanos / 1_000_000n)).toISOString();
      return { timestamp, event, attributes: Object.fromEntries(values) };
    });
    const stored = foreignLines().map(({ timestamp, event, attributes }) => ({
      timestamp,
      event,
      attributes,
    }));
    const sorted = (items: readonly object[]): unknown[] => items.map((item) => canonical(item)).sort();
    expect(sorted(stored)).toEqual(sorted(expected));
  },
);

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

test('the recordings contain the special cases that they are kept for', () => {
  const codex = postedIn('codex/otlp-logs.json');
  expect(codex.every(({ timeUnixNano = 0 }) => BigInt(timeUnixNano) === 0n)).toBe(true);
  expect(codex.every(({ eventName }) => eventName?.startsWith('event otel/src/'))).toBe(true);
  const values = (file: string, key: string): PostedValue[] =>
    postedIn(file).flatMap(({ attributes }) =>
      attributes.filter((one) => one.key === key).map(({ value }) => value),
    );
  expect(values('codex/otlp-logs.json', 'input_token_count')).toContainEqual({ stringValue: '3810' });
  expect(values('gemini-cli/otlp-logs.json', 'gen_ai.request.max_tokens')).toContainEqual({});
});

test('a recording of another task is stored there, and one without a task is counted by its service', async () => {
  const moved = sample('gemini-cli/otlp-logs.json').toString().replaceAll(`"${TASK}"`, '"task-other"');
  expect(await (await post('logs', moved, 'application/json')).text()).toBe('{}');
  expect(readdirSync(holder.dir)).toEqual(['task-other']);
  const lost = moved.replaceAll('"tasktrail.task.id"', '"some.other.id"');
  expect(await (await post('logs', lost, 'application/json')).text()).toBe('{}');
  expect(readdirSync(holder.dir)).toEqual(['task-other']);
  expect(holder.books.snapshot().unattributed).toEqual({ 'gemini-cli': 27 });
  const lines = linesOf(join(holder.dir, 'task-other', '03-agent-output.jsonl'));
  expect(lines.filter(({ type }) => type === 'system')).toHaveLength(27);
  // Two of the recorded answers are whole and ask for a tool.
  expect(lines.flatMap(({ type, tool_name }) => (type === 'tool_call' ? [tool_name] : []))).toEqual([
    'read_file',
    'run_shell_command',
  ]);
});

test('a request with a null resource keeps its other records', async () => {
  const request = JSON.parse(sample('codex/otlp-logs.json').toString()) as { resourceLogs: unknown[] };
  request.resourceLogs.unshift(null);
  const response = await post('logs', JSON.stringify(request), 'application/json');
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({
    partialSuccess: { rejectedLogRecords: '1', errorMessage: 'an entry of resourceLogs is not an object' },
  });
  expect(foreignLines()).toHaveLength(27);
});

/** The same four model requests: Gemini does not count its thoughts as output. */
const SPENT = { input_tokens: 15_180, output_tokens: 285, cache_read_input_tokens: 10_000 };

test.each([
  [['claude-code/otlp-traces.json'], 'claude-opus-5-5', SPENT],
  [['claude-code/otlp-traces.bin'], 'claude-opus-5-5', SPENT],
  [['codex/otlp-traces-2.json', 'codex/otlp-traces-1.json'], 'gpt-5.5', SPENT],
  [['gemini-cli/otlp-traces.json'], 'gemini-2.5-flash', { input_tokens: 15_180, output_tokens: 235 }],
])('without a word of the agent, the spans of %s give model and tokens', async (files, model, spent) => {
  await sendOwn({});
  for (const file of [...files, ...files]) await send('traces', file);
  expect(documentOf(holder.dir, TASK, 'metadata.json').model).toBe(model);
  const { metrics } = documentOf(holder.dir, TASK, '04-final-result.json');
  // The recording of Codex lacks the spans between its calls and the span that names the model.
  const models = files.length === 1 ? { models: { [model]: spent } } : {};
  expect(metrics).toMatchObject({ ...spent, ...models });
});
