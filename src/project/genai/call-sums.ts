import type { ResultMetrics } from '../../model/documents.ts';
import { isJsonObject, type JsonObject, objectOf } from '../../model/json.ts';
import type { GenAiSpan } from './call-span.ts';
import type { CallAmounts } from './call-values.ts';

/** As many models as a result of an agent may name. */
const MODELS_MAX = 100;

const KINDS = [
  ['costUsd', 'cost_usd'],
  ['inputTokens', 'input_tokens'],
  ['outputTokens', 'output_tokens'],
  ['cacheReadInputTokens', 'cache_read_input_tokens'],
  ['cacheCreationInputTokens', 'cache_creation_input_tokens'],
] as const;

/** A call, or a group whose calls are not reported, whose amounts count. */
export interface Counted {
  readonly model: string | null;
  readonly amounts: CallAmounts;
  readonly attempt: number;
  /** The run of an agent around it. */
  readonly run: GenAiSpan | undefined;
  /** Whether it is below a span of tasktrail. */
  readonly isPlaced: boolean;
}

export const NOTHING: CallAmounts = {
  costUsd: null,
  inputTokens: null,
  outputTokens: null,
  cacheReadInputTokens: null,
  cacheCreationInputTokens: null,
};

/** The metrics with the amounts of the calls added, in total and by model. */
export function withCalls(metrics: ResultMetrics, calls: readonly Counted[]): ResultMetrics {
  const models = new Map<string, Record<string, number | null>>();
  for (const [name, amounts] of Object.entries(objectOf(metrics.models))) {
    if (isJsonObject(amounts)) models.set(name, amounts as Record<string, number | null>);
  }
  const byModel = new Map<string, CallAmounts[]>();
  for (const { model, amounts } of calls) {
    if (model !== null) push(byModel, model, amounts);
  }
  const mostFirst = [...byModel].sort(([a, as], [b, bs]) =>
    byTokens([a, as.reduce(addTokens, 0)], [b, bs.reduce(addTokens, 0)]),
  );
  for (const [name, amounts] of mostFirst) {
    if (models.has(name) || models.size < MODELS_MAX) models.set(name, plus(models.get(name) ?? {}, amounts));
  }
  const all = calls.map(({ amounts }) => amounts);
  return {
    ...metrics,
    ...plus(metrics, all),
    ...(models.size > 0 && { models: Object.fromEntries(models) as JsonObject }),
  } as ResultMetrics;
}

/** The amounts and those of the calls. Tokens that a call does not report add nothing; a price counts only when all have one. */
export function plus(
  base: Readonly<Record<string, unknown>>,
  calls: readonly CallAmounts[],
): Record<string, number | null> {
  const sums: [string, number | null][] = KINDS.map(([kind, name]) => {
    const known = calls.map((call) => call[kind]).filter((amount) => amount !== null);
    const before = typeof base[name] === 'number' ? base[name] : null;
    const isPartial = kind === 'costUsd' && known.length < calls.length;
    // A price in the metrics is the task's own word about all of it.
    const isSaid = kind === 'costUsd' && before !== null && base.input_tokens === null;
    if (known.length === 0 || isPartial || isSaid) return [name, before];
    // Costs are sums of small fractions: 12 digits are precise enough and drop the binary rounding error.
    return [name, Number(known.reduce((sum, amount) => sum + amount, before ?? 0).toFixed(12))];
  });
  return Object.fromEntries(sums);
}

function addTokens(sum: number, amounts: CallAmounts): number {
  return sum + tokensOf(amounts);
}

/** Input and output together. */
export function tokensOf({ inputTokens, outputTokens }: CallAmounts): number {
  return (inputTokens ?? 0) + (outputTokens ?? 0);
}

/** Most tokens first, then by name. */
export function byTokens(
  [a, tokensA]: readonly [string, number],
  [b, tokensB]: readonly [string, number],
): number {
  return tokensB - tokensA || compare(a, b);
}

export function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function push<V>(lists: Map<string, V[]>, key: string, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
