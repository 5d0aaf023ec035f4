import type { JsonObject } from '../model/json.ts';
import type { RunEntry, RunRecord } from './run-record.ts';

/**
 * What differs in all between two runs: status, result, error, amounts, artifacts, calls by tool, time by phase and step. The
 * sides are equal: swapped, each row has `a` and `b` swapped and the other sign. Empty: no difference.
 */
export function differencesOf(a: RunRecord, b: RunRecord): readonly JsonObject[] {
  return [...totals(a, b), ...artifacts(a, b), ...calls(a, b), ...durations(a, b)];
}

function totals(a: RunRecord, b: RunRecord): readonly JsonObject[] {
  const texts = (['status', 'result', 'error'] as const)
    .filter((name) => a[name] !== b[name])
    .map((name) => ({ difference: name, a: a[name], b: b[name] }));
  return [
    ...texts,
    ...numberRow('seconds', a.seconds, b.seconds),
    ...numberRow('cost_usd', a.costUsd, b.costUsd),
    ...numberRow('input_tokens', a.inputTokens, b.inputTokens),
    ...numberRow('output_tokens', a.outputTokens, b.outputTokens),
  ];
}

function artifacts(a: RunRecord, b: RunRecord): readonly JsonObject[] {
  const [left, right] = [a, b].map(({ artifacts: names }) =>
    sums(
      names,
      (name) => name,
      () => 1,
    ),
  );
  return rowsOf(left, right, (artifact, inA, inB) =>
    numberRow('artifacts', inA ?? 0, inB ?? 0, { artifact }),
  );
}

function calls(a: RunRecord, b: RunRecord): readonly JsonObject[] {
  const [left, right] = [a, b].map(({ entries }) => entries.filter(({ kind }) => kind === 'tool'));
  const counts = (entries: readonly RunEntry[] | undefined, isCounted: (entry: RunEntry) => boolean): Sums =>
    sums(
      entries ?? [],
      ({ name }) => name,
      (entry) => (isCounted(entry) ? 1 : 0),
    );
  const all = [left, right].map((entries) => counts(entries, () => true));
  const failed = [left, right].map((entries) => counts(entries, ({ isFailed }) => isFailed));
  return [
    ...rowsOf(all[0], all[1], (tool, inA, inB) => numberRow('calls', inA ?? 0, inB ?? 0, { tool })),
    ...rowsOf(failed[0], failed[1], (tool, inA, inB) =>
      numberRow('failed_calls', inA ?? 0, inB ?? 0, { tool }),
    ),
  ];
}

/** Sums by phase and step; null on the side that does not have it. */
function durations(a: RunRecord, b: RunRecord): readonly JsonObject[] {
  const [left, right] = [a, b].map(({ entries }) =>
    sums(
      entries.filter(({ kind, seconds }) => kind !== 'tool' && seconds !== null),
      ({ kind, name, phase }) => JSON.stringify(kind === 'phase' ? [name, null] : [phase, name]),
      ({ seconds }) => seconds ?? 0,
    ),
  );
  return rowsOf(left, right, (key, inA, inB) => {
    const [phase, step] = JSON.parse(key) as [string | null, string | null];
    return numberRow('seconds', inA ?? null, inB ?? null, step === null ? { phase } : { phase, step });
  });
}

type Sums = ReadonlyMap<string, number>;

function sums<Item>(
  items: readonly Item[],
  keyOf: (item: Item) => string,
  amountOf: (item: Item) => number,
): Sums {
  const found = new Map<string, number>();
  for (const item of items) found.set(keyOf(item), (found.get(keyOf(item)) ?? 0) + amountOf(item));
  return found;
}

/** The rows of each key of either side, in an order that does not depend on the sides. */
function rowsOf(
  left: Sums = new Map(),
  right: Sums = new Map(),
  rowOf: (key: string, a: number | undefined, b: number | undefined) => readonly JsonObject[],
): readonly JsonObject[] {
  const keys = [...new Set([...left.keys(), ...right.keys()])].sort();
  return keys.flatMap((key) => rowOf(key, left.get(key), right.get(key)));
}

/** Nothing for equal numbers. The difference of an unknown number is unknown. */
function numberRow(
  difference: string,
  a: number | null,
  b: number | null,
  names: JsonObject = {},
): readonly JsonObject[] {
  if (a === b) return [];
  const delta = a === null || b === null ? null : Number((b - a).toPrecision(12));
  return [{ difference, ...names, a, b, b_minus_a: delta }];
}
