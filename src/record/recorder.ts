import type { Context, Link, Span } from '@opentelemetry/api';
import type { Fact, SpanKindName } from '../model/fact.ts';
import { type JsonValue, toJsonValue } from '../model/json.ts';

/** What an OTel span cannot hold (an object, a mixed array) becomes text there. */
export type SpanAttributes = Readonly<Record<string, JsonValue | undefined>>;

export interface SpanStart {
  readonly name: string;
  readonly kind: SpanKindName;
  readonly parent: Context;
  readonly attributes: SpanAttributes;
  readonly links?: Link[];
}

/** What carries facts and spans out of `record/`: the one seam between the API and everything behind it. */
export interface Recorder {
  emit(fact: Fact): void;
  startSpan(start: SpanStart): Span;
  /** Hands everything recorded so far to the operating system before it returns; never throws. */
  flush(): void;
}

let current: Recorder | undefined;

/** Undefined turns recording off: handles still work, and cost next to nothing. */
export function setRecorder(recorder: Recorder | undefined): void {
  current = recorder;
}

export function activeRecorder(): Recorder | undefined {
  return current;
}

/** The attributes that have a value, as the OTel API takes them. */
export function presentAttributes(
  attributes: SpanAttributes,
): Record<string, string | number | boolean | string[]> {
  const out: Record<string, string | number | boolean | string[]> = {};
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null) continue;
    out[key] = Array.isArray(value) ? value.map(String) : plainAttribute(value);
  }
  return out;
}

function plainAttribute(value: unknown): string | number | boolean {
  const plain = toJsonValue(value);
  return typeof plain === 'object' ? JSON.stringify(plain) : plain;
}
