import { expect, test } from 'vitest';
import type { JsonObject } from '../../src/model/json.ts';
import type { FactLine } from '../../src/project/change.ts';
import { TaskFold } from '../../src/project/fold.ts';
import { fc } from '../support/fast-check.ts';
import { eventId, fact } from '../support/records.ts';

const RESULT = 'tasktrail.task.result';
const INPUT = 'tasktrail.task.input';

function fold(facts: readonly FactLine[]): TaskFold {
  const folded = new TaskFold('task-1');
  for (const line of facts) folded.add(line);
  return folded;
}

function documents(facts: readonly FactLine[]): string {
  const folded = fold(facts);
  return JSON.stringify([folded.metadata('2026-01-01T00:00:00.000Z'), folded.input(), folded.result()]);
}

function metadata(...bodies: readonly [number, JsonObject, Partial<FactLine>?][]): JsonObject {
  const facts = bodies.map(([number, body, more]) => fact({ number, body, ...more }));
  return fold(facts).metadata(null);
}

test('a notice of one amount does not replace that of another', () => {
  const [usd, older, newer] = [{ used: 0.9 }, { used: 80 }, { used: 90 }];
  const { budget_notices: notices } = metadata(
    [1, { budget_notices: { usd } }],
    [3, { budget_notices: { tokens: newer } }],
    [2, { budget_notices: { tokens: older, odd: older } }],
  );
  expect(notices).toEqual({ tokens: newer, usd });
});

const time = fc.integer({ min: 0, max: 5 }).map((second) => `2026-01-02T00:00:0${second}Z`);
const orNull = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { nil: null });
const metadataBody = fc.record(
  {
    status: fc.constantFrom('queued', 'running', 'waiting_input', 'completed', 'nonsense', null),
    source: orNull(fc.constantFrom('webhook', 'api')),
    model: orNull(fc.constantFrom('a', 'b')),
    created_at: orNull(time),
    started_at: orNull(time),
    workflow_ids: orNull(fc.subarray(['workflow-1', 'workflow-2', 'workflow-3'])),
    budget_notices: fc.dictionary(fc.constantFrom('usd', 'tokens', 'odd'), fc.record({ used: fc.nat(3) })),
    extra: orNull(fc.integer({ min: 0, max: 3 })),
  },
  { requiredKeys: [] },
);
const inputBody = fc.record(
  {
    message: fc.constantFrom('one', 'two'),
    source_metadata: fc.dictionary(fc.constantFrom('repo', 'issue'), orNull(fc.integer())),
  },
  { requiredKeys: ['message'] },
);
const resultBody = fc.record(
  {
    success: fc.boolean(),
    status: fc.constantFrom('completed', 'failed', 'cancelled', 'abandoned', 'running'),
    result: orNull(fc.constantFrom('done', 'well')),
    completed_at: time,
    metrics: fc.dictionary(fc.constantFrom('cost_usd', 'input_tokens'), orNull(fc.nat(9))),
  },
  { requiredKeys: ['success'] },
);
const facts = fc
  .array(
    fc.tuple(
      fc.oneof(
        metadataBody.map((body) => ({ event: 'tasktrail.task.metadata', body })),
        inputBody.map((body) => ({ event: INPUT, body })),
        resultBody.map((body) => ({ event: RESULT, body })),
      ),
      fc.integer({ min: 1, max: 3 }),
      // Few different times, so that many facts are in the same millisecond.
      fc.integer({ min: 0, max: 4 }),
    ),
    { minLength: 1, maxLength: 14 },
  )
  .map((entries) =>
    entries.map(([of, attempt, ms], index) =>
      fact({ ...of, body: of.body as JsonObject, attempt, number: ms, event_id: eventId(index) }),
    ),
  );

test('the documents are the same in every order and with every duplicate', { tags: 'full' }, () => {
  fc.assert(
    fc.property(
      facts.chain((list) =>
        fc.tuple(
          fc.constant(list),
          fc.shuffledSubarray(list, { minLength: list.length }),
          fc.array(fc.nat(list.length - 1)),
        ),
      ),
      ([given, shuffled, again]) => {
        const doubled = [...shuffled, ...again.map((index) => given[index] ?? fact({}))];
        expect(documents(doubled)).toBe(documents(given));
      },
    ),
    { numRuns: 2_000 },
  );
});

test('the documents are the same after the facts went through JSON', () => {
  fc.assert(
    fc.property(facts, (list) => {
      const reloaded = list.map((line) => JSON.parse(JSON.stringify(line)) as FactLine);
      expect(documents(reloaded)).toBe(documents(list));
    }),
  );
});

test('null never replaces a value', () => {
  const folded = metadata([1, { model: 'opus' }], [2, { model: null }]);
  expect(folded.model).toBe('opus');
  // And it does not create an unknown field.
  expect(metadata([1, { command: null }])).not.toHaveProperty('command');
  const input = fold([
    fact({ number: 1, event: INPUT, body: { message: 'm', source_metadata: { repo: 'a/b', pr: null } } }),
    fact({ number: 2, event: INPUT, body: { message: 'm', source_metadata: { repo: null, pr: 5 } } }),
    fact({ number: 3, event: INPUT, body: { message: 'm', source_metadata: { pr: null } } }),
  ]).input();
  expect(input?.source_metadata).toEqual({ repo: 'a/b', pr: 5 });
});

test('created_at and started_at take the earliest time, as ISO 8601 UTC', () => {
  const folded = metadata(
    [9, { created_at: '2024-01-01T02:00:00+02:00', started_at: '2024-01-01T00:00:09Z' }],
    [1, { created_at: '2024-01-01T00:00:01Z', started_at: 1_704_067_205_000 }],
    [2, { created_at: 'yesterday' }],
  );
  expect(folded.created_at).toBe('2024-01-01T00:00:00.000Z');
  expect(folded.started_at).toBe('2024-01-01T00:00:05.000Z');
});

test('workflow_ids are a union', () => {
  const folded = metadata(
    [1, { workflow_ids: ['w-2'] }],
    [2, { workflow_ids: ['w-1', 7, 'w-2'] }],
    [3, { workflow_ids: [] }],
  );
  expect(folded.workflow_ids).toEqual(['w-1', 'w-2']);
});

test('other fields take the value of the highest attempt, then time, then event id', () => {
  expect(metadata([9, { model: 'late' }], [1, { model: 'second' }, { attempt: 2 }]).model).toBe('second');
  expect(metadata([2, { model: 'b' }], [1, { model: 'a' }]).model).toBe('b');
  const timestamp = '2026-01-02T00:00:00.000Z';
  expect(metadata([2, { model: 'b' }, { timestamp }], [1, { model: 'a' }, { timestamp }]).model).toBe('b');
});

test.each([
  ['queued', 'running', 'running'],
  ['running', 'queued', 'running'],
  ['running', 'waiting_input', 'waiting_input'],
  ['waiting_input', 'running', 'running'],
  ['waiting_input', 'queued', 'waiting_input'],
])('status %s and then %s is %s', (first, second, expected) => {
  expect(metadata([1, { status: first }], [2, { status: second }]).status).toBe(expected);
});

test.each([
  ['completed', 'failed', 'completed'],
  ['cancelled', 'completed', 'cancelled'],
  ['abandoned', 'failed', 'failed'],
  ['failed', 'abandoned', 'failed'],
])('of the ends %s and then %s the task keeps %s', (first, second, expected) => {
  const end = (number: number, status: string): FactLine =>
    fact({ number, event: RESULT, body: { success: status === 'completed', status } });
  const folded = fold([end(1, first), end(2, second)]);
  expect(folded.metadata(null).status).toBe(expected);
  expect(folded.result()?.status).toBe(expected);
  expect(folded.metadata(null).completed_at).toBe(folded.result()?.completed_at);
});

test('only a result record makes a task terminal', () => {
  const folded = fold([fact({ number: 1, body: { status: 'running' } })]);
  folded.add(fact({ number: 2, body: { status: 'completed', completed_at: '2026-01-02T00:00:00Z' } }));
  expect(folded.metadata(null)).toMatchObject({ status: 'running', completed_at: null });
  expect(folded.isTerminal).toBe(false);
  expect(folded.result()).toBeUndefined();
  folded.add(fact({ number: 3, event: RESULT, body: { success: true } }));
  expect(folded.metadata(null).status).toBe('completed');
  expect(folded.isTerminal).toBe(true);
});

test('a retried attempt is queued again, with the next number', () => {
  const folded = metadata(
    [1, { status: 'queued' }],
    [2, { status: 'running' }],
    [3, { status: 'queued', attempt: 2 }, { attempt: 2 }],
  );
  expect(folded).toMatchObject({ status: 'queued', attempt: 2 });
});

test('a running attempt wins over the end of the previous attempt', () => {
  const folded = fold([
    fact({ number: 9, event: RESULT, body: { success: false } }),
    fact({ number: 1, attempt: 2, body: { status: 'running' } }),
  ]);
  expect(folded.metadata(null)).toMatchObject({ status: 'running', completed_at: null, attempt: 2 });
});

test('metadata starts with the specified fields in their order, and keeps further fields', () => {
  const folded = metadata([
    1,
    { zone: 'x', model: 'm', command: 'review', source: 'webhook', task_id: 'other', schema_version: 9 },
  ]);
  expect(Object.keys(folded)).toEqual([
    ...['task_id', 'source', 'provider', 'created_at', 'started_at', 'completed_at', 'status'],
    ...['assigned_agent', 'agent_type', 'model', 'trace_id', 'attempt', 'workflow_ids', 'schema_version'],
    ...['command', 'zone'],
  ]);
  expect(folded).toMatchObject({ task_id: 'task-1', schema_version: 1 });
});

test('input and result start with the specified fields', () => {
  const folded = fold([
    fact({ number: 1, event: INPUT, body: { attachments: 2, message: 'm' } }),
    fact({ number: 2, event: RESULT, body: { aside: 1, success: true, status: 'completed' } }),
  ]);
  expect(Object.keys(folded.input() ?? {})).toEqual(['message', 'source_metadata', 'attachments']);
  expect(Object.keys(folded.result() ?? {})).toEqual([
    ...['success', 'result', 'error', 'metrics', 'completed_at', 'aside', 'status'],
  ]);
});

test('unknown amounts are null, never 0', () => {
  const result = fold([
    fact({ event: RESULT, body: { success: true, metrics: { output_tokens: 0, turns: 3 } } }),
  ]).result();
  expect(result?.metrics).toEqual({
    cost_usd: null,
    input_tokens: null,
    output_tokens: 0,
    duration_seconds: null,
    cache_read_input_tokens: null,
    cache_creation_input_tokens: null,
    turns: 3,
  });
});

test('a structured result is kept as JSON text', () => {
  const result = fold([fact({ event: RESULT, body: { success: true, result: { ok: [1] } } })]).result();
  expect(result?.result).toBe('{"ok":[1]}');
});

test('success requires both the result and the status', () => {
  const cancelled = fold([fact({ event: RESULT, body: { success: true, status: 'cancelled' } })]);
  expect(cancelled.result()).toMatchObject({ success: false, status: 'cancelled' });
  const silent = fold([fact({ event: RESULT, body: {} })]);
  expect(silent.result()).toMatchObject({ success: false, status: 'failed' });
});

test('a field named __proto__ is a field', () => {
  const folded = metadata([1, JSON.parse('{"__proto__": {"a": 1}}') as JsonObject]);
  expect(JSON.stringify(folded)).toContain('"__proto__":{"a":1}');
});

test('a task that only foreign records name has a source and a creation time', () => {
  expect(new TaskFold('task-1').metadata('2026-01-01T00:00:00.000Z')).toMatchObject({
    source: 'otlp',
    status: 'running',
    created_at: '2026-01-01T00:00:00.000Z',
  });
});
