import { expect, test } from 'vitest';
import { isWanted, NOTIFICATION_TYPES, typeOfWorkflowEnd } from '../../src/model/notification.ts';
import { webhookIdOf } from '../../src/notify/notification.ts';
import { PAYLOAD_BYTES_MAX, payloadText, taskData } from '../../src/notify/notification-body.ts';
import { occasionsOf } from '../../src/notify/occasions.ts';

const typesOf = (metadata: object, result?: object): readonly string[] =>
  occasionsOf({
    metadata: { attempt: 2, ...metadata },
    result: result && { ...result },
    waits: [],
  }).map(({ type }) => type);

test('each status that ends a task has an event, and others have none', () => {
  const statuses = ['completed', 'failed', 'cancelled', 'abandoned', 'queued', 'running', 'waiting_input'];
  expect(statuses.flatMap((status) => typesOf({ status }))).toEqual([
    'task.completed',
    'task.failed',
    'task.cancelled',
    'task.abandoned',
  ]);
});

test('words and values that only look like known ones are no events, and break nothing', () => {
  expect(['constructor', '__proto__', 'toString'].flatMap((status) => typesOf({ status }))).toEqual([]);
  // `String` throws for it.
  const kind = { toString: 1 };
  expect(typesOf({ status: 'failed', attempt: kind, budget_notice: { kind, attempt: kind } })).toEqual([
    'task.budget_warning',
    'task.failed',
  ]);
});

test('a task that passed its budget has failed too, and a warning comes before', () => {
  expect(typesOf({ status: 'running', budget_notice: { kind: 'usd', used: 0.9, limit: 1 } })).toEqual([
    'task.budget_warning',
  ]);
  expect(
    typesOf(
      { status: 'failed', budget_notice: { kind: 'usd', used: 2, limit: 1, exceeded: true } },
      { error_type: 'budget_exceeded' },
    ),
  ).toEqual(['task.budget_exceeded', 'task.failed']);
});

test('each amount has its own warning, also when a newer notice is about another amount', () => {
  const tokens = { kind: 'tokens', used: 90, limit: 100, exceeded: false, attempt: 2 };
  const usd = {
    kind: 'usd',
    used: 0.9,
    limit: 1,
    exceeded: false,
    attempt: 1,
    at: '2026-11-01T10:00:00.000Z',
  };
  const ended = { kind: 'seconds', used: 9, limit: 8, exceeded: true, attempt: 2 };
  const metadata = { attempt: 2, status: 'running', budget_notice: ended, budget_notices: { tokens, usd } };
  expect(occasionsOf({ metadata, result: undefined, waits: [] })).toEqual([
    { type: 'task.budget_warning', occasion: 'attempt 2 tokens', at: undefined, notice: tokens },
    // Of the attempt before: sent already under this name.
    { type: 'task.budget_warning', occasion: 'attempt 1 usd', at: usd.at, notice: usd },
  ]);
});

test('the words of orchestrators for an end have a type', () => {
  expect(
    ['success', 'warning', 'done', null, 'failure', 'failed', 'error', 'cancelled'].map(typeOfWorkflowEnd),
  ).toEqual([
    ...Array.from({ length: 4 }, () => 'workflow.completed'),
    ...Array.from({ length: 3 }, () => 'workflow.failed'),
    'workflow.cancelled',
  ]);
});

test('a group names all events of its kind', () => {
  expect(NOTIFICATION_TYPES.filter((type) => isWanted(type, ['workflow.*', 'task.failed']))).toEqual([
    'task.failed',
    'workflow.completed',
    'workflow.failed',
    'workflow.cancelled',
    'workflow.approval_requested',
  ]);
});

test('an id depends on directory, type, subject and occasion', () => {
  const event = { directory: 'd', type: 'task.failed', subject: 'task a', occasion: 'attempt 1' } as const;
  const ids = [
    event,
    { ...event, directory: 'e' },
    { ...event, type: 'task.completed' as const },
    { ...event, subject: 'task b' },
    { ...event, occasion: 'attempt 2' },
  ].map(webhookIdOf);
  expect(new Set(ids).size).toBe(5);
  expect(webhookIdOf({ ...event })).toBe(ids[0]);
});

test.each([
  ['characters of four bytes and quotes', '\u{1F600}"\\'],
  ['characters that JSON writes in six bytes', '\u0001'],
])('a body of %s is bounded and whole, whatever the documents hold', (_what, piece) => {
  const long = piece.repeat(100_000);
  const data = taskData(
    'task-1',
    {
      metadata: {
        ...{ attempt: 1, status: 'failed', source: long, model: long, trace_id: long },
        workflow_ids: Array.from({ length: 1_000 }, (_, index) => `workflow-${index}`),
      },
      input: { message: long, source_metadata: { repo: long } },
      result: { error: long, error_type: long, metrics: { cost_usd: Number.NaN } },
    },
    { link: `https://example.com/{task_id}${'x'.repeat(2_000)}`, traces: [long, 'https://example.com/t'] },
  );
  const text = payloadText({ type: 'task.failed', timestamp: '2026-01-02T00:00:00.000Z', data });
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(PAYLOAD_BYTES_MAX);
  expect(text.isWellFormed()).toBe(true);
  expect(JSON.parse(text)).toMatchObject({ data: { task_id: 'task-1', attempt: 1, status: 'failed' } });
});

test('a secret in a message is masked in the body', () => {
  const token = `ghp_${'a1B2c3D4e5'.repeat(4)}`.slice(0, 40);
  const facts = { metadata: { attempt: 1 }, input: { message: `use ${token}` }, result: undefined };
  const data = taskData('task-1', facts, { link: undefined, traces: [] });
  expect(payloadText({ type: 'task.failed', timestamp: '2026-01-02T00:00:00.000Z', data })).not.toContain(
    token,
  );
});
