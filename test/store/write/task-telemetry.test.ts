import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Books } from '../../../src/books.ts';
import type { JsonValue } from '../../../src/model/json.ts';
import { keyValuesFromPlain, type ReceivedSpan } from '../../../src/model/otlp.ts';
import { TRAIL } from '../../../src/model/sender.ts';
import { Store } from '../../../src/store/write/store.ts';
import { documentOf, linesOf, openStore, type TestStore, tempDir } from '../../support/log-dir.ts';
import { eventId, log, outputLog, span, spanId } from '../../support/records.ts';

const OUTPUT = '03-agent-output.jsonl';
const RESULT = '04-final-result.json';

function call(number: number, attributes: Record<string, JsonValue>, parent?: number): ReceivedSpan {
  return span({
    id: spanId(number),
    resource: keyValuesFromPlain({ 'tasktrail.task.id': 'task-1' }),
    attributes,
    ...(parent !== undefined && { more: { parentSpanId: spanId(parent) } }),
  });
}

function chat(
  number: number,
  input: number,
  more: Record<string, JsonValue> = {},
  parent?: number,
): ReceivedSpan {
  const attributes = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.response.model': 'gpt-4o',
    'gen_ai.usage.input_tokens': input,
    'gen_ai.usage.output_tokens': 2,
    ...more,
  };
  return call(number, attributes, parent);
}

function result(body: JsonValue = {}): ReturnType<typeof log> {
  return log({
    event: 'tasktrail.task.result',
    id: eventId(900),
    atMs: 900,
    body: { success: true, status: 'completed', ...(body as object) },
  });
}

function ends(store: TestStore): unknown[] {
  return [
    documentOf(store.dir, 'task-1', RESULT).metrics,
    documentOf(store.dir, 'task-1', 'metadata.json').model,
  ];
}

const asked = {
  role: 'assistant',
  parts: [{ type: 'tool_call', id: 'call-1', name: 'ls', arguments: { path: '.' } }],
};
const answered = { role: 'tool', parts: [{ type: 'tool_call_response', id: 'call-1', response: 'README' }] };

test('tokens and model of spans are in the documents, also of those that come after the end', async () => {
  const store = openStore(await tempDir());
  await store.store.ingest({ logs: [], spans: [chat(1, 10)] }, TRAIL);
  expect(documentOf(store.dir, 'task-1', 'metadata.json').model).toBe('gpt-4o');
  await store.store.ingest({ logs: [result()], spans: [] }, TRAIL);
  expect(ends(store)).toMatchObject([{ input_tokens: 10, output_tokens: 2 }, 'gpt-4o']);
  await store.store.ingest({ logs: [], spans: [chat(2, 30)] }, TRAIL);
  await store.store.ingest({ logs: [], spans: [chat(2, 30), chat(1, 10)] }, TRAIL);
  expect(ends(store)).toMatchObject([
    { input_tokens: 40, output_tokens: 4, models: { 'gpt-4o': { input_tokens: 40 } } },
    'gpt-4o',
  ]);
});

test('a store that opens the task again counts the same spans, with later ones around them', async () => {
  const dir = await tempDir();
  await openStore(dir).store.ingest(
    { logs: [result()], spans: [chat(2, 10, {}, 1), chat(3, 20, {}, 1)] },
    TRAIL,
  );
  const again = openStore(dir);
  const agent = { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.usage.input_tokens': 30 };
  await again.store.ingest({ logs: [], spans: [chat(2, 10, {}, 1), call(1, agent)] }, TRAIL);
  expect(ends(again)).toMatchObject([{ input_tokens: 30, output_tokens: 4 }, 'gpt-4o']);
});

test('after opening the task again later spans still decide the model', async () => {
  const dir = await tempDir();
  const running = log({ event: 'tasktrail.task.metadata', id: eventId(1), body: { status: 'running' } });
  await openStore(dir).store.ingest({ logs: [running], spans: [chat(1, 10)] }, TRAIL);
  const again = openStore(dir);
  await again.store.ingest({ logs: [], spans: [chat(2, 500, { 'gen_ai.response.model': 'gpt-5' })] }, TRAIL);
  await again.store.ingest({ logs: [result()], spans: [] }, TRAIL);
  expect(ends(again)).toMatchObject([{ input_tokens: 510 }, 'gpt-5']);
});

test('tokens of records count as long as no span has any, also after opening the task again', async () => {
  const dir = await tempDir();
  const details = log({
    event: 'gen_ai.client.inference.operation.details',
    attributes: {
      'tasktrail.task.id': 'task-1',
      'gen_ai.response.model': 'gpt-4o',
      'gen_ai.usage.input_tokens': 10,
      'gen_ai.usage.output_tokens': 2,
    },
  });
  await openStore(dir).store.ingest({ logs: [details, result()], spans: [] }, TRAIL);
  const again = openStore(dir);
  await again.store.ingest({ logs: [details], spans: [] }, TRAIL);
  expect(ends(again)).toMatchObject([{ input_tokens: 10 }, 'gpt-4o']);
  await again.store.ingest({ logs: [], spans: [chat(1, 10)] }, TRAIL);
  expect(ends(again)).toMatchObject([{ input_tokens: 10, output_tokens: 2 }, 'gpt-4o']);
});

test('each growth of the tokens is reported once, for the metrics', async () => {
  const seen: unknown[] = [];
  const observer = {
    taskEnded: (end: { result: { metrics: object }; before?: { metrics: object } | undefined }): void => {
      seen.push([end.before?.metrics, end.result.metrics]);
    },
  };
  const onEvent = { onSpan: () => undefined, log: () => undefined };
  const store = new Store({ logDir: await tempDir(), books: new Books(), observer, ...onEvent });
  await store.ingest({ logs: [result()], spans: [] }, TRAIL);
  await store.ingest({ logs: [], spans: [chat(1, 10)] }, TRAIL);
  await store.ingest({ logs: [], spans: [chat(1, 10)] }, TRAIL);
  expect(seen).toMatchObject([
    [undefined, { input_tokens: null }],
    [{ input_tokens: null }, { input_tokens: 10 }],
  ]);
});

test('a tool call is one line: of the answer that asks for it, of its execution, and of the next input', async () => {
  const dir = await tempDir();
  const spans = [
    chat(1, 10, { 'gen_ai.output.messages': JSON.stringify([asked]) }),
    call(2, {
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'ls',
      'gen_ai.tool.call.id': 'call-1',
      'gen_ai.tool.call.result': 'README',
    }),
    chat(3, 20, { 'gen_ai.input.messages': JSON.stringify([asked, answered]) }),
  ];
  const first = openStore(dir);
  for (const one of spans) await first.store.ingest({ logs: [], spans: [one] }, TRAIL);
  const lines = linesOf(dir, 'task-1', OUTPUT);
  expect(lines).toMatchObject([
    {
      type: 'tool_call',
      content: 'ls {"path":"."}',
      tool_name: 'ls',
      tool_use_id: 'call-1',
      tool_input: { path: '.' },
    },
    { type: 'tool_result', content: 'README', tool_name: 'ls', tool_use_id: 'call-1', is_error: false },
  ]);
  const again = openStore(dir);
  await again.store.ingest({ logs: [], spans }, TRAIL);
  expect(linesOf(dir, 'task-1', OUTPUT)).toEqual(lines);
});

test("a tool call in the agent's output is not repeated from telemetry", async () => {
  const dir = await tempDir();
  const own = (number: number, type: string): ReturnType<typeof log> => {
    const { record, ...rest } = outputLog(number);
    const attributes = {
      ...record.attributes,
      'tasktrail.agent.output.type': type,
      'gen_ai.tool.name': 'Read',
      'gen_ai.tool.call.id': 'call-1',
    };
    return { ...rest, record: { ...record, attributes } };
  };
  const spans = [chat(3, 20, { 'gen_ai.input.messages': [answered], 'gen_ai.output.messages': [asked] })];
  await openStore(dir).store.ingest({ logs: [own(1, 'tool_call'), own(2, 'tool_result')], spans: [] }, TRAIL);
  await openStore(dir).store.ingest({ logs: [], spans }, TRAIL);
  expect(linesOf(dir, 'task-1', OUTPUT).map(({ event_id }) => event_id)).toEqual([eventId(1), eventId(2)]);
});

test.each([[false], [true]])(
  'telemetry that is faster than the output gives its line back (restart: %s)',
  async (restarts) => {
    const dir = await tempDir();
    const tool = {
      'tasktrail.task.id': 'task-1',
      'tasktrail.agent.output.type': 'tool_call',
      'gen_ai.tool.name': 'ls',
      'gen_ai.tool.call.id': 'call-1',
    };
    const own = log({
      event: 'tasktrail.agent.output',
      id: eventId(5),
      atMs: 5,
      body: 'ls',
      attributes: tool,
    });
    const spans = [chat(3, 20, { 'gen_ai.output.messages': [asked] })];
    let store = openStore(dir);
    await store.store.ingest({ logs: [], spans }, TRAIL);
    if (restarts) store = openStore(dir);
    await store.store.ingest({ logs: [own, result()], spans }, TRAIL);
    expect(linesOf(dir, 'task-1', OUTPUT).map(({ source }) => source)).toEqual(['telemetry', undefined]);
    if (restarts) {
      store = openStore(dir);
      await store.store.recover();
    }
    for (let second = 0; second < 12; second += 1) await store.pass(1_000);
    await store.store.ingest({ logs: [own], spans }, TRAIL);
    expect(linesOf(dir, 'task-1', OUTPUT).map(({ event_id }) => event_id)).toEqual([eventId(5)]);
    expect(documentOf(dir, 'task-1', 'metadata.json').settled).toBe(true);
  },
);

test('a trace line that was edited by hand does not keep a task from opening', async () => {
  const dir = await tempDir();
  await openStore(dir).store.ingest({ logs: [result()], spans: [chat(1, 10)] }, TRAIL);
  const { appendFileSync } = await import('node:fs');
  const edited = (attributes: unknown): string =>
    `${JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [{ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), attributes }] }] }] })}\n`;
  for (const attributes of [null, 5, [null], [{ key: 1 }], [{ key: 'gen_ai.usage.input_tokens' }]])
    appendFileSync(join(dir, 'task-1', 'trace.jsonl'), edited(attributes));
  const again = openStore(dir);
  await again.store.ingest({ logs: [], spans: [chat(2, 20)] }, TRAIL);
  expect(ends(again)).toMatchObject([{ input_tokens: 30 }, 'gpt-4o']);
});
