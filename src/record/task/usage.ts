import { growthOf, isPossibleAmount, AMOUNT_KINDS as KINDS, rounded } from '../../model/amounts.ts';
import type { Amounts, ResultMetrics, Usage } from '../../model/documents.ts';
import type { JsonObject } from '../../model/json.ts';

type Amount = number | null;

interface NamedAmounts {
  readonly cost_usd: Amount;
  readonly input_tokens: Amount;
  readonly output_tokens: Amount;
  readonly cache_read_input_tokens: Amount;
  readonly cache_creation_input_tokens: Amount;
  readonly [more: string]: Amount;
}

type Sums = Record<(typeof KINDS)[number], Amount>;

/** Far more models than any agent uses. The limit bounds the result when a caller passes other data as model names. */
const MODELS_MAX = 100;

/** Far more threads than the runs of a task resume. */
const THREADS_MAX = 1_000;

/** Sums the usage of several runs, in total and by model. An amount that no run reported stays null. */
export class UsageTotal {
  readonly #total = nothing();
  readonly #models = new Map<string, Sums>();
  readonly #threads = new Map<string, Amounts>();
  /** Amounts of which a run knows that it reported a part. */
  readonly #unknown = new Set<keyof Sums>();
  #unknownReason: string | undefined;
  #incompleteReason: string | undefined;
  /** Of runs without a report. */
  readonly #seen = nothing();

  /** Returns what it has added: without the amounts of a thread that an earlier run has reported. */
  add(usage: Usage): Usage {
    const own = usage.threads === undefined ? usage : this.#growthOf(usage.threads);
    this.#addOwn(own);
    if (typeof usage.incompleteReason === 'string') this.#incompleteReason ??= usage.incompleteReason;
    if (isAmounts(usage.seen)) addTo(this.#seen, this.#seenIn(usage.seen ?? {}));
    if (usage.unknownReason === undefined) return own;
    this.#unknownReason ??= usage.unknownReason;
    for (const kind of KINDS) if (typeof usage[kind] !== 'number') this.#unknown.add(kind);
    return own;
  }

  #seenIn(seen: NonNullable<Usage['seen']>): Amounts {
    return seen.threads === undefined ? seen : this.#growthOf(seen.threads);
  }

  /** The sums if this usage were added; unknown amounts are 0. What the messages of a run without a report said is in them. */
  with(usage: Usage): { readonly usd: number; readonly tokens: number } {
    const own = usage.threads === undefined ? usage : this.#growthOf(usage.threads, false);
    const of = (kind: keyof Sums): number =>
      sum((this.#total[kind] ?? 0) + (this.#seen[kind] ?? 0), own[kind]) ?? 0;
    return { usd: of('costUsd'), tokens: of('inputTokens') + of('outputTokens') };
  }

  #growthOf(threads: Readonly<Record<string, Amounts>>, isKept = true): Usage {
    const sums = nothing();
    for (const [id, amounts] of Object.entries(threads)) {
      if (!isAmounts(amounts)) continue;
      addTo(sums, growthOf(this.#threads.get(id), amounts));
      if (isKept && (this.#threads.size < THREADS_MAX || this.#threads.has(id)))
        this.#threads.set(id, amounts);
    }
    return sums;
  }

  #addOwn(usage: Usage): void {
    addTo(this.#total, usage);
    for (const [name, amounts] of Object.entries(usage.models ?? {})) {
      const known = this.#models.get(name) ?? (this.#models.size < MODELS_MAX ? nothing() : undefined);
      if (known === undefined || !isAmounts(amounts)) continue;
      addTo(known, amounts);
      if (KINDS.some((kind) => known[kind] !== null)) this.#models.set(name, known);
    }
  }

  /** `models` is set only when an amount of a model is known. */
  metrics(durationSeconds: number | null): ResultMetrics {
    const known = { ...this.#total };
    for (const kind of this.#unknown) known[kind] = null;
    const { cost_usd, input_tokens, output_tokens, ...caches } = named(known);
    const reason = this.#unknownReason === undefined ? {} : { unknown_reason: this.#unknownReason };
    const metrics = {
      cost_usd,
      input_tokens,
      output_tokens,
      duration_seconds: durationSeconds,
      ...caches,
      ...reason,
      ...(this.#incompleteReason !== undefined && { cost_basis: this.#incomplete(this.#incompleteReason) }),
    };
    if (this.#models.size === 0) return metrics;
    const models = [...this.#models].map(([name, sums]): [string, JsonObject] => [name, named(sums)]);
    // From entries: an assignment to `__proto__` would not make a field.
    return { ...metrics, models: Object.fromEntries(models) };
  }

  #incomplete(reason: string): JsonObject {
    const isSeen = KINDS.some((kind) => this.#seen[kind] !== null);
    return { incomplete: reason, ...(isSeen && { stream: named(this.#seen) }) };
  }
}

function nothing(): Sums {
  return {
    costUsd: null,
    inputTokens: null,
    outputTokens: null,
    cacheReadInputTokens: null,
    cacheCreationInputTokens: null,
  };
}

/** Callers without types may pass any value. */
function isAmounts(amounts: unknown): boolean {
  return typeof amounts === 'object' && amounts !== null;
}

function addTo(sums: Sums, amounts: Amounts): void {
  for (const kind of KINDS) sums[kind] = sum(sums[kind], amounts[kind]);
}

function named(sums: Sums): NamedAmounts {
  return {
    cost_usd: sums.costUsd,
    input_tokens: sums.inputTokens,
    output_tokens: sums.outputTokens,
    cache_read_input_tokens: sums.cacheReadInputTokens,
    cache_creation_input_tokens: sums.cacheCreationInputTokens,
  };
}

function sum(total: Amount, amount: Amount | undefined): Amount {
  if (!isPossibleAmount(amount) || amount < 0) return total;
  return rounded((total ?? 0) + amount);
}
