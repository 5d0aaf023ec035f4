import {
  type Context,
  context,
  createContextKey,
  diag,
  type HrTime,
  type Span,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { messageOf } from '../errors.ts';
import { ATTR } from '../model/attributes.ts';
import { type Fact, SPAN_KIND, type SpanIds } from '../model/fact.ts';
import type { JsonValue } from '../model/json.ts';
import { type Moment, mintMoment } from './mint.ts';
import {
  beginRecording,
  presentAttributes,
  type Recorder,
  type SpanAttributes,
  type SpanStart,
} from './recorder.ts';

const SCOPE = createContextKey('tasktrail.scope');

const NO_ATTRIBUTES = {};

export interface ScopeStart extends SpanStart {
  /** Ids of a span that an earlier process started. It continues under them and is built from its start and end facts. */
  readonly resumed?: SpanIds | undefined;
}

/** The reason for an error status: `error.type` and the message. */
export interface Failure {
  readonly errorType: string;
  readonly message?: string;
}

export interface FactInput {
  readonly body?: JsonValue;
  readonly attributes?: Readonly<Record<string, JsonValue | undefined>>;
  /** As `Fact.shared`. */
  readonly shared?: Readonly<Record<string, JsonValue>>;
  /** The time of a fact that was held back. Default now. */
  readonly moment?: Moment;
}

/**
 * An open span and its facts. Each delivery, task attempt, workflow, phase, step and agent run has one. Without a recorder
 * it does nothing.
 */
export class Scope {
  readonly context: Context;
  readonly startedAtMs: number;
  /** On a clock that only runs forward: the wall clock may be set while the scope is open. */
  readonly #startedSteadyMs = performance.now();
  readonly ids: SpanIds | undefined;
  readonly #recorder: Recorder | undefined;
  readonly #span: Span | undefined;
  readonly #start: ScopeStart;
  #ended = false;

  constructor(start: ScopeStart) {
    this.#start = start;
    this.#recorder = beginRecording();
    this.startedAtMs = Date.now();
    this.#span = quietly(() => this.#open());
    const parent = this.#span === undefined ? start.parent : trace.setSpan(start.parent, this.#span);
    this.context = parent.setValue(SCOPE, this);
    this.ids = this.#span?.spanContext();
  }

  /** An attribute that the span was started with. */
  attribute(name: string): string | undefined {
    const value = this.#start.attributes?.[name];
    return typeof value === 'string' ? value : undefined;
  }

  /** Milliseconds since the start. */
  get elapsedMs(): number {
    return performance.now() - this.#startedSteadyMs;
  }

  get recording(): boolean {
    return this.#recorder !== undefined;
  }

  /** Attributes of the start fact: with them the store can build the span when this process does not send it. */
  announcement(): Record<string, JsonValue | undefined> {
    if (this.ids === undefined || this.#start.resumed !== undefined) return {};
    return {
      ...this.#start.attributes,
      [ATTR.spanName]: this.#start.name,
      [ATTR.spanKind]: SPAN_KIND[this.#start.kind],
      [ATTR.spanParentId]: trace.getSpanContext(this.#start.parent)?.spanId,
    };
  }

  /** Attributes of the end fact of a resumed span, so that the store builds it; empty for a span of this process. */
  closing(failure?: Failure): Record<string, JsonValue | undefined> {
    if (this.#start.resumed === undefined) return {};
    return { [ATTR.errorType]: failure?.errorType, [ATTR.spanDerive]: true };
  }

  emit(eventName: string, input: FactInput = {}): void {
    const recorder = this.#recorder;
    if (recorder === undefined) return;
    const { timeMs, eventId } = input.moment ?? mintMoment();
    const { body, shared, attributes = NO_ATTRIBUTES } = input;
    const fact: Fact = { eventName, eventId, timeMs, body, shared, attributes, span: this.ids };
    quietly(() => recorder.emit(fact));
  }

  /** Adds an event to the span. Its attributes become primitives, as span events require. */
  addSpanEvent(name: string, attributes: SpanAttributes, timeMs: number): void {
    // A Date: the SDK reads a number below the start time of the process (after a clock step) as an offset from it.
    quietly(() => this.#span?.addEvent(name, presentAttributes(attributes), new Date(timeMs)));
  }

  setAttributes(attributes: SpanAttributes): void {
    quietly(() => this.#span?.setAttributes(presentAttributes(attributes)));
  }

  /** Runs `fn` with this scope active. */
  run<T>(fn: () => T): T {
    return context.with(this.context, fn);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Ends the span, now or at `endedAtMs`. A failure sets the error status. A second call does nothing. */
  end(failure?: Failure, endedAtMs?: number): void {
    if (this.#ended) return;
    this.#ended = true;
    quietly(() => {
      if (failure !== undefined) {
        this.#span?.setAttribute(ATTR.errorType, failure.errorType);
        this.#span?.setStatus({
          code: SpanStatusCode.ERROR,
          ...(failure.message && { message: failure.message }),
        });
      }
      this.#span?.end(endedAtMs === undefined ? undefined : justAfter(endedAtMs));
    });
  }

  #open(): Span | undefined {
    const { resumed } = this.#start;
    if (resumed === undefined) return this.#recorder?.startSpan(this.#start);
    if (this.#recorder === undefined) return undefined;
    return trace.wrapSpanContext({ ...resumed, traceFlags: TraceFlags.SAMPLED });
  }

  /** W3C Trace Context, version 00; always sampled. */
  get traceparent(): string | undefined {
    return this.ids === undefined ? undefined : `00-${this.ids.traceId}-${this.ids.spanId}-01`;
  }
}

/** The innermost scope of the calling code, found by context. */
export function activeScope(): Scope | undefined {
  const value = context.active().getValue(SCOPE);
  return value instanceof Scope ? value : undefined;
}

/** A caught value as `error.type` (its code or class) and message. */
export function failureOf(error: unknown): { errorType: string; message: string } {
  const message = messageOf(error);
  try {
    if (!(error instanceof Error)) return { errorType: typeof error, message };
    if ('code' in error && typeof error.code === 'string') return { errorType: error.code, message };
    return { errorType: String(error.name) || 'Error', message };
  } catch {
    // A getter of the error threw. The caller still gets the error itself.
    return { errorType: 'Error', message };
  }
}

/** Swallows and logs exceptions: a sampler or processor of the user's own SDK may throw, and recording must not. */
export function quietly<T>(fn: () => T): T | undefined {
  try {
    return fn();
  } catch (error) {
    diag.error('tasktrail: recording failed', messageOf(error));
    return undefined;
  }
}

/** A microsecond later: a span that starts and ends in one millisecond would have no duration, and Jaeger warns of that. */
function justAfter(timeMs: number): HrTime {
  return [Math.trunc(timeMs / 1_000), Math.trunc((timeMs % 1_000) * 1_000_000) + 1_000];
}
