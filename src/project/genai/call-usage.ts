import type { FinalResult, Metadata, ResultMetrics } from '../../model/documents.ts';
import { isJsonObject, type JsonObject, objectOf } from '../../model/json.ts';
import { compareMarks, type SenderMark } from '../../model/sender.ts';
import type { GenAiSpan } from './call-span.ts';
import type { CallAmounts } from './call-values.ts';

/** Far more levels than traces have. The limit keeps the time linear in the number of spans. */
const ANCESTORS_MAX = 64;

/** As many models as a result of an agent may name. */
const MODELS_MAX = 100;

const KINDS = [
  ['costUsd', 'cost_usd'],
  ['inputTokens', 'input_tokens'],
  ['outputTokens', 'output_tokens'],
  ['cacheReadInputTokens', 'cache_read_input_tokens'],
  ['cacheCreationInputTokens', 'cache_creation_input_tokens'],
] as const;

/** A model call that telemetry without spans reports. */
export interface LoggedCall {
  readonly attempt: number;
  readonly model: string | null;
  readonly amounts: CallAmounts;
  /** Undefined: the trail. */
  readonly sender?: SenderMark | undefined;
}

/** A call, or a group whose calls are not reported, whose amounts count. */
interface Counted {
  readonly model: string | null;
  readonly amounts: CallAmounts;
  readonly attempt: number;
  /** The run of an agent around it. */
  readonly run: GenAiSpan | undefined;
  /** Whether it is below a span of tasktrail. */
  readonly isPlaced: boolean;
}

/**
 * Models and tokens that the spans of one task report. What anonymous senders report counts only while no other sender has
 * opened the task. Each call counts once: of nested spans of one call the innermost, of a
 * group only what none of its calls reports. Order, duplicates and restarts do not change the result.
 */
export class GenAiUsage {
  readonly #spans = new Map<string, GenAiSpan>();
  readonly #logged = new Map<string, LoggedCall>();
  #isClaimed = false;
  #isEmpty = true;
  #revision = 0;
  #counted: readonly Counted[] | undefined;

  /** A span that is already known does not change anything, unless its sender has more rights. */
  add(span: GenAiSpan): void {
    const key = keyOf(span.traceId, span.spanId);
    if (!this.#counts(span, this.#spans.get(key))) return;
    this.#spans.set(key, span);
    if (isReporting(span)) this.#isEmpty = false;
    this.#changed();
  }

  addLogged(eventId: string, call: LoggedCall): void {
    if (!this.#counts(call, this.#logged.get(eventId))) return;
    this.#logged.set(eventId, call);
    this.#isEmpty = false;
    this.#changed();
  }

  /** Another sender than an anonymous one has opened the task. */
  claim(): void {
    if (this.#isClaimed) return;
    this.#isClaimed = true;
    for (const known of [this.#spans, this.#logged])
      for (const [key, { sender }] of known) if (sender === 'anonymous') known.delete(key);
    this.#isEmpty = this.#logged.size === 0 && ![...this.#spans.values()].some(isReporting);
    this.#changed();
  }

  #counts({ sender }: Reported, known: Reported | undefined): boolean {
    if (this.#isClaimed && sender === 'anonymous') return false;
    return known === undefined || compareMarks(sender, known.sender) < 0;
  }

  #changed(): void {
    this.#revision += 1;
    this.#counted = undefined;
  }

  /** Grows with each new span and record. */
  get revision(): number {
    return this.#revision;
  }

  /** Whether nothing is reported: the documents need no change. */
  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  /** The metadata with the model, if no fact names one: of all calls of the attempt the model with the most tokens. */
  metadata(metadata: Metadata): Metadata {
    if (this.#isEmpty || metadata.model !== null) return metadata;
    const model = this.#mainModel(metadata.attempt);
    return model === null ? metadata : { ...metadata, model };
  }

  /** The result with the amounts that nothing better reports. */
  result(result: FinalResult, attempt: number): FinalResult {
    if (this.#isEmpty) return result;
    const calls = this.#missingFrom(result.metrics, attempt);
    if (calls.length === 0) return result;
    return { ...result, metrics: withCalls(result.metrics, calls) };
  }

  #mainModel(attempt: number): string | null {
    const tokens = new Map<string, number>();
    for (const { model, amounts } of this.#callsOf(attempt)) {
      if (model !== null) tokens.set(model, (tokens.get(model) ?? 0) + tokensOf(amounts));
    }
    if (tokens.size === 0) {
      // Nothing with tokens names a model: a stream without usage, or a call that failed.
      for (const { model, isOwn, attempt: own } of this.#spans.values())
        if (!isOwn && model !== null && (own ?? 1) === attempt) tokens.set(model, 0);
    }
    return [...tokens].sort(byTokens)[0]?.[0] ?? null;
  }

  /**
   * The calls that the metrics do not contain. Without tokens in the metrics: all. Otherwise what ran outside of those runs that
   * reported theirs, as long as the metrics are exactly the sum of these runs: a caller may have added the same tokens himself.
   */
  #missingFrom(metrics: ResultMetrics, attempt: number): readonly Counted[] {
    const calls = this.#callsOf(attempt);
    const { input_tokens: input, output_tokens: output } = metrics;
    if (input === null && output === null) return calls.filter(({ run }) => run?.amounts === undefined);
    const runs = [...this.#spans.values()].filter(
      (span) => span.isRun && (span.attempt ?? 1) === attempt && span.amounts !== undefined,
    );
    const sum = (kind: 'inputTokens' | 'outputTokens'): number =>
      runs.reduce((total, { amounts }) => total + (amounts?.[kind] ?? 0), 0);
    if (runs.length === 0 || sum('inputTokens') !== (input ?? 0) || sum('outputTokens') !== (output ?? 0))
      return [];
    return calls.filter(({ run, isPlaced }) => isPlaced && run?.amounts === undefined);
  }

  #callsOf(attempt: number): readonly Counted[] {
    this.#counted ??= this.#count();
    const spans = this.#counted.filter((call) => call.attempt === attempt);
    if (spans.length > 0) return spans;
    // The same calls as records: they count only where no span reports tokens.
    return [...this.#logged.values()]
      .filter((call) => call.attempt === attempt)
      .map((call) => ({ ...call, run: undefined, isPlaced: false }));
  }

  #count(): readonly Counted[] {
    const reporting = [...this.#spans.values()]
      .filter((span) => !span.isOwn && span.amounts !== undefined)
      // The order of arrival must not matter.
      .sort((a, b) => compare(keyOf(a.traceId, a.spanId), keyOf(b.traceId, b.spanId)));
    const covered = new Set<GenAiSpan>();
    /** The outer spans of each span's call, the nearest first. */
    const outer = new Map<GenAiSpan, GenAiSpan[]>();
    for (const span of reporting) {
      const around = [...this.#coveredBy(span)];
      for (const one of around) covered.add(one);
      outer.set(
        span,
        around.filter(({ kind }) => kind === 'call'),
      );
    }
    coverTwins(reporting, covered);
    this.#coverBroken(reporting, covered);
    const counted = reporting.filter((span) => !covered.has(span));
    const inner = new Map<GenAiSpan, number>();
    for (const span of counted)
      for (const one of outer.get(span) ?? []) inner.set(one, (inner.get(one) ?? 0) + 1);
    return counted.map((span) => {
      const sameCall = (outer.get(span) ?? []).filter((one) => inner.get(one) === 1);
      return this.#place(span, sameCall.reduce(completed, span.amounts ?? NOTHING));
    });
  }

  /** The spans around a span whose tokens contain its tokens. */
  *#coveredBy(span: GenAiSpan): Generator<GenAiSpan> {
    const isCall = span.kind === 'call';
    let isSameCall = isCall;
    for (const around of this.#ancestors(span)) {
      if (around.isOwn) continue;
      if (around.kind === 'group' || around.kind === 'tool') isSameCall = false;
      if (around.amounts === undefined) continue;
      if (around.kind === 'call') {
        if (isSameCall && isSameRequest(around, span)) yield around;
      } else yield around;
    }
  }

  /**
   * Covers the groups of calls whose spans in between are missing: they were sampled out, or are over the limit of a task. A
   * call that starts within a group of its trace may be one of its own.
   */
  #coverBroken(reporting: readonly GenAiSpan[], covered: Set<GenAiSpan>): void {
    const starts = new Map<string, number[]>();
    const missing = new Map(reporting.map((span) => [span, this.#missingAbove(span)]));
    for (const [{ traceId, kind, startMicros }, above] of missing) {
      if (kind !== 'call' || above === null) continue;
      for (const key of [traceId, keyOf(traceId, above)]) push(starts, key, startMicros);
    }
    for (const list of starts.values()) list.sort((a, b) => a - b);
    for (const [group, above] of missing) {
      if (group.kind === 'call' || covered.has(group)) continue;
      const inside = countWithin(starts.get(group.traceId), group);
      // Calls below the same missing span stand beside the group.
      const beside = above === null ? 0 : countWithin(starts.get(keyOf(group.traceId, above)), group);
      if (inside > beside) covered.add(group);
    }
  }

  /** The id of the first span above that is not known; null: all are known up to the root. */
  #missingAbove(span: GenAiSpan): string | null {
    let top = span;
    for (const around of this.#ancestors(span)) top = around;
    return top.parentId !== null && !this.#spans.has(keyOf(top.traceId, top.parentId)) ? top.parentId : null;
  }

  *#ancestors(span: GenAiSpan): Generator<GenAiSpan> {
    let { parentId } = span;
    for (let level = 0; parentId !== null && level < ANCESTORS_MAX; level += 1) {
      const parent = this.#spans.get(keyOf(span.traceId, parentId));
      if (parent === undefined || parent === span) return;
      yield parent;
      parentId = parent.parentId;
    }
  }

  #place(span: GenAiSpan, amounts: CallAmounts): Counted {
    let { model } = span;
    let run: GenAiSpan | undefined;
    let attempt: number | null = null;
    let isPlaced = false;
    for (const around of this.#ancestors(span)) {
      if (around.isOwn) {
        isPlaced = true;
        attempt ??= around.attempt;
        if (around.isRun) run ??= around;
      } else model ??= around.model;
    }
    // A span of tasktrail knows best: an agent that outlived its worker still sends the attempt in which it was started.
    return { model, amounts, run, isPlaced, attempt: attempt ?? span.attempt ?? 1 };
  }
}

interface Reported {
  readonly sender?: SenderMark | undefined;
}

function isReporting({ isOwn, amounts, model }: GenAiSpan): boolean {
  return !isOwn && (amounts !== undefined || model !== null);
}

/** Whether two nested spans of calls are about one request: two instrumentations of one client. */
function isSameRequest(outer: GenAiSpan, inner: GenAiSpan): boolean {
  // One id in two scopes is one answer, whatever the clocks of the two say.
  if (outer.responseId !== null && inner.responseId !== null) {
    if (outer.responseId !== inner.responseId) return false;
    if (outer.scope !== inner.scope) return true;
  }
  // A span that was left open as the parent of later ones has ended before them.
  return inner.startMicros >= outer.startMicros && inner.startMicros <= outer.endMicros;
}

/** As many open requests of one parent are compared: more have no response id in common. */
const TWINS_MAX = 8;

/** Two instrumentations beside each other: spans of one response in different scopes, at the same time, below one parent. */
function coverTwins(spans: readonly GenAiSpan[], covered: Set<GenAiSpan>): void {
  const known = new Map<string, GenAiSpan[]>();
  for (const span of spans) {
    if (span.kind !== 'call' || span.responseId === null || covered.has(span)) continue;
    const key = `${span.traceId} ${span.parentId} ${span.responseId}`;
    const others = known.get(key) ?? [];
    if (others.some((other) => isTwin(other, span))) {
      covered.add(span);
      continue;
    }
    others.push(span);
    if (others.length > TWINS_MAX) others.shift();
    known.set(key, others);
  }
}

function isTwin(a: GenAiSpan, b: GenAiSpan): boolean {
  return a.scope !== b.scope && a.startMicros <= b.endMicros && b.startMicros <= a.endMicros;
}

const NOTHING: CallAmounts = {
  costUsd: null,
  inputTokens: null,
  outputTokens: null,
  cacheReadInputTokens: null,
  cacheCreationInputTokens: null,
};

/** The amounts of a call, completed from another span of the same call. */
function completed(a: CallAmounts, { amounts: b = NOTHING }: GenAiSpan): CallAmounts {
  return {
    costUsd: a.costUsd ?? b.costUsd,
    inputTokens: a.inputTokens ?? b.inputTokens,
    outputTokens: a.outputTokens ?? b.outputTokens,
    cacheReadInputTokens: a.cacheReadInputTokens ?? b.cacheReadInputTokens,
    cacheCreationInputTokens: a.cacheCreationInputTokens ?? b.cacheCreationInputTokens,
  };
}

function withCalls(metrics: ResultMetrics, calls: readonly Counted[]): ResultMetrics {
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
function plus(
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

function tokensOf({ inputTokens, outputTokens }: CallAmounts): number {
  return (inputTokens ?? 0) + (outputTokens ?? 0);
}

/** Most tokens first, then by name. */
function byTokens([a, tokensA]: readonly [string, number], [b, tokensB]: readonly [string, number]): number {
  return tokensB - tokensA || compare(a, b);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function keyOf(traceId: string, spanId: string): string {
  return `${traceId}-${spanId}`;
}

function push<V>(lists: Map<string, V[]>, key: string, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

/** How many of the ascending times lie within a span. */
function countWithin(times: readonly number[] | undefined, { startMicros, endMicros }: GenAiSpan): number {
  return times === undefined ? 0 : countUpTo(times, endMicros) - countUpTo(times, startMicros - 1);
}

function countUpTo(times: readonly number[], limit: number): number {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((times[middle] ?? 0) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
