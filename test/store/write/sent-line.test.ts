import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { JsonLogsSerializer, ProtobufLogsSerializer } from '@opentelemetry/otlp-transformer';
import {
  InMemoryLogRecordExporter,
  LoggerProvider,
  type ReadableLogRecord,
  SimpleLogRecordProcessor,
} from '@opentelemetry/sdk-logs';
import { expect, onTestFinished, test } from 'vitest';
import type { JsonObject, JsonValue } from '../../../src/model/json.ts';
import type { ReceivedLog } from '../../../src/model/otlp.ts';
import { ANONYMOUS, type Sender, TRAIL } from '../../../src/model/sender.ts';
import { agentTokenOf, trailTokenOf } from '../../../src/model/trail-token.ts';
import { startReceiver } from '../../../src/receive/server.ts';
import { serveLogs } from '../../../src/serve/logs.ts';
import { compressTask } from '../../../src/store/compress.ts';
import { createReader } from '../../../src/store/read/reader.ts';
import { sentId } from '../../../src/store/write/lines/sent-line.ts';
import { documentOf, flowOf, linesOf, newStore, openStore, type TestStore } from '../../support/log-dir.ts';
import { eventId, log, span, spanId } from '../../support/records.ts';

const AGENT: Sender = { kind: 'agent', taskId: 'task-1' };

const about = (event: string, body: JsonValue, number: number, more: JsonObject = {}): ReceivedLog =>
  log({
    event: `tasktrail.${event}`,
    id: eventId(number),
    atMs: number,
    body,
    attributes: { 'tasktrail.task.id': 'task-1', ...more },
  });

const output = (body: string, number: number, more?: JsonObject): ReceivedLog =>
  about('agent.output', body, number, { 'tasktrail.agent.output.type': 'result', ...more });
const stage = (number: number, more?: JsonObject): ReceivedLog =>
  about('webhook.received', null, number, more);
const opening = (): ReceivedLog => about('task.metadata', { status: 'running', source: 'api' }, 900);
const ending = (): ReceivedLog =>
  about('task.result', { status: 'completed', success: true, result: 'real' }, 990);

/** Sender and content of each line as readers see them. */
async function seen(dir: string): Promise<readonly (readonly [unknown, unknown])[]> {
  return (await flowOf(dir, 'task-1', 'agent-output')).map(({ sender, content }) => [sender, content]);
}

async function running(): Promise<TestStore> {
  const store = await newStore();
  await store.logs(opening());
  return store;
}

/** A request of a real SDK, in both encodings. */
const REQUESTS = {
  'application/json': (records: readonly ReadableLogRecord[]) =>
    JsonLogsSerializer.serializeRequest([...records]),
  'application/x-protobuf': (records: readonly ReadableLogRecord[]) =>
    ProtobufLogsSerializer.serializeRequest([...records]),
};

function recordsOf(content: string): readonly ReadableLogRecord[] {
  const exporter = new InMemoryLogRecordExporter();
  const provider = new LoggerProvider({ processors: [new SimpleLogRecordProcessor({ exporter })] });
  const attributes = {
    'tasktrail.task.id': 'task-1',
    'tasktrail.agent.output.sender': 'trail',
    sender: 'trail',
  };
  const output = { ...attributes, 'tasktrail.event.id': eventId(5), 'tasktrail.agent.output.type': 'result' };
  const logger = provider.getLogger('scope');
  logger.emit({ eventName: 'tasktrail.agent.output', timestamp: 5, body: content, attributes: output });
  logger.emit({ eventName: 'foreign', timestamp: 6, body: content, attributes });
  return exporter.getFinishedLogRecords();
}

test.each(Object.entries(REQUESTS))(
  'over OTLP (%s) and REST the mark follows from the token alone',
  async (type, encode) => {
    const key = 'k'.repeat(64);
    const store = await newStore();
    const receiver = await startReceiver({ host: '127.0.0.1', port: 0, sink: store.store, secrets: { key } });
    onTestFinished(() => receiver.close(0));
    const send = async (content: string, token?: string): Promise<void> => {
      const headers = {
        'content-type': type,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      };
      const body = Buffer.from(encode(recordsOf(content)) ?? []);
      expect((await fetch(`${receiver.url}/v1/logs`, { method: 'POST', headers, body })).status).toBe(200);
    };
    const app = createServer(serveLogs({ reader: createReader(store.dir) }));
    await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void app.close());
    const { port } = app.address() as AddressInfo;
    const get = async (part: string): Promise<unknown> =>
      (await fetch(`http://127.0.0.1:${port}/tasks/task-1/logs/${part}`)).json();
    const shown = (lines: unknown): unknown =>
      (lines as JsonObject[]).map(({ type, sender, content }) => [type, sender, content]);
    await send('anonymous');
    await store.logs(opening());
    await send('agent', agentTokenOf(key, 'task-1'));
    expect(shown(await get('agent-output'))).toEqual([
      ['system', 'anonymous', 'anonymous'],
      ['result', 'agent', 'agent'],
      ['system', 'agent', 'agent'],
    ]);
    await send('trail', trailTokenOf(key));
    const expected = [
      ['system', 'anonymous', 'anonymous'],
      ['system', 'agent', 'agent'],
      ['result', undefined, 'trail'],
      ['system', undefined, 'trail'],
    ];
    expect(shown(await get('agent-output'))).toEqual(expected);
    const { agent_output: output } = (await get('full')) as { agent_output: unknown };
    expect(shown(output)).toEqual(expected);
  },
);

test('the key of a marked line sorts as its event id', () => {
  const timestamp = '';
  const keys = [
    sentId({ timestamp, event_id: '01A' }),
    sentId({ timestamp, event_id: '01A', sender: 'agent' }),
    sentId({ timestamp, event_id: '01A', sender: 'anonymous' }),
    sentId({ timestamp, event_id: '01A-b' }),
    sentId({ timestamp, event_id: '01AA' }),
  ];
  expect([...keys].sort()).toEqual(keys);
});

test.each<[string, Sender, unknown]>([
  ['the trail', TRAIL, undefined],
  ['an agent', AGENT, 'agent'],
  ['an anonymous sender', ANONYMOUS, 'anonymous'],
])('lines of %s say so, whatever the record says of its sender', async (_name, sender, mark) => {
  const store = await newStore();
  for (const claimed of ['agent', 'anonymous', 'trail', null, 7]) {
    const number = 10 + (store.books.snapshot().accepted ?? 0);
    const own = { 'tasktrail.agent.output.sender': claimed, 'tasktrail.webhook.sender': claimed };
    await store.from(sender, output('line', number, own));
    if (sender.kind !== 'agent') await store.from(sender, stage(number + 100, own));
  }
  const lines = [
    ...linesOf(store.dir, 'task-1', '03-agent-output.jsonl'),
    ...(sender.kind === 'agent' ? [] : linesOf(store.dir, 'task-1', '02-webhook-flow.jsonl')),
  ];
  expect(lines).toHaveLength(sender.kind === 'agent' ? 5 : 10);
  expect(new Set(lines.map((line) => line.sender))).toEqual(new Set([mark]));
  expect(lines.every((line) => 'sender' in line === (mark !== undefined))).toBe(true);
});

test('foreign records and tool calls from telemetry have the mark of their sender', async () => {
  const store = await running();
  const attributes = {
    'tasktrail.task.id': 'task-1',
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.call.id': 'call-1',
    'gen_ai.tool.name': 'Bash',
    sender: 'trail',
  };
  await store.from(AGENT, log({ id: eventId(1), body: 'foreign', attributes }));
  await store.spansFrom(AGENT, span({ id: spanId(1), attributes }));
  const lines = linesOf(store.dir, 'task-1', '03-agent-output.jsonl');
  expect(lines.map(({ type, sender }) => [type, sender])).toContainEqual(['tool_call', 'agent']);
  expect(lines.every(({ sender }) => sender === 'agent')).toBe(true);
});

// Each pair of senders of one record, in both orders, with and without a restart between them.
test.each(
  (
    [
      [ANONYMOUS, TRAIL],
      [AGENT, TRAIL],
      [ANONYMOUS, AGENT],
    ] as const
  ).flatMap(([low, high]) =>
    ['low first', 'high first'].flatMap((order) =>
      ['', ', with a restart between them'].map(
        (restart) => [low.kind, high.kind, order, restart, low, high] as const,
      ),
    ),
  ),
)(
  'a record of %s and %s, %s%s: readers see it once, as the sender with more rights said it',
  async (...row) => {
    const [, , order, restart, low, high] = row;
    const forged = output('forged\n', 5);
    const real = output('real\n', 5);
    let store = await newStore();
    if (high.kind === 'trail' && low.kind === 'agent') await store.logs(opening());
    const sent =
      order === 'low first'
        ? [
            [low, forged],
            [high, real],
          ]
        : [
            [high, real],
            [low, forged],
          ];
    for (const [sender, record] of sent as [Sender, ReceivedLog][]) {
      expect(await store.from(sender, record)).toEqual({ rejected: 0, reasons: [] });
      if (restart !== '') {
        store = openStore(store.dir);
        await store.store.recover();
      }
    }
    const expected = [[high.kind === 'trail' ? undefined : high.kind, 'real\n']];
    expect(await seen(store.dir)).toEqual(expected);
    // Sent once more by both, as by a collector.
    await store.from(high, real);
    await store.from(low, forged);
    expect(await seen(store.dir)).toEqual(expected);
    expect(linesOf(store.dir, 'task-1', '03-agent-output.jsonl')).toHaveLength(order === 'low first' ? 2 : 1);
    // While the task runs the file only grows; at its end the copy goes.
    await store.logs(ending());
    await store.pass(60_000);
    expect(linesOf(store.dir, 'task-1', '03-agent-output.jsonl')).toHaveLength(1);
    expect(await seen(store.dir)).toEqual(expected);
    expect(documentOf(store.dir, 'task-1', 'metadata.json').settled).toBe(true);
  },
);

test('a copy that a process left behind is removed by the next one', async () => {
  const store = await newStore();
  await store.from(ANONYMOUS, output('forged\n', 5), stage(6, { 'tasktrail.webhook.action': 'forged' }));
  await store.logs(
    opening(),
    output('real\n', 5),
    stage(6, { 'tasktrail.webhook.action': 'real' }),
    ending(),
  );
  const again = openStore(store.dir);
  await again.store.recover();
  await again.pass(60_000);
  expect(linesOf(store.dir, 'task-1', '03-agent-output.jsonl').map(({ content }) => content)).toEqual([
    'real\n',
  ]);
  expect(linesOf(store.dir, 'task-1', '02-webhook-flow.jsonl').map(({ action }) => action)).toEqual(['real']);
});

test('marks stay in a compressed task, and a late record of the trail replaces its copy there', async () => {
  const store = await running();
  await store.from(AGENT, output('forged\n', 5), output('kept\n', 6));
  await store.logs(ending());
  await store.pass(60_000);
  expect(await compressTask(join(store.dir, 'task-1'))).toBe(true);
  expect(await seen(store.dir)).toEqual([
    ['agent', 'forged\n'],
    ['agent', 'kept\n'],
  ]);
  const again = openStore(store.dir);
  await again.logs(output('real\n', 5));
  await again.pass(120_000);
  expect(await seen(store.dir)).toEqual([
    [undefined, 'real\n'],
    ['agent', 'kept\n'],
  ]);
  expect(linesOf(store.dir, 'task-1', '03-agent-output.jsonl')).toHaveLength(2);
});

test('a forged tool call hides no genuine one', async () => {
  const call = (number: number, source?: string): ReceivedLog =>
    about('agent.output', `Bash ${number}`, number, {
      'tasktrail.agent.output.type': 'tool_call',
      'gen_ai.tool.call.id': 'call-1',
      'gen_ai.tool.name': `name-${number}`,
      ...(source !== undefined && { 'tasktrail.agent.output.source': source }),
    });
  const telemetry = span({
    id: spanId(1),
    attributes: {
      'tasktrail.task.id': 'task-1',
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.call.id': 'call-1',
    },
  });
  for (const forger of [ANONYMOUS, AGENT]) {
    const store = await newStore();
    if (forger.kind === 'agent') await store.logs(opening());
    await store.from(forger, call(1));
    await store.logs(opening());
    // What an instrumentation of the trail's own process reports, and what the agent prints.
    await store.sendSpans(telemetry);
    await store.logs(call(3), ending());
    await store.pass(60_000);
    const lines = linesOf(store.dir, 'task-1', '03-agent-output.jsonl').filter(
      ({ type }) => type === 'tool_call',
    );
    expect(lines.map(({ sender, tool_name }) => [sender, tool_name])).toEqual([
      [forger.kind, 'name-1'],
      [undefined, 'name-3'],
    ]);
  }
  // A forged line does not take away what the trail's telemetry reports.
  const store = await running();
  await store.sendSpans(telemetry);
  await store.from(AGENT, call(4));
  await store.logs(ending());
  await store.pass(60_000);
  const lines = linesOf(store.dir, 'task-1', '03-agent-output.jsonl').filter(
    ({ type }) => type === 'tool_call',
  );
  expect(lines.map(({ sender, source }) => [sender, source])).toEqual([
    [undefined, 'telemetry'],
    ['agent', undefined],
  ]);
});

const CALL = {
  'tasktrail.task.id': 'task-1',
  'gen_ai.operation.name': 'chat',
  'gen_ai.request.model': 'forged-model',
  'gen_ai.usage.input_tokens': 1_000_000,
  'gen_ai.usage.output_tokens': 5,
};

test('tokens that an anonymous sender reported before the trail opened the task do not count in it', async () => {
  const store = await newStore();
  await store.spansFrom(ANONYMOUS, span({ id: spanId(1), attributes: CALL }));
  const logged = log({
    event: 'gen_ai.client.inference.operation.details',
    id: eventId(2),
    attributes: { ...CALL, 'gen_ai.response.model': 'forged-model' },
  });
  await store.from(ANONYMOUS, logged);
  await store.logs(opening(), ending());
  const check = (dir: string): void => {
    expect(documentOf(dir, 'task-1', 'metadata.json').model).toBeNull();
    expect(documentOf(dir, 'task-1', '04-final-result.json').metrics).toMatchObject({ input_tokens: null });
  };
  check(store.dir);
  const again = openStore(store.dir);
  await again.store.recover();
  await again.pass(60_000);
  check(store.dir);
  // Those of its agent count, as they are of its own task.
  await again.spansFrom({ ...AGENT, isLeft: true }, span({ id: spanId(1), attributes: CALL }));
  expect(documentOf(store.dir, 'task-1', '04-final-result.json').metrics).toMatchObject({
    input_tokens: 1_000_000,
  });
});

test('in a task of its own the tokens of an anonymous sender count', async () => {
  const store = await newStore();
  await store.spansFrom(ANONYMOUS, span({ id: spanId(1), attributes: CALL }));
  await store.from(ANONYMOUS, ending());
  expect(documentOf(store.dir, 'task-1', '04-final-result.json').metrics).toMatchObject({
    input_tokens: 1_000_000,
  });
});

/** Mark and name of the spans in the trace. */
function spansOf(dir: string): readonly unknown[] {
  return linesOf(dir, 'task-1', 'trace.jsonl').map((line) => {
    const text = JSON.stringify(line);
    return [
      /"tasktrail\.sender","value":\{"stringValue":"(\w+)"/.exec(text)?.[1],
      /"name":"(\w+)","kind"/.exec(text)?.[1],
    ];
  });
}

test('a span has its sender as an attribute, and a forged one does not take the place of the trail’s', async () => {
  const store = await newStore();
  const named = (name: string, attributes: JsonObject = {}): ReturnType<typeof span> =>
    span({ id: spanId(1), attributes: { 'tasktrail.task.id': 'task-1', ...attributes }, more: { name } });
  await store.spansFrom(ANONYMOUS, named('first', { 'tasktrail.sender': 'agent' }));
  await store.logs(opening());
  await store.spansFrom(AGENT, named('second', { 'tasktrail.sender': 'trail' }));
  await store.sendSpans(named('real'));
  const expected = [
    ['anonymous', 'first'],
    ['agent', 'second'],
    [undefined, 'real'],
  ];
  expect(spansOf(store.dir)).toEqual(expected);
  const again = openStore(store.dir);
  await again.store.recover();
  await again.sendSpans(named('real'));
  await again.spansFrom(AGENT, named('third'));
  await again.spansFrom(ANONYMOUS, named('fourth'));
  expect(spansOf(store.dir)).toEqual(expected);
});

test('a forged span does not stand for one that the trail announced and lost', async () => {
  const store = await newStore();
  await store.spansFrom(ANONYMOUS, span({ id: spanId(7), more: { name: 'forged' } }));
  const attributes = {
    'tasktrail.task.id': 'task-1',
    'tasktrail.span.name': 'run',
    'tasktrail.span.kind': 1,
  };
  await store.logs(
    log({
      event: 'tasktrail.task.metadata',
      id: eventId(1),
      body: { status: 'running' },
      attributes,
      spanId: spanId(7),
    }),
    ending(),
  );
  await store.pass(60_000);
  expect(store.spans.map(({ name, spanId: id }) => [name, id])).toEqual([['run', spanId(7)]]);
});
