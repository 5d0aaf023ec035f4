import type { Comparison } from '../../src/compare/compare-runs.ts';
import type { RunEntry, RunRecord } from '../../src/compare/run-record.ts';
import type { JsonObject } from '../../src/model/json.ts';

export function entryOf(kind: RunEntry['kind'], name: string, more: Partial<RunEntry> = {}): RunEntry {
  const at = '2026-11-01T10:00:00.000Z';
  const rest = { phase: null, seconds: 1, isFailed: false, input: '', result: '', eventId: null };
  return { kind, name, at, ...rest, ...more };
}

export function runOf(entries: readonly RunEntry[], more: Partial<RunRecord> = {}): RunRecord {
  return {
    ...{ taskId: 'task-1', attempt: 1, status: 'completed', result: null, error: null },
    ...{ seconds: 10, costUsd: 0.1, inputTokens: 100, outputTokens: 10, amountsFrom: 'result' },
    ...{ artifacts: [], leftOut: 0, entries },
    ...more,
  };
}

/** The answer with its sides swapped. */
export function mirrored(compared: Comparison): Comparison {
  const swapped = (row: JsonObject): JsonObject => ({
    ...row,
    a: row.b,
    b: row.a,
    ...(typeof row.b_minus_a === 'number' && { b_minus_a: -row.b_minus_a }),
  });
  const { a, b, first_divergence: first, cut } = compared;
  return {
    ...compared,
    ...{ a: b, b: a, first_divergence: first && swapped(first) },
    differences: compared.differences.map(swapped),
    rows: compared.rows.map(swapped),
    cut: cut && { a: cut.b, b: cut.a },
  };
}
