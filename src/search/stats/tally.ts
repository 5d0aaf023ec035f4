import type { JsonObject } from '../../model/json.ts';
import type { StatsGroup } from '../../model/task-reading.ts';
import type { ShortCostBasis } from '../../project/genai/cost-basis.ts';
import type { Counted } from './stats-groups.ts';

/** Rows of an answer: more than a table can show. Those that count least are left out. */
const ROWS_MAX = 1_000;

const PERCENTILES = [50, 90, 95, 99] as const;

interface Group {
  readonly key: readonly (string | null)[];
  count: number;
  succeeded: number;
  failed: number;
  open: number;
  retries: number;
  calls: number;
  cost: Sum;
  readonly sources: Record<ShortCostBasis['source'], number>;
  readonly verdicts: Record<ShortCostBasis['verdict'], number>;
  input: Sum;
  output: Sum;
  readonly durations: number[];
}

/** A sum of known values. Unknown ones are not 0: the sum of none is null. */
class Sum {
  #total = 0;
  known = 0;

  add(value: number | null): void {
    if (value === null) return;
    this.#total += value;
    this.known += 1;
  }

  get total(): number | null {
    // Cents that are added as binary fractions: without the noise behind the twelfth digit.
    return this.known === 0 ? null : Number(this.#total.toPrecision(12));
  }
}

/** Counts by the values of several groups. What has several values of a group counts in each of them. */
export class Tally {
  readonly #groupBy: readonly StatsGroup[];
  readonly #groups = new Map<string, Group>();

  constructor(groupBy: readonly StatsGroup[]) {
    this.#groupBy = groupBy;
  }

  add(counted: Counted): void {
    for (const key of keysOf(this.#groupBy.map((name) => counted.valuesOf(name)))) {
      const text = JSON.stringify(key);
      let group = this.#groups.get(text);
      if (group === undefined) {
        group = newGroup(key);
        this.#groups.set(text, group);
      }
      this.#addTo(group, counted);
    }
  }

  /** By day from the first to the last; else the groups that count most first. */
  rows(): { readonly rows: readonly JsonObject[]; readonly leftOut: number } {
    const isByDay = this.#groupBy[0] === 'day';
    const most = [...this.#groups.values()].sort((a, b) => b.count - a.count || compareKeys(a.key, b.key));
    const kept = most.slice(0, ROWS_MAX);
    if (isByDay) kept.sort((a, b) => compareKeys(a.key, b.key));
    return { rows: kept.map((group) => this.#rowOf(group)), leftOut: most.length - kept.length };
  }

  #addTo(group: Group, { success, task, duration, retries, calls }: Counted): void {
    group.count += 1;
    if (success === null) group.open += 1;
    else if (success) group.succeeded += 1;
    else group.failed += 1;
    group.retries += retries;
    const at = this.#groupBy.indexOf('tool');
    if (at >= 0) group.calls += calls.get(group.key[at] ?? '') ?? 0;
    group.cost.add(task?.cost ?? null);
    if (task?.cost_basis) {
      group.sources[task.cost_basis.source] += 1;
      group.verdicts[task.cost_basis.verdict] += 1;
    }
    group.input.add(task?.input_tokens ?? null);
    group.output.add(task?.output_tokens ?? null);
    if (duration !== null) group.durations.push(duration);
  }

  #rowOf(group: Group): JsonObject {
    const { key, count, succeeded, failed, open, retries, calls, cost, input, output } = group;
    const ended = succeeded + failed;
    return {
      ...Object.fromEntries(this.#groupBy.map((name, index) => [name, key[index] ?? null])),
      count,
      succeeded,
      failed,
      open,
      success_rate: ended === 0 ? null : Number((succeeded / ended).toFixed(4)),
      cost_usd: cost.total,
      cost_known: cost.known,
      cost_sources: { ...group.sources },
      cost_verdicts: { ...group.verdicts },
      input_tokens: input.total,
      output_tokens: output.total,
      retries,
      duration_seconds: durationsOf(group.durations),
      ...(this.#groupBy.includes('tool') && { calls }),
    };
  }
}

function newGroup(key: readonly (string | null)[]): Group {
  const sums = { cost: new Sum(), input: new Sum(), output: new Sum() };
  const counts = { count: 0, succeeded: 0, failed: 0, open: 0, retries: 0, calls: 0 };
  const sources = { result: 0, telemetry: 0, spans: 0, none: 0, stream: 0 };
  const verdicts = { agrees: 0, differs: 0, incomplete: 0, unknown: 0 };
  return { key, ...counts, ...sums, sources, verdicts, durations: [] };
}

/** Each combination of one value of each group. */
function keysOf(values: readonly (readonly (string | null)[])[]): readonly (readonly (string | null)[])[] {
  return values.reduce<(string | null)[][]>(
    (keys, next) => keys.flatMap((key) => next.map((value) => [...key, value])),
    [[]],
  );
}

/** Null last. */
function compareKeys(a: readonly (string | null)[], b: readonly (string | null)[]): number {
  for (const [index, one] of a.entries()) {
    const other = b[index] ?? null;
    if (one === other) continue;
    if (one === null) return 1;
    if (other === null) return -1;
    return one < other ? -1 : 1;
  }
  return 0;
}

/** Nearest rank: each percentile is a duration that was measured. */
function durationsOf(durations: readonly number[]): JsonObject | null {
  if (durations.length === 0) return null;
  const sorted = Float64Array.from(durations).sort();
  const at = (percent: number): number =>
    sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0;
  return {
    ...Object.fromEntries(PERCENTILES.map((percent) => [`p${percent}`, at(percent)])),
    max: sorted.at(-1) ?? 0,
    total: Number(durations.reduce((sum, one) => sum + one, 0).toPrecision(12)),
  };
}
