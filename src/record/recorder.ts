import type { Context, Link, Span } from '@opentelemetry/api';
import type { Fact, SpanKindName } from '../model/fact.ts';
import { type JsonValue, toJsonValue } from '../model/json.ts';
import type { SpanIdentity } from '../model/workflow-span.ts';

/** What an OTel span cannot hold (an object, a mixed array) becomes text there. */
export type SpanAttributes = Readonly<Record<string, JsonValue | undefined>>;

export interface SpanStart {
  readonly name: string;
  readonly kind: SpanKindName;
  readonly parent: Context;
  readonly attributes: SpanAttributes;
  readonly links?: Link[];
  /** What the span's id is derived from, so that every process names it alike. Default: a random id. */
  readonly identity?: SpanIdentity;
  /** As `identity`, for a span below another one: text that is its own in that trace. */
  readonly derivedFrom?: string;
  /** When it began, for a span that is known only later; milliseconds. Default now. */
  readonly startedAtMs?: number;
  /** The trace of a span that has an identity and no parent. Default: derived from the workflow's id. */
  readonly traceId?: string;
}

/** What carries facts and spans out of `record/`: the one seam between the API and everything behind it. */
export interface Recorder {
  emit(fact: Fact): void;
  startSpan(start: SpanStart): Span;
  /** Hands everything recorded so far to the operating system before it returns; never throws. */
  flush(): void;
}

let current: Recorder | undefined;

/** Whether it was decided that this process records, or does not. */
let isDecided = false;
let isSwitchedOff = (): boolean => false;

/** Undefined turns recording off: handles still work, and cost next to nothing. */
export function setRecorder(recorder: Recorder | undefined): void {
  current = recorder;
  isDecided = true;
}

/** How to ask the settings whether nobody wants to record; handed in by the app, which knows them. */
export function setOffSwitch(isOff: () => boolean): void {
  isSwitchedOff = isOff;
}

export function activeRecorder(): Recorder | undefined {
  return current;
}

/** The recorder for something that begins now. Warns, once in a process, when that comes before the start. */
export function beginRecording(): Recorder | undefined {
  if (isDecided) return current;
  isDecided = true;
  if (isSwitchedOff()) return undefined;
  process.emitWarning('tasktrail is not started, nothing is recorded: await startTasktrail() first', {
    type: 'TasktrailWarning',
  });
  return undefined;
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
