import type { FinalResult, Metadata, ResultMetrics } from '../../model/documents.ts';
import { compareMarks, type SenderMark } from '../../model/sender.ts';
import type { GenAiSpan } from './call-span.ts';
import { byTokens, type Counted, compare, NOTHING, tokensOf, withCalls } from './call-sums.ts';
import type { CallAmounts } from './call-values.ts';
import type { AmountSums, ReportedSums } from './cost-basis.ts';
import {
  asCounted,
  type CallsOfSource,
  countedOnce,
  isWithoutTokens,
  moreOf,
  sumsOf,
} from './counted-calls.ts';
import type { LoggedCall } from './logged-call.ts';

/** Far more levels than traces have. The limit keeps the time linear in the number of spans. */
const ANCESTORS_MAX = 64;

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

  /** Of copies of a call by equal senders the one with the largest amounts counts, whichever came first. */
  addLogged(eventId: string, call: LoggedCall): void {
    const key = JSON.stringify([call.attempt, call.key ?? eventId]);
    const known = this.#logged.get(key);
    if (!this.#counts(call, known) && !(known !== undefined && this.#isLarger(call, known))) return;
    this.#logged.set(key, call);
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

  #isLarger(call: LoggedCall, known: LoggedCall): boolean {
    if ((this.#isClaimed && call.sender === 'anonymous') || compareMarks(call.sender, known.sender) !== 0)
      return false;
    const tokens = tokensOf(call.amounts) - tokensOf(known.amounts);
    return tokens > 0 || (tokens === 0 && textOf(call) > textOf(known));
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
    const { calls } = this.#missingFrom(result.metrics, attempt);
    if (calls.length === 0) return result;
    return { ...result, metrics: withCalls(result.metrics, calls) };
  }

  /** What spans and log records say about an attempt whose result states these metrics. */
  reported(metrics: ResultMetrics, attempt: number): Omit<ReportedSums, 'isCut'> {
    const { calls, from } = this.#missingFrom(metrics, attempt);
    return {
      spans: sumsOf(this.#spanCalls(attempt)),
      telemetry: sumsOf(this.#loggedCalls(attempt)),
      earlier: this.#earlierRuns(attempt),
      filledFrom: calls.length > 0 && isWithoutTokens(metrics) ? from : undefined,
    };
  }

  /** What all attempts have used, at least: of spans and log records the larger sum, also where some calls have no price. */
  used(): { readonly usd: number; readonly tokens: number } {
    this.#counted ??= this.#count();
    const sources = [this.#counted, countedOnce([...this.#logged.values()])];
    const most = (of: (call: Counted) => number): number =>
      Math.max(...sources.map((calls) => calls.reduce((sum, call) => sum + of(call), 0)));
    return {
      usd: most(({ amounts }) => amounts.costUsd ?? 0),
      tokens: most(({ amounts }) => tokensOf(amounts)),
    };
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
  #missingFrom(metrics: ResultMetrics, attempt: number): CallsOfSource {
    const { input_tokens: input, output_tokens: output } = metrics;
    const spans = this.#spanCalls(attempt);
    const runs = this.#runsOf((own) => own === attempt);
    if (isWithoutTokens(metrics)) {
      const free = spans.filter(({ run }) => run?.amounts === undefined);
      return moreOf(free, this.#loggedCalls(attempt));
    }
    const sum = (kind: 'inputTokens' | 'outputTokens'): number =>
      runs.reduce((total, { amounts }) => total + (amounts?.[kind] ?? 0), 0);
    if (runs.length === 0 || sum('inputTokens') !== (input ?? 0) || sum('outputTokens') !== (output ?? 0))
      return { calls: [], from: 'spans' };
    return {
      calls: spans.filter(({ run, isPlaced }) => isPlaced && run?.amounts === undefined),
      from: 'spans',
    };
  }

  /** The runs of agents, which reported their amounts. */
  #runsOf(isWanted: (attempt: number) => boolean): readonly GenAiSpan[] {
    return [...this.#spans.values()].filter(
      ({ isRun, attempt, amounts }) => isRun && amounts !== undefined && isWanted(attempt ?? 1),
    );
  }

  #earlierRuns(before: number): AmountSums | undefined {
    const runs = [...this.#runsOf((attempt) => attempt < before)].sort((a, b) => compare(a.spanId, b.spanId));
    return sumsOf(runs.map(({ amounts = NOTHING }) => asCounted({ model: null, amounts, attempt: 1 })));
  }

  #callsOf(attempt: number): readonly Counted[] {
    return moreOf(this.#spanCalls(attempt), this.#loggedCalls(attempt)).calls;
  }

  #spanCalls(attempt: number): readonly Counted[] {
    this.#counted ??= this.#count();
    return this.#counted.filter((call) => call.attempt === attempt);
  }

  #loggedCalls(attempt: number): readonly Counted[] {
    const calls = [...this.#logged].filter(([, call]) => call.attempt === attempt);
    return countedOnce(calls.sort(([a], [b]) => compare(a, b)).map(([, call]) => call));
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

function textOf({ amounts, model }: LoggedCall): string {
  return JSON.stringify([amounts, model]);
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
