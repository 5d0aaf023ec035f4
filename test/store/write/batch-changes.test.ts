import { expect, test } from 'vitest';
import type { ReceivedLog, ReceivedSpan, TelemetryBatch } from '../../../src/model/otlp.ts';
import { TRAIL } from '../../../src/model/sender.ts';
import type { Change } from '../../../src/project/change.ts';
import { changesOf } from '../../../src/store/write/batch/batch-changes.ts';
import { eventId, log, outputLog, span, spanId } from '../../support/records.ts';

function changesIn(batch: TelemetryBatch): (readonly Change[])[] {
  return [...changesOf(batch, TRAIL)].map(({ changes }) => changes);
}

/** Event ids of the lines that a batch of logs makes. */
function idsOf(...logs: readonly ReceivedLog[]): (string | undefined)[] {
  return changesIn({ logs, spans: [] })
    .flat()
    .map((change) => {
      return change.kind === 'line' ? change.line.event_id : undefined;
    });
}

const foreign = (body: string, taskId = 'task-1'): ReceivedLog =>
  log({ body, attributes: {}, resource: { 'service.name': 'agent', 'tasktrail.task.id': taskId } });

test('each record has its own changes, logs before spans', () => {
  const changes = changesIn({
    logs: [outputLog(1), log({ event: 'tasktrail.task.heartbeat' })],
    spans: [span({ id: spanId(1) })],
  });
  expect(changes.map((list) => list.map(({ kind }) => kind))).toEqual([['line'], ['heartbeat'], ['span']]);
});

test('a given event id is used, and one that is not safe in a path is replaced', () => {
  expect(idsOf(outputLog(1))).toEqual([eventId(1)]);
  const [replaced] = idsOf(log({ event: 'tasktrail.agent.output', id: '../x', body: 'x' }));
  expect(replaced).toMatch(/^[A-Za-z0-9._-]+$/);
  expect(replaced).not.toContain('..');
});

test('identical foreign records get different ids, stable across batches', () => {
  const ids = idsOf(foreign('a'), foreign('a'), foreign('b'));
  expect(new Set(ids).size).toBe(3);
  expect(idsOf(foreign('a'), foreign('a'), foreign('b'))).toEqual(ids);
  // Counted within a task: a batch with another task in between gives the same ids.
  const mixed = idsOf(foreign('a', 'task-2'), foreign('a'), foreign('a'));
  expect(mixed.slice(1)).toEqual(ids.slice(0, 2));
});

test('a record that fails to project is rejected with the reason, and the others are not', () => {
  // No receiver passes such records.
  const log = { ...outputLog(1), record: undefined } as unknown as ReceivedLog;
  const broken = { ...span({ id: spanId(1) }), span: undefined } as unknown as ReceivedSpan;
  const batch = { logs: [log, outputLog(2)], spans: [broken, span({ id: spanId(2) })] };
  const reason = expect.stringContaining('cannot read the record: ');
  expect(changesIn(batch).flat()).toMatchObject([
    { kind: 'rejected', reason },
    { kind: 'line' },
    { kind: 'rejected', reason },
    { kind: 'span' },
  ]);
});
