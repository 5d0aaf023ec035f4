import type { ResultMetrics, Usage } from '../model/documents.ts';

type Amount = number | null;

const KINDS = [
  'costUsd',
  'inputTokens',
  'outputTokens',
  'cacheReadInputTokens',
  'cacheCreationInputTokens',
] as const;

/** The sum of what is known of several runs; what no run told stays null. */
export class UsageTotal {
  readonly #amounts: Record<(typeof KINDS)[number], Amount> = {
    costUsd: null,
    inputTokens: null,
    outputTokens: null,
    cacheReadInputTokens: null,
    cacheCreationInputTokens: null,
  };

  add(usage: Usage): void {
    for (const kind of KINDS) this.#amounts[kind] = sum(this.#amounts[kind], usage[kind]);
  }

  metrics(durationSeconds: number | null): ResultMetrics {
    return {
      cost_usd: this.#amounts.costUsd,
      input_tokens: this.#amounts.inputTokens,
      output_tokens: this.#amounts.outputTokens,
      duration_seconds: durationSeconds,
      cache_read_input_tokens: this.#amounts.cacheReadInputTokens,
      cache_creation_input_tokens: this.#amounts.cacheCreationInputTokens,
    };
  }
}

function sum(total: Amount, amount: Amount | undefined): Amount {
  if (typeof amount !== 'number' || !Number.isFinite(amount) || amount < 0) return total;
  // Costs are sums of small fractions: twelve digits keep every cent of a cent and drop the binary dust.
  return Number(((total ?? 0) + amount).toFixed(12));
}
