import type { ResultMetrics } from '../../model/documents.ts';
import { isJsonObject, objectOf } from '../../model/json.ts';

/** The metrics of a result that are counted. */
export const AMOUNTS = [
  'cost_usd',
  'input_tokens',
  'output_tokens',
  'cache_read_input_tokens',
  'cache_creation_input_tokens',
] as const;
type AmountName = (typeof AMOUNTS)[number];
export type AmountSums = Readonly<Record<AmountName, number>>;

/** A smaller difference of two sums is a rounding error. */
const EPSILON = 1e-9;

/** The growth of each amount since the previous result, by model. Counters cannot decrease, so a smaller amount counts as 0. */
export function newAmounts(
  metrics: ResultMetrics,
  before: ResultMetrics | undefined,
  model: string,
): ReadonlyMap<string, AmountSums> {
  const current = byModel(metrics, model);
  const previous = before === undefined ? new Map<string, AmountSums>() : byModel(before, model);
  const totalGrowth = minus(sumsOf(metrics), before === undefined ? sumsOf({}) : sumsOf(before));
  const uncounted: Record<AmountName, number> = { ...totalGrowth };
  const found = new Map<string, AmountSums>();
  for (const [name, sums] of current) {
    const growth = { ...minus(sums, previous.get(name) ?? sumsOf({})) };
    // An amount may have moved from one model to another: never count more than the total grew.
    for (const amount of AMOUNTS) {
      growth[amount] = Math.min(growth[amount], uncounted[amount]);
      uncounted[amount] -= growth[amount];
    }
    if (AMOUNTS.some((amount) => growth[amount] > 0)) found.set(name, growth);
  }
  return found;
}

/** The amounts of each model. Amounts without a model belong to the model of the task. */
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
  return mapAmounts((name) => (a[name] - b[name] > EPSILON ? a[name] - b[name] : 0));
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
