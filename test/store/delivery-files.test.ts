import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ReceivedLog } from '../../src/model/otlp.ts';
import { eventId, log, span, spanId } from '../project/records.ts';
import { linesOf, newStore, openStore } from './log-dir.ts';

const DAY_MS = 86_400_000;

function envelope(number: number, workflowId: string, atMs = number): ReceivedLog {
  const attributes = { 'tasktrail.workflow.id': workflowId };
  return log({ event: 'tasktrail.step_start', id: eventId(number), atMs, body: { n: number }, attributes });
}

function delivery(number: number, atMs = number): ReceivedLog {
  return log({
    event: 'tasktrail.webhook.delivery',
    id: eventId(number),
    atMs,
    body: { outcome: 'rejected', reason: 'signature' },
    attributes: { 'tasktrail.webhook.provider': 'github' },
  });
}

test('deliveries are lines of their day, once each', async () => {
  const { dir, logs } = await newStore();
  await logs(delivery(1), delivery(1), delivery(2, DAY_MS));
  const again = openStore(dir);
  await again.logs(delivery(1), delivery(3));
  expect(linesOf(dir, '_webhooks', '2026-01-02.jsonl').map((line) => line.event_id)).toEqual([
    eventId(1),
    eventId(3),
  ]);
  expect(linesOf(dir, '_webhooks', '2026-01-03.jsonl')).toMatchObject([
    { provider: 'github', outcome: 'rejected', reason: 'signature', task_ids: [], stages: [] },
  ]);
});

test('events of a workflow whose id has a stamp are in the month of the stamp', async () => {
  const { dir, logs } = await newStore();
  const id = 'workflow-199-20251202T150000Z-k3x9';
  await logs(envelope(1, id), envelope(2, id), envelope(2, id));
  expect(linesOf(dir, '_workflow', '2025', '12', `${id}.jsonl`)).toHaveLength(2);
});

test('an id without a stamp: the month of the first event, then fixed, also after a restart', async () => {
  const { dir, logs } = await newStore();
  await logs(envelope(1, 'review'), envelope(2, 'review', 40 * DAY_MS));
  const again = openStore(dir);
  await again.logs(envelope(3, 'review', 70 * DAY_MS), envelope(4, 'other', 70 * DAY_MS));
  expect(linesOf(dir, '_workflow', '2026', '01', 'review.jsonl')).toHaveLength(3);
  expect(linesOf(dir, '_workflow', '2026', '03', 'other.jsonl')).toHaveLength(1);
});

test('spans of a workflow outside any task lie beside its events, whichever come first', async () => {
  const { dir, logs, sendSpans } = await newStore();
  const spanOf = (id: string, number: number) =>
    span({ id: spanId(number), attributes: { 'tasktrail.workflow.id': id } });
  await sendSpans(spanOf('first-span', 1), spanOf('first-span', 1));
  await logs(envelope(1, 'first-span', 40 * DAY_MS), envelope(2, 'first-event', 40 * DAY_MS));
  await sendSpans(spanOf('first-event', 2));
  const again = openStore(dir);
  await again.sendSpans(spanOf('first-span', 1), spanOf('first-span', 3));
  expect(linesOf(dir, '_workflow', '2026', '01', 'first-span.trace.jsonl')).toHaveLength(2);
  expect(linesOf(dir, '_workflow', '2026', '01', 'first-span.jsonl')).toHaveLength(1);
  expect(linesOf(dir, '_workflow', '2026', '02', 'first-event.trace.jsonl')).toHaveLength(1);
  expect(existsSync(join(dir, '_workflow', '1970'))).toBe(false);
});

test('a file that cannot be written refuses its own records alone', async () => {
  const { dir, logs } = await newStore();
  mkdirSync(join(dir, '_webhooks', '2026-01-02.jsonl'), { recursive: true });
  const outcome = await logs(delivery(1), envelope(2, 'review'), delivery(3));
  expect(outcome).toMatchObject({ rejected: 2, reasons: [expect.stringContaining('2026-01-02.jsonl')] });
  expect(linesOf(dir, '_workflow', '2026', '01', 'review.jsonl')).toHaveLength(1);
});
