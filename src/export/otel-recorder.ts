import {
  type Context,
  context,
  diag,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import type { LogAttributes, Logger } from '@opentelemetry/api-logs';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import type { Resource } from '@opentelemetry/resources';
import { LoggerProvider } from '@opentelemetry/sdk-logs';
import {
  AlwaysOnSampler,
  BasicTracerProvider,
  type IdGenerator,
  RandomIdGenerator,
} from '@opentelemetry/sdk-trace-base';
import { messageOf } from '../errors.ts';
import { ATTR } from '../model/attributes.ts';
import { targetOf } from '../model/events.ts';
import type { Fact, SpanIds, SpanKindName } from '../model/fact.ts';
import { sha256 } from '../model/sha256.ts';
import { derivedSpanId, derivedTraceId, spanIdFrom } from '../model/workflow-span.ts';
import { presentAttributes, type Recorder, type SpanStart } from '../record/recorder.ts';
import { type JournalWriter, TasktrailLogRecordProcessor, TasktrailSpanProcessor } from './processors.ts';

const SCOPE_NAME = 'tasktrail';

/** Limits for tasktrail's own records, so that a user's limits for spans and logs do not truncate them. */
const ATTRIBUTES_MAX = 1024;
const EVENTS_MAX = 1024;

const KINDS: Record<SpanKindName, SpanKind> = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
};

/** Processors that users register in their own SDK. They write to the journal while a trail is open. */
let openJournal: JournalWriter | undefined;
const userProcessors: TasktrailSpanProcessor[] = [];

/**
 * For users with a NodeSDK of their own: add it to `spanProcessors`, and tasktrail's spans go through that SDK. Other
 * spans of a task, such as HTTP and database spans, get the task's id.
 */
export function spanProcessor(): TasktrailSpanProcessor {
  const processor = new TasktrailSpanProcessor(() => openJournal);
  userProcessors.push(processor);
  return processor;
}

/**
 * For users with a NodeSDK of their own: log records emitted inside a task become lines of its
 * `03-agent-output.jsonl`.
 */
export function logRecordProcessor(): TasktrailLogRecordProcessor {
  return new TasktrailLogRecordProcessor(() => openJournal);
}

export interface RecorderOptions {
  /** False: workflows, phases and steps are recorded as spans only. Default true. */
  readonly emitWorkflowEvents?: boolean;
  readonly resource: Resource;
  readonly journal: JournalWriter & { flush(): void; synced(): Promise<void> };
}

/**
 * Emits facts through its own logger provider, and spans through the user's provider when that carries tasktrail's
 * processor.
 */
export class OtelRecorder implements Recorder {
  readonly #journal: RecorderOptions['journal'];
  readonly #emitWorkflowEvents: boolean;
  readonly #logger: Logger;
  readonly #tracer: Tracer;

  constructor({ resource, journal, emitWorkflowEvents }: RecorderOptions) {
    this.#journal = journal;
    this.#emitWorkflowEvents = emitWorkflowEvents ?? true;
    const logs = new LoggerProvider({
      resource,
      processors: [new TasktrailLogRecordProcessor(() => journal)],
      logRecordLimits: { attributeCountLimit: ATTRIBUTES_MAX },
    });
    this.#logger = logs.getLogger(SCOPE_NAME);
    const traces = new BasicTracerProvider({
      resource,
      sampler: new AlwaysOnSampler(),
      idGenerator: derivedIds,
      spanProcessors: [new TasktrailSpanProcessor(() => journal)],
      spanLimits: {
        attributeCountLimit: ATTRIBUTES_MAX,
        eventCountLimit: EVENTS_MAX,
        attributeValueLengthLimit: Number.POSITIVE_INFINITY,
      },
    });
    this.#tracer = traces.getTracer(SCOPE_NAME);
  }

  /** Connects this process's processors to the journal and enables context propagation. */
  install(): void {
    openJournal = this.#journal;
    // Returns false when the user's SDK has set a context manager already, which works as well.
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  }

  uninstall(): void {
    if (openJournal === this.#journal) openJournal = undefined;
  }

  emit(fact: Fact): void {
    if (!this.#emitWorkflowEvents && targetOf(fact.eventName) === 'workflow') return;
    const attributes: LogAttributes = { [ATTR.eventId]: fact.eventId };
    for (const key of Object.keys(fact.attributes)) {
      const value = fact.attributes[key];
      if (value !== undefined && value !== null) attributes[key] = value as LogAttributes[string];
    }
    this.#logger.emit({
      eventName: fact.eventName,
      // A pair, because a number smaller than the process's start is taken for an offset from it.
      timestamp: [Math.trunc(fact.timeMs / 1000), (fact.timeMs % 1000) * 1_000_000],
      attributes,
      body: fact.body as LogAttributes[string],
      context: fact.span === undefined ? ROOT_CONTEXT : contextOf(fact.span),
    });
  }

  startSpan(start: SpanStart): Span {
    return derivedIds.during(start, () => this.#startSpan(start));
  }

  flush(): void {
    this.#journal.flush();
  }

  synced(): Promise<void> {
    return this.#journal.synced();
  }

  #startSpan(start: SpanStart): Span {
    const options = {
      kind: KINDS[start.kind],
      attributes: presentAttributes(start.attributes),
      ...(start.links !== undefined && { links: start.links }),
      ...(start.startedAtMs !== undefined && { startTime: new Date(start.startedAtMs) }),
    };
    // A user's provider with another id generator gives random ids. A resumed process finds them in the facts that
    // announced the spans.
    if (userProcessors.length > 0) {
      const span = startUserSpan(() =>
        trace.getTracer(SCOPE_NAME).startSpan(start.name, options, start.parent),
      );
      // Not seen: the user's sampler dropped the span, or no registered provider has the processor.
      if (span !== undefined && userProcessors.some((processor) => processor.hasSeen(span))) return span;
    }
    return this.#tracer.startSpan(start.name, options, start.parent);
  }
}

/**
 * Random ids, except for a span with an identity, whose ids derive from it. A generator is called without arguments,
 * so `during` passes the span.
 */
class DerivedIds implements IdGenerator {
  readonly #random = new RandomIdGenerator();
  #current: SpanIds | undefined;

  during<T>(span: SpanStart, start: () => T): T {
    this.#current = idsOf(span);
    try {
      return start();
    } finally {
      this.#current = undefined;
    }
  }

  generateTraceId(): string {
    return this.#current?.traceId ?? this.#random.generateTraceId();
  }

  generateSpanId(): string {
    return this.#current?.spanId ?? this.#random.generateSpanId();
  }
}

/** Undefined for a span whose ids may be random. */
function idsOf({ identity, derivedFrom, parent, traceId }: SpanStart): SpanIds | undefined {
  const parentContext = trace.getSpanContext(parent);
  const hasParent = parentContext !== undefined && isSpanContextValid(parentContext);
  const givenTraceId = hasParent ? parentContext.traceId : traceId;
  if (identity !== undefined) {
    const ownTraceId = givenTraceId ?? derivedTraceId(identity.workflowId, sha256);
    return { traceId: ownTraceId, spanId: derivedSpanId(ownTraceId, identity, sha256) };
  }
  if (derivedFrom === undefined || givenTraceId === undefined) return undefined;
  return { traceId: givenTraceId, spanId: spanIdFrom(givenTraceId, derivedFrom, sha256) };
}

const derivedIds = new DerivedIds();

/** For a provider with tasktrail's span processor: a resumed process continues its spans under the same ids. */
export function idGenerator(): IdGenerator {
  return derivedIds;
}

/** Keyed by the id object of a span, which many facts share while the span is open. */
const contexts = new WeakMap<SpanIds, Context>();

function contextOf(span: SpanIds): Context {
  const known = contexts.get(span);
  if (known !== undefined) return known;
  const made = trace.setSpanContext(ROOT_CONTEXT, { ...span, traceFlags: TraceFlags.SAMPLED });
  contexts.set(span, made);
  return made;
}

/**
 * Catches errors of a user's sampler or processor: the span is then missing from the user's SDK, not from the trail.
 */
function startUserSpan(start: () => Span): Span | undefined {
  try {
    return start();
  } catch (error) {
    diag.error('tasktrail: the SDK refused a span', messageOf(error));
    return undefined;
  }
}
