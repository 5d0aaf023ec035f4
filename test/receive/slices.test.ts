import { setImmediate } from 'node:timers';
import { expect, onTestFinished, test } from 'vitest';
import type { TelemetryBatch } from '../../src/model/otlp.ts';
import { startReceiver } from '../../src/receive/server.ts';
import type { IngestResult } from '../../src/receive/sink.ts';
import { field, logsRequest, requestBody } from './requests.ts';

const JSON_TYPE = 'application/json';
const PROTOBUF_TYPE = 'application/x-protobuf';
const COUNT = 60_000;

interface Sent {
  readonly status: number;
  readonly text: string;
  readonly batches: readonly TelemetryBatch[];
  /** Turns of the event loop before the answer. */
  readonly turns: number;
}

async function send(
  type: string,
  body: Buffer,
  ingest: (batch: TelemetryBatch, number: number) => IngestResult = () => ({ rejected: 0, reasons: [] }),
): Promise<Sent> {
  const batches: TelemetryBatch[] = [];
  const sink = { ingest: async (batch: TelemetryBatch) => ingest(batch, batches.push(batch)) };
  const receiver = await startReceiver({ host: '127.0.0.1', port: 0, sink });
  onTestFinished(() => receiver.close(0));
  let turns = 0;
  let isOver = false;
  const count = (): void => {
    turns += 1;
    if (!isOver) setImmediate(count);
  };
  count();
  const response = await fetch(`${receiver.url}/v1/logs`, {
    method: 'POST',
    headers: { 'Content-Type': type },
    body,
  });
  const text = await response.text();
  isOver = true;
  return { status: response.status, text, batches, turns };
}

const record = (at: number) => ({
  body: { stringValue: `line ${at}` },
  attributes: [{ key: 'a', value: { intValue: at } }],
});

const jsonOf = (count: number): Buffer =>
  Buffer.from(JSON.stringify(logsRequest(...Array.from({ length: count }, (_, at) => record(at)))));

const protobufOf = (count: number): Buffer =>
  requestBody(...Array.from({ length: count }, (_, at) => field(3, Buffer.from(`line ${at}`))));

test.each([
  ['JSON', JSON_TYPE, jsonOf],
  ['protobuf', PROTOBUF_TYPE, protobufOf],
])(
  'a large request in %s reaches the sink in batches, in order, all of one memory',
  async (_, type, make) => {
    const { status, batches, turns } = await send(type, make(COUNT));
    expect(status).toBe(200);
    expect(batches.length).toBeGreaterThan(COUNT / 600);
    expect(Math.max(...batches.map(({ logs }) => logs.length))).toBeLessThan(600);
    const texts = batches.flatMap(({ logs }) => logs.map(({ record }) => record.body ?? record.severityText));
    expect(texts).toEqual(Array.from({ length: COUNT }, (_item, at) => `line ${at}`));
    expect(new Set(batches.map(({ memory }) => memory)).size).toBe(1);
    // Each slice of 3 ms ends with a turn; this many records take hundreds of them on any machine.
    expect(turns).toBeGreaterThan(10);
  },
);

test('rejected records of all batches are summed, and their reasons are joined', async () => {
  const { text } = await send(JSON_TYPE, jsonOf(2_000), (_batch, number) => ({
    rejected: 1,
    reasons: [`batch ${number % 2}`],
  }));
  expect(JSON.parse(text)).toEqual({
    partialSuccess: { rejectedLogRecords: '4', errorMessage: 'batch 1; batch 0' },
  });
});

test('a batch that is not stored makes the sender repeat the whole request', async () => {
  const { status, batches } = await send(JSON_TYPE, jsonOf(2_000), (_batch, number) => {
    if (number === 2) throw new Error('the disk is full');
    return { rejected: 0, reasons: [] };
  });
  expect(status).toBe(503);
  expect(batches).toHaveLength(2);
});

test.each([
  ['JSON', JSON_TYPE, Buffer.concat([jsonOf(COUNT), Buffer.from('}')])],
  ['protobuf', PROTOBUF_TYPE, Buffer.concat([protobufOf(COUNT), Buffer.from([0x0a, 0x05])])],
])('nothing of a request in %s that is malformed at its end is stored', async (_, type, body) => {
  const { status, batches } = await send(type, body);
  expect(status).toBe(400);
  expect(batches).toEqual([]);
});
