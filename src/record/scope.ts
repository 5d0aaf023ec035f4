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

export interface ScopeStart extends SpanStart {
  /** An earlier process began this span: it goes on under the same ids, and is built from its start and end facts. */
  readonly resumed?: SpanIds | undefined;
}

/** Why something is red: `error.type`, and what it says. */
export interface Failure {
  readonly errorType: string;
  readonly message?: string;
}

export interface FactInput {
  readonly body?: JsonValue;
  readonly attributes?: Readonly<Record<string, JsonValue | undefined>>;
  /** When it happened, for a fact that was held back; default now. */
  readonly moment?: Moment;
}

/**
 * An open span and the facts that belong to it. Everything that lasts (a delivery, a task's attempt, a workflow, a
 * phase, a step, an agent run) is one. Without a recorder it does nothing.
 */
export class Scope {
  readonly context: Context;
  readonly startedAtMs: number;
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

  get recording(): boolean {
    return this.#recorder !== undefined;
  }

  /** What a start fact carries so that this span can be closed by others when this process cannot. */
  announcement(): Record<string, JsonValue | undefined> {
    if (this.ids === undefined || this.#start.resumed !== undefined) return {};
    return {
      ...this.#start.attributes,
      [ATTR.spanName]: this.#start.name,
      [ATTR.spanKind]: SPAN_KIND[this.#start.kind],
      [ATTR.spanParentId]: trace.getSpanContext(this.#start.parent)?.spanId,
    };
  }

  /** What an end fact adds so that a span of an earlier process is built from it; nothing for a span of this one. */
  closing(failure?: Failure): Record<string, JsonValue | undefined> {
    if (this.#start.resumed === undefined) return {};
    return { [ATTR.errorType]: failure?.errorType, [ATTR.spanDerive]: true };
  }

  emit(eventName: string, input: FactInput = {}): void {
    const recorder = this.#recorder;
    if (recorder === undefined) return;
    const { timeMs, eventId } = input.moment ?? mintMoment();
    const fact: Fact = {
      eventName,
      eventId,
      timeMs,
      attributes: input.attributes ?? {},
      ...(input.body === undefined ? {} : { body: input.body }),
      ...(this.ids === undefined ? {} : { span: this.ids }),
    };
    quietly(() => recorder.emit(fact));
  }

  /** An event on the span itself; its attributes are primitives, as span events demand. */
  addSpanEvent(name: string, attributes: SpanAttributes, timeMs: number): void {
    // A Date: the SDK takes a number before this process's start (the clock stepped back) for an offset from it.
    quietly(() => this.#span?.addEvent(name, presentAttributes(attributes), new Date(timeMs)));
  }

  setAttributes(attributes: SpanAttributes): void {
    quietly(() => this.#span?.setAttributes(presentAttributes(attributes)));
  }

  /** Runs `fn` with this scope as the active one. */
  run<T>(fn: () => T): T {
    return context.with(this.context, fn);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Closes the span, now or when it is said to have ended; with an error type it is red. A second call does nothing. */
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

/** The innermost open delivery, task, workflow, phase, step or agent run of the calling code. */
export function activeScope(): Scope | undefined {
  const value = context.active().getValue(SCOPE);
  return value instanceof Scope ? value : undefined;
}

/** What a caught value says of a failure: its class or code for `error.type`, and its message. */
export function failureOf(error: unknown): { errorType: string; message: string } {
  const message = messageOf(error);
  try {
    if (!(error instanceof Error)) return { errorType: typeof error, message };
    if ('code' in error && typeof error.code === 'string') return { errorType: error.code, message };
    return { errorType: String(error.name) || 'Error', message };
  } catch {
    // A getter of its own threw; the caller still gets the error itself back.
    return { errorType: 'Error', message };
  }
}

/** Spans may run through a user's own SDK, whose sampler or processor may throw: the recording program does not hear of it. */
export function quietly<T>(fn: () => T): T | undefined {
  try {
    return fn();
  } catch (error) {
    diag.error('tasktrail: recording failed', messageOf(error));
    return undefined;
  }
}

/** A microsecond later: what begins and ends in the same millisecond would have no duration, which Jaeger warns of. */
function justAfter(timeMs: number): HrTime {
  return [Math.trunc(timeMs / 1_000), Math.trunc((timeMs % 1_000) * 1_000_000) + 1_000];
}
