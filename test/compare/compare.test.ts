import { expect, test } from 'vitest';
import { align } from '../../src/compare/alignment.ts';
import { type Comparison, compareRecords } from '../../src/compare/compare-runs.ts';
import type { RunEntry, RunRecord } from '../../src/compare/run-record.ts';
import type { JsonObject } from '../../src/model/json.ts';
import { entryOf, mirrored, runOf } from './runs.ts';

const READ = entryOf('tool', 'Read', { input: 'a' });
const EDIT = entryOf('tool', 'Edit', { input: 'b' });
const BASH = entryOf('tool', 'Bash', { input: 'c', seconds: null });
const BUILD = entryOf('phase', 'build', { seconds: 5 });

const PAIRS: Readonly<Record<string, readonly [RunRecord, RunRecord]>> = {
  'other calls': [runOf([BUILD, READ, EDIT]), runOf([BUILD, READ, BASH])],
  'one ends earlier': [runOf([BUILD, READ]), runOf([BUILD, READ, BASH, EDIT])],
  'another input': [runOf([READ, EDIT]), runOf([READ, { ...EDIT, input: 'z' }, BASH])],
  'another outcome': [runOf([READ]), runOf([{ ...READ, isFailed: true }], { status: 'failed', error: 'no' })],
  'another result': [runOf([READ]), runOf([{ ...READ, result: 'r' }], { result: 'done' })],
  'another order': [runOf([READ, EDIT, BASH]), runOf([BASH, READ, EDIT])],
  'unknown amounts': [runOf([], { costUsd: null }), runOf([], { seconds: null, inputTokens: 7 })],
  'other artifacts': [runOf([], { artifacts: ['report a.md'] }), runOf([], { artifacts: ['report b.md'] })],
  'no entry': [runOf([]), runOf([READ])],
};

/** Rows as `Read=Read`, `Edit|` (only in a), `|Bash` (only in b), with what differs. */
function shown({ rows }: Comparison): readonly string[] {
  const nameOf = (side: unknown): string => (side as JsonObject | null)?.name?.toString() ?? '';
  return rows.map(({ a, b, differs }) => {
    const what = (differs as readonly string[]).filter((one) => one !== 'entry').join(' ');
    return `${nameOf(a)}${a === null || b === null ? '|' : '='}${nameOf(b)} ${what}`.trim();
  });
}

test('a run compared with itself has no difference', () => {
  for (const run of Object.values(PAIRS).flat()) {
    expect(compareRecords(run, run)).toMatchObject({
      ...{ first_divergence: null, differences: [], differences_left_out: 0 },
      ...{ rows: [], rows_left_out: 0, cut: null },
    });
  }
});

test.each(Object.entries(PAIRS))('swapped sides mirror the answer: %s', (_, [a, b]) => {
  const there = compareRecords(a, b, 'all');
  expect(there.differences.length + there.rows.length).toBeGreaterThan(0);
  expect(compareRecords(b, a, 'all')).toEqual(mirrored(there));
});

test('phases, steps and calls are aligned by name and input', () => {
  const step = entryOf('step', 'tests', { phase: 'build' });
  const a = runOf([BUILD, step, READ, EDIT, BASH]);
  const b = runOf([BUILD, step, EDIT, { ...READ, input: 'z' }, { ...BASH, isFailed: true }]);
  const all = compareRecords(a, b, 'all');
  expect(shown(all)).toEqual([
    'build=build',
    'tests=tests',
    'Read|',
    'Edit=Edit',
    '|Read',
    'Bash=Bash outcome',
  ]);
  expect(shown(compareRecords(a, b))).toEqual(['Read|', '|Read', 'Bash=Bash outcome']);
  expect(all.first_divergence).toMatchObject({ number: 3, differs: ['entry'], a: { number: 3 }, b: null });
});

test('the same call with another input is one row, and so is a step that another phase has not', () => {
  const [a, b] = PAIRS['another input'] ?? [];
  if (a === undefined || b === undefined) throw new Error('the pair is missing');
  expect(shown(compareRecords(a, b))).toEqual(['Edit=Edit input', '|Bash']);
  const one = entryOf('step', 'tests', { phase: 'build' });
  expect(shown(compareRecords(runOf([one]), runOf([{ ...one, phase: 'check' }])))).toEqual([
    'tests|',
    '|tests',
  ]);
});

test('the result of a call and of a task count', () => {
  const [a, b] = PAIRS['another result'] ?? [];
  if (a === undefined || b === undefined) throw new Error('the pair is missing');
  const { first_divergence: first, differences } = compareRecords(a, b);
  expect(first).toMatchObject({ number: 1, differs: ['result'], a: { name: 'Read' }, b: { name: 'Read' } });
  expect(differences).toEqual([{ difference: 'result', a: null, b: 'done' }]);
});

test('the difference of an unknown amount is unknown, not 0', () => {
  const { differences } = compareRecords(runOf([], { costUsd: null }), runOf([], { costUsd: 0.2 }));
  expect(differences).toEqual([{ difference: 'cost_usd', a: null, b: 0.2, b_minus_a: null }]);
});

test('times are compared by phase and step, calls by tool, artifacts by place', () => {
  const a = runOf([BUILD, READ, READ], { artifacts: ['report a.md', 'report a.md'] });
  const b = runOf([{ ...BUILD, seconds: 8 }, READ], { artifacts: ['report a.md'] });
  const { differences } = compareRecords(a, b);
  expect(differences).toEqual([
    { difference: 'artifacts', artifact: 'report a.md', a: 2, b: 1, b_minus_a: -1 },
    { difference: 'calls', tool: 'Read', a: 2, b: 1, b_minus_a: -1 },
    { difference: 'seconds', phase: 'build', a: 5, b: 8, b_minus_a: 3 },
  ]);
});

function manyCalls(count: number, name: (at: number) => string): readonly RunEntry[] {
  return Array.from({ length: count }, (_, at) => entryOf('tool', name(at), { input: String(at) }));
}

test('long runs with another input in each call are aligned by name', () => {
  const a = manyCalls(5_000, (at) => `tool ${at % 7}`);
  const b = a.map((entry) => ({ ...entry, input: `${entry.input} other` }));
  const { rows, cutA, cutB } = align(a, b);
  expect([rows.length, cutA, cutB]).toEqual([5_000, 0, 0]);
  expect(rows.every((row) => row.a === row.b && row.differs.join() === 'input')).toBe(true);
});

test('what is too different to be aligned is counted, and the first divergence is named', () => {
  const a = runOf([READ, ...manyCalls(4_000, (at) => `left ${at}`)]);
  const b = runOf([READ, ...manyCalls(3_000, (at) => `right ${at}`)]);
  const there = compareRecords(a, b);
  expect(there.first_divergence).toMatchObject({ number: 2, differs: ['entry'] });
  const { cut, rows, rows_left_out: leftOut } = there;
  expect(cut?.a).toBeGreaterThan(0);
  // Each entry is in a row, or is counted as cut.
  expect(rows.length + leftOut + 2 + (cut?.a ?? 0) + (cut?.b ?? 0)).toBe(7_002);
  expect(compareRecords(b, a)).toEqual(mirrored(there));
});

test('entries that were not read are counted, also in a run beside itself', () => {
  const run = runOf([READ], { leftOut: 3 });
  expect(compareRecords(run, run)).toMatchObject({ first_divergence: null, rows: [], cut: { a: 3, b: 3 } });
});

test('an answer has a bounded number of rows and differences', () => {
  const a = runOf(manyCalls(1_500, (at) => `tool ${at}`));
  const b = runOf([]);
  const {
    rows,
    rows_left_out: rowsLeftOut,
    differences,
    differences_left_out: left,
    cut,
  } = compareRecords(a, b);
  expect([rows.length, rowsLeftOut, differences.length, left, cut]).toEqual([1_000, 500, 1_000, 500, null]);
});
