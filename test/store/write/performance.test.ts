import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ReceivedLog } from '../../../src/model/otlp.ts';
import { linesOf, newStore, type TestStore } from '../../support/log-dir.ts';
import { eventId, log, outputLog, spanId } from '../../support/records.ts';

const BATCH = 500;

async function timed(fn: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await fn();
  return performance.now() - start;
}

async function send({ store, pass }: TestStore, logs: readonly ReceivedLog[]): Promise<void> {
  for (let from = 0; from < logs.length; from += BATCH) {
    await store.ingest({ logs: logs.slice(from, from + BATCH), spans: [] });
    await pass(1);
  }
}

test('a task with 100,000 lines takes the last ones as fast as the first', { timeout: 60_000 }, async () => {
  const target = await newStore();
  const logs = Array.from({ length: 100_000 }, (_, index) => outputLog(index, 'x\n'));
  const first = await timed(() => send(target, logs.slice(0, 20_000)));
  await send(target, logs.slice(20_000, 80_000));
  const last = await timed(() => send(target, logs.slice(80_000)));
  // Where each batch cost in proportion to what is there, it would be nine times as much.
  expect(last).toBeLessThan(first * 4);
  expect(linesOf(target.dir, 'task-1', '03-agent-output.jsonl')).toHaveLength(100_000);
});

test('a task with 5,000 spans on their way, and as many ends, is looked through in no time', async () => {
  const target = await newStore();
  const common = { 'tasktrail.task.id': 'task-1', 'tasktrail.workflow.id': 'workflow-1' };
  const logs = Array.from({ length: 5_000 }, (_, index) => [
    log({
      event: 'tasktrail.step_start',
      id: eventId(index * 2),
      spanId: spanId(index + 1),
      attributes: { ...common, 'tasktrail.span.name': `step ${index}` },
    }),
    log({
      event: 'tasktrail.step_complete',
      id: eventId(index * 2 + 1),
      spanId: spanId(index + 1),
      attributes: { ...common, 'tasktrail.span.derive': true },
    }),
  ]).flat();
  await send(target, logs);
  expect(target.spans).toHaveLength(5_000);
  const ticks = await timed(async () => {
    for (let second = 0; second < 100; second += 1) await target.pass(1_000);
  });
  // Quadratic, each of the hundred would take a second.
  expect(ticks).toBeLessThan(10_000);
});

test('a workflow without a stamp in its id is looked for once, not with each event', async () => {
  const target = await newStore();
  const attributes = { 'tasktrail.workflow.id': 'review' };
  const logs = Array.from({ length: 5_000 }, (_, index) =>
    log({ event: 'tasktrail.decision_point', id: eventId(index), body: {}, attributes }),
  );
  const taken = await timed(() => send(target, logs));
  expect(taken).toBeLessThan(2_000);
  expect(existsSync(join(target.dir, '_workflow', '2026', '01', 'review.jsonl'))).toBe(true);
});
