import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ReceivedLog } from '../../../src/model/otlp.ts';
import { linesOf, newStore, openStore } from '../../support/log-dir.ts';
import { eventId, log } from '../../support/records.ts';

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

test('deliveries are stored in the file of their day, once each', async () => {
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

test('a file that cannot be written refuses only its own records', async () => {
  const { dir, logs } = await newStore();
  mkdirSync(join(dir, '_webhooks', '2026-01-02.jsonl'), { recursive: true });
  const outcome = await logs(delivery(1), envelope(2, 'review'), delivery(3));
  expect(outcome).toMatchObject({ rejected: 2, reasons: [expect.stringContaining('2026-01-02.jsonl')] });
  expect(linesOf(dir, '_workflow', '2026', '01', 'review.jsonl')).toHaveLength(1);
});
