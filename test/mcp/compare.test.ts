import { expect, test } from 'vitest';
import { compareRecords } from '../../src/mcp/compare/attempt-differences.ts';
import type { Act, AttemptRecord } from '../../src/mcp/compare/attempt-record.ts';
import type { JsonObject } from '../../src/model/json.ts';

function act(kind: Act['kind'], name: string, more: Partial<Act> = {}): Act {
  const at = '2026-11-01T10:00:00.000Z';
  return { kind, name, phase: null, at, seconds: 1, isFailed: false, input: '', eventId: null, ...more };
}

function record(acts: readonly Act[], more: Partial<AttemptRecord> = {}): AttemptRecord {
  return {
    taskId: 'task-1',
    attempt: 1,
    status: 'completed',
    error: null,
    seconds: 10,
    costUsd: 0.1,
    inputTokens: 100,
    outputTokens: 10,
    amountsFrom: 'result',
    acts,
    leftOut: 0,
    ...more,
  };
}

const READ = act('tool', 'Read', { input: 'a' });
const EDIT = act('tool', 'Edit', { input: 'b' });
const BASH = act('tool', 'Bash', { input: 'c', seconds: null });
const BUILD = act('phase', 'build', { seconds: 5 });

function mirrored(rows: readonly JsonObject[]): readonly JsonObject[] {
  return rows.map((row) => ({
    ...row,
    a: row.b,
    b: row.a,
    ...(typeof row.b_minus_a === 'number' && { b_minus_a: -row.b_minus_a }),
  }));
}

const PAIRS: Readonly<Record<string, readonly [AttemptRecord, AttemptRecord]>> = {
  'other calls': [record([BUILD, READ, EDIT]), record([BUILD, READ, BASH])],
  'one ends earlier': [record([BUILD, READ]), record([BUILD, READ, BASH, EDIT])],
  'another input': [record([READ, EDIT]), record([READ, { ...EDIT, input: 'z' }, BASH])],
  'another outcome': [
    record([READ]),
    record([{ ...READ, isFailed: true }], { status: 'failed', error: 'no' }),
  ],
  'unknown amounts': [record([], { costUsd: null }), record([], { seconds: null, inputTokens: 7 })],
};

test('an attempt compared with itself has no difference', () => {
  for (const [one, other] of Object.values(PAIRS)) {
    expect(compareRecords(one, one).rows).toEqual([]);
    expect(compareRecords(other, other).rows).toEqual([]);
  }
});

test.each(Object.entries(PAIRS))('swapped sides mirror the answer: %s', (_, [a, b]) => {
  const rows = compareRecords(a, b).rows;
  expect(rows.length).toBeGreaterThan(0);
  expect(compareRecords(b, a).rows).toEqual(mirrored(rows));
});

test('the first act that differs is named, also where one side has ended', () => {
  const [a, b] = PAIRS['other calls'] ?? [];
  if (a === undefined || b === undefined) throw new Error('the pair is missing');
  expect(compareRecords(a, b).rows[0]).toMatchObject({
    difference: 'first_different_act',
    act_number: 3,
    a: { kind: 'tool', name: 'Edit' },
    b: { kind: 'tool', name: 'Bash' },
  });
  const shorter = compareRecords(record([READ]), record([READ, BASH])).rows[0];
  expect(shorter).toMatchObject({ act_number: 2, a: null, b: { name: 'Bash' } });
});

test('another input and another outcome of the same act are differences of their own', () => {
  const rows = compareRecords(
    record([READ, EDIT]),
    record([
      { ...READ, isFailed: true },
      { ...EDIT, input: 'z' },
    ]),
  ).rows;
  expect(rows.map((row) => [row.difference, row.act_number])).toEqual([
    ['first_different_input', 2],
    ['first_different_outcome', 1],
    ['failed_calls', undefined],
  ]);
});

test('the difference of an unknown amount is unknown, not 0', () => {
  const rows = compareRecords(record([], { costUsd: null }), record([], { costUsd: 0.2 })).rows;
  expect(rows).toEqual([{ difference: 'cost_usd', a: null, b: 0.2, b_minus_a: null }]);
});

test('times are compared by phase and step, calls by tool', () => {
  const rows = compareRecords(record([BUILD, READ, READ]), record([{ ...BUILD, seconds: 8 }, READ])).rows;
  expect(rows).toContainEqual({ difference: 'seconds', phase: 'build', a: 5, b: 8, b_minus_a: 3 });
  expect(rows).toContainEqual({ difference: 'calls', tool: 'Read', a: 2, b: 1, b_minus_a: -1 });
});
