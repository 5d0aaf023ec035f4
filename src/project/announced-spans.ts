import type { OtlpSpan } from '../model/otlp.ts';
import { compareMarks } from '../model/sender.ts';
import type { FactLine } from './change.ts';
import { compareMoments } from './fold.ts';
import { spanFromFacts } from './lost-span.ts';

/** Identifies a span: a span id is unique only within its trace. */
export function spanKey(traceId: string, spanId: string): string {
  return `${traceId}-${spanId}`;
}

export interface SpanSituation {
  /** Whether the span with this key has arrived. */
  hasArrived(key: string): boolean;
  /** Whether spans that have not arrived are lost. */
  readonly isOver: boolean;
  /** Time of the last record of the task. */
  readonly lastTimestamp: string;
}

/** The spans of one task that its facts announce and that have not arrived. */
export class AnnouncedSpans {
  readonly #starts = new Map<string, FactLine>();
  readonly #ends = new Map<string, FactLine>();
  readonly #built = new Set<string>();

  add(fact: FactLine): void {
    if (fact.trace_id === null || fact.span_id === null) return;
    const key = spanKey(fact.trace_id, fact.span_id);
    if (fact.span !== undefined) keepEarliest(this.#starts, key, fact);
    if (fact.derive !== undefined) keepEarliest(this.#ends, key, fact);
  }

  /** Whether there are end facts: a span may have to be built. */
  get hasEnds(): boolean {
    return this.#ends.size > 0;
  }

  /** Whether the trail has announced a span that has not arrived. */
  isTrails(key: string): boolean {
    return [this.#starts.get(key), this.#ends.get(key)].some(
      (fact) => fact !== undefined && fact.sender === undefined,
    );
  }

  /** Forgets what anonymous senders announced: another sender has opened the task. */
  claim(): void {
    for (const facts of [this.#starts, this.#ends])
      for (const [key, { sender }] of facts) if (sender === 'anonymous') facts.delete(key);
  }

  /** Builds the spans whose end fact asks for it, and lost spans. Each span is built once. */
  build({ hasArrived, isOver, lastTimestamp }: SpanSituation): OtlpSpan[] {
    const spans: OtlpSpan[] = [];
    // While the task runs, only the ends are checked: thousands of spans may be pending.
    for (const key of [...(isOver ? this.#starts : this.#ends).keys()]) {
      if (this.#forget(key, hasArrived)) continue;
      const start = this.#starts.get(key);
      if (start === undefined || this.#built.has(key)) continue;
      const last = lastTimestamp > start.timestamp ? lastTimestamp : start.timestamp;
      const span = spanFromFacts(start, this.#ends.get(key), last);
      if (span === undefined) continue;
      this.#built.add(key);
      spans.push(span);
    }
    return spans;
  }

  /** Whether an announced span has not arrived. */
  isMissingAny(hasArrived: (key: string) => boolean): boolean {
    for (const key of [...this.#starts.keys()]) if (!this.#forget(key, hasArrived)) return true;
    return false;
  }

  #forget(key: string, hasArrived: (key: string) => boolean): boolean {
    if (!hasArrived(key)) return false;
    this.#starts.delete(key);
    this.#ends.delete(key);
    this.#built.delete(key);
    return true;
  }
}

function keepEarliest(facts: Map<string, FactLine>, key: string, fact: FactLine): void {
  const current = facts.get(key);
  if (current === undefined) facts.set(key, fact);
  else if ((compareMarks(fact.sender, current.sender) || compareMoments(fact, current)) < 0)
    facts.set(key, fact);
}
