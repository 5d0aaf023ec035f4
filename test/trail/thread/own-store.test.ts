import { expect, test } from 'vitest';
import { TasktrailError } from '../../../src/errors.ts';
import type { BatchEntry } from '../../../src/journal/segment-reader.ts';
import type { TelemetryBatch } from '../../../src/model/otlp.ts';
import type { Sender } from '../../../src/model/sender.ts';
import { takeIntoStore } from '../../../src/trail/thread/own-store.ts';

const SOURCE = '"resource":{"attributes":[]},"scope":{"name":"tasktrail"}';
const LOG: BatchEntry = { kind: 'L', source: SOURCE, json: '{"timeUnixNano":"1795992770267000000"}' };
const SPAN: BatchEntry = {
  kind: 'S',
  source: SOURCE,
  json: `{"traceId":"${'a'.repeat(32)}","spanId":"${'b'.repeat(16)}","name":"n"}`,
};

interface Ingest {
  readonly logs: number;
  readonly spans: number;
  readonly hasMore: boolean;
  readonly memory: unknown;
  readonly sender: Sender;
}

function sinkOf(failure?: Error): {
  ingests: Ingest[];
  ingest: (batch: TelemetryBatch, sender: Sender) => Promise<{ rejected: number; reasons: string[] }>;
} {
  const ingests: Ingest[] = [];
  return {
    ingests,
    ingest: async ({ logs, spans, hasMore = false, memory }, sender) => {
      ingests.push({ logs: logs.length, spans: spans.length, hasMore, memory, sender });
      if (failure !== undefined) throw failure;
      return { rejected: 0, reasons: [] };
    },
  };
}

test('logs come with the spans, as records of the trail, and one answer promises both', async () => {
  const sink = sinkOf();
  expect(await takeIntoStore(sink, [SPAN, LOG, SPAN, LOG, LOG])).toEqual({ kind: 'accepted', rejected: 0 });
  const shared = { sender: { kind: 'trail' }, memory: sink.ingests[0]?.memory };
  expect(shared.memory).toBeDefined();
  expect(sink.ingests).toEqual([{ logs: 3, spans: 2, hasMore: false, ...shared }]);
});

test('of many records all are stored, in batches of which the last one is committed', async () => {
  const sink = sinkOf();
  const entries = Array.from({ length: 1_100 }, (_, at) => (at % 2 === 0 ? LOG : SPAN));
  const many = [...entries, ...entries];
  expect(await takeIntoStore(sink, many)).toEqual({ kind: 'accepted', rejected: 0 });
  const sum = (of: 'logs' | 'spans'): number => sink.ingests.reduce((all, one) => all + one[of], 0);
  expect([sum('logs'), sum('spans')]).toEqual([1_100, 1_100]);
  expect(sink.ingests.map(({ hasMore }) => hasMore)).toEqual(
    sink.ingests.map((_, at) => at < sink.ingests.length - 1),
  );
  expect(new Set(sink.ingests.map(({ memory }) => memory)).size).toBe(1);
});

test('a rejected record is counted with its reason, and the others are committed', async () => {
  const sink = sinkOf();
  const result = await takeIntoStore(sink, [LOG, { ...SPAN, json: '{"spanId":"x"}' }]);
  expect(result).toMatchObject({ kind: 'accepted', rejected: 1 });
  expect(sink.ingests.at(-1)).toMatchObject({ logs: 1, spans: 0, hasMore: false });
});

test('what the store refuses for now is to be tried again', async () => {
  const failure = new TasktrailError('ERR_STORE_UNAVAILABLE', 'the disk is full', { retryable: true });
  expect(await takeIntoStore(sinkOf(failure), [LOG])).toEqual({
    kind: 'retry',
    reason: 'not stored: the disk is full',
  });
});

test('a damaged record is refused, and a long one has to be sent', async () => {
  expect(await takeIntoStore(sinkOf(), [{ ...LOG, json: '{"body":' }])).toMatchObject({
    kind: 'refused',
    status: 400,
  });
  expect(takeIntoStore(sinkOf(), [{ ...LOG, json: 'x'.repeat(300_000) }])).toBeUndefined();
});
