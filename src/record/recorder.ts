import type { Context, Link, Span } from '@opentelemetry/api';
import type { Fact, SpanKindName } from '../model/fact.ts';
import { type JsonValue, toJsonValue } from '../model/json.ts';
import type { SpanIdentity } from '../model/workflow-span.ts';

/** Values that an OTel span cannot hold (objects, mixed arrays) become text. */
export type SpanAttributes = Readonly<Record<string, JsonValue | undefined>>;

export interface SpanStart {
  readonly name: string;
  readonly kind: SpanKindName;
  readonly parent: Context;
  readonly attributes: SpanAttributes;
  readonly links?: Link[];
  /** The span id is derived from it, so that every process uses the same id. Default: a random id. */
  readonly identity?: SpanIdentity;
  /** As `identity`, for a span with a parent: a text that is unique in the trace. */
  readonly derivedFrom?: string;
  /** Start of a span that is reported later; milliseconds since the epoch. Default now. */
  readonly startedAtMs?: number;
  /** The trace of a span with an identity and no parent. Default: derived from the workflow id. */
  readonly traceId?: string;
}

/** Takes facts and spans out of `record/`: the only interface between the API and the exporters. */
export interface Recorder {
  emit(fact: Fact): void;
  startSpan(start: SpanStart): Span;
  /** Writes all records so far to the operating system before it returns. Never throws. */
  flush(): void;
  /** Resolves when all records so far are on the disk, as the settings promise it. Never rejects. */
  synced(): Promise<void>;
}

let current: Recorder | undefined;

/** Whether this process has decided if it records. */
let isDecided = false;
let isSwitchedOff = (): boolean => false;

/** Undefined turns recording off: handles still work and do nothing. */
export function setRecorder(recorder: Recorder | undefined): void {
  current = recorder;
  isDecided = true;
}

/** Sets the function that tells whether the settings switch recording off. Passed in: this folder does not know settings. */
export function setOffSwitch(isOff: () => boolean): void {
  isSwitchedOff = isOff;
}

export function activeRecorder(): Recorder | undefined {
  return current;
}

/** The recorder for a new span. Warns once per process when the trail was not started. */
export function beginRecording(): Recorder | undefined {
  if (isDecided) return current;
  isDecided = true;
  if (isSwitchedOff()) return undefined;
  process.emitWarning('tasktrail is not started, nothing is recorded: await startTasktrail() first', {
    type: 'TasktrailWarning',
  });
  return undefined;
}

/** The attributes with a value, in the types of the OTel API. */
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
