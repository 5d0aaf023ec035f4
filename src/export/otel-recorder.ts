import {
  context,
  diag,
  isSpanContextValid,
  type Span,
  SpanKind,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import type { Resource } from '@opentelemetry/resources';
import {
  AlwaysOnSampler,
  BasicTracerProvider,
  type IdGenerator,
  RandomIdGenerator,
} from '@opentelemetry/sdk-trace-base';
import { messageOf } from '../errors.ts';
import { factEntry } from '../journal/line.ts';
import { targetOf } from '../model/events.ts';
import type { Fact, SpanIds, SpanKindName } from '../model/fact.ts';
import { sha256 } from '../model/sha256.ts';
import { derivedSpanId, derivedTraceId, spanIdFrom } from '../model/workflow-span.ts';
import { presentAttributes, type Recorder, type SpanStart } from '../record/recorder.ts';
import {
  type JournalWriter,
  sourceOf,
  TasktrailLogRecordProcessor,
  TasktrailSpanProcessor,
} from './processors.ts';

const SCOPE_NAME = 'tasktrail';
const SCOPE = { name: SCOPE_NAME };

/** Limits for tasktrail's own spans, so that a user's limits do not truncate them. */
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
  /** Never gives spans to the user's provider: they would be written to the journal of the open trail. Default false. */
  readonly isAlone?: boolean;
  readonly journal: JournalWriter & Pick<Recorder, 'flush' | 'synced' | 'keep'>;
}

/**
 * Writes facts to the journal as OTLP log records, and emits spans through the user's provider when that carries tasktrail's
 * processor.
 */
export class OtelRecorder implements Recorder {
  readonly #journal: RecorderOptions['journal'];
  readonly #emitWorkflowEvents: boolean;
  readonly #resource: Resource;
  readonly #tracer: Tracer;
  readonly keep: Recorder['keep'];
  readonly #isAlone: boolean;

  constructor({ resource, journal, emitWorkflowEvents, isAlone = false }: RecorderOptions) {
    this.#isAlone = isAlone;
    this.#journal = journal;
    this.keep = journal.keep && ((record) => journal.keep?.(record) ?? Promise.resolve());
    this.#emitWorkflowEvents = emitWorkflowEvents ?? true;
    this.#resource = resource;
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
    this.#journal.append(sourceOf(this.#resource, SCOPE), factEntry(fact));
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
    if (userProcessors.length > 0 && !this.#isAlone) {
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
