import type { ResultMetrics } from '../../model/documents.ts';
import { isJsonObject, objectOf } from '../../model/json.ts';

/** What is measured of a result, by the name that it has there. */
export const AMOUNTS = [
  'cost_usd',
  'input_tokens',
  'output_tokens',
  'cache_read_input_tokens',
  'cache_creation_input_tokens',
] as const;
type AmountName = (typeof AMOUNTS)[number];
export type AmountSums = Readonly<Record<AmountName, number>>;

/** Dust that is left when sums of fractions are taken from each other. */
const DUST = 1e-9;

/** What a result says that the one before it did not, by model; what was said already is never taken back. */
export function newAmounts(
  metrics: ResultMetrics,
  before: ResultMetrics | undefined,
  model: string,
): ReadonlyMap<string, AmountSums> {
  const now = byModel(metrics, model);
  const told = before === undefined ? new Map<string, AmountSums>() : byModel(before, model);
  const totalLeft = minus(sumsOf(metrics), before === undefined ? sumsOf({}) : sumsOf(before));
  const left: Record<AmountName, number> = { ...totalLeft };
  const found = new Map<string, AmountSums>();
  for (const [name, sums] of now) {
    const news = { ...minus(sums, told.get(name) ?? sumsOf({})) };
    // What was told without a model, or of another one, is in the total: that one never counts twice.
    for (const amount of AMOUNTS) {
      news[amount] = Math.min(news[amount], left[amount]);
      left[amount] -= news[amount];
    }
    if (AMOUNTS.some((amount) => news[amount] > 0)) found.set(name, news);
  }
  return found;
}

/** By model where the agent says so, and what no model is named for under that of the task. */
function byModel(metrics: ResultMetrics, model: string): Map<string, AmountSums> {
  const found = new Map<string, AmountSums>();
  let rest = sumsOf(metrics);
  for (const [name, value] of Object.entries(objectOf(metrics.models))) {
    if (!isJsonObject(value)) continue;
    const sums = sumsOf(value);
    found.set(name, sums);
    rest = minus(rest, sums);
  }
  const own = found.get(model);
  found.set(model, own === undefined ? rest : plus(own, rest));
  return found;
}

function sumsOf(values: Readonly<Record<string, unknown>>): AmountSums {
  const amount = (name: AmountName): number => {
    const value = values[name];
    return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0;
  };
  return mapAmounts(amount);
}

function plus(a: AmountSums, b: AmountSums): AmountSums {
  return mapAmounts((name) => a[name] + b[name]);
}

function minus(a: AmountSums, b: AmountSums): AmountSums {
  return mapAmounts((name) => (a[name] - b[name] > DUST ? a[name] - b[name] : 0));
}

function mapAmounts(fn: (name: AmountName) => number): AmountSums {
  const [cost_usd, input_tokens, output_tokens, cache_read_input_tokens, cache_creation_input_tokens] = [
    fn('cost_usd'),
    fn('input_tokens'),
    fn('output_tokens'),
    fn('cache_read_input_tokens'),
    fn('cache_creation_input_tokens'),
  ];
  return { cost_usd, input_tokens, output_tokens, cache_read_input_tokens, cache_creation_input_tokens };
}
