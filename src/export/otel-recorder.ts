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

/** Facts are ours: a user's limits for spans and logs, meant for the noisy, must not cut them. */
const ATTRIBUTES_MAX = 1024;
const EVENTS_MAX = 1024;

const KINDS: Record<SpanKindName, SpanKind> = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
};

/** Processors that users put into an SDK of their own; they write as soon as a trail is open. */
let openJournal: JournalWriter | undefined;
const userProcessors: TasktrailSpanProcessor[] = [];

/**
 * For people with a NodeSDK of their own: add it to `spanProcessors`, and tasktrail's spans go through that SDK, beside
 * the http, database and other spans of the same task, which get the task's id.
 */
export function spanProcessor(): TasktrailSpanProcessor {
  const processor = new TasktrailSpanProcessor(() => openJournal);
  userProcessors.push(processor);
  return processor;
}

/** For people with a NodeSDK of their own: log records emitted inside a task become lines of its `03-agent-output.jsonl`. */
export function logRecordProcessor(): TasktrailLogRecordProcessor {
  return new TasktrailLogRecordProcessor(() => openJournal);
}

export interface RecorderOptions {
  /** False: workflows, phases and steps are spans only. Default true. */
  readonly emitWorkflowEvents?: boolean;
  readonly resource: Resource;
  readonly journal: JournalWriter & { flush(): void };
}

/** Facts through a logger provider of our own, spans through the user's provider when it carries our processor. */
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

  /** Makes this process's processors write here, and lets the active task be found by context. */
  install(): void {
    openJournal = this.#journal;
    // False when the user's SDK has set one already, which serves as well.
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
      // As a pair: a plain number before this process's start would be read as an offset from it.
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

  #startSpan(start: SpanStart): Span {
    const options = {
      kind: KINDS[start.kind],
      attributes: presentAttributes(start.attributes),
      ...(start.links !== undefined && { links: start.links }),
      ...(start.startedAtMs !== undefined && { startTime: new Date(start.startedAtMs) }),
    };
    // A user's provider may have an id generator of its own, which knows no identities: its spans then have random ids.
    // Who goes on with them finds their ids in the facts that announced them.
    if (userProcessors.length > 0) {
      const span = startUserSpan(() =>
        trace.getTracer(SCOPE_NAME).startSpan(start.name, options, start.parent),
      );
      // Not seen: the user's sampler left it out, or the processor sits in no registered provider.
      if (span !== undefined && userProcessors.some((processor) => processor.hasSeen(span))) return span;
    }
    return this.#tracer.startSpan(start.name, options, start.parent);
  }
}

/** Random ids, but those of its identity for a span that has one. A generator is asked without arguments. */
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

/** Undefined for a span that any id will do for. */
function idsOf({ identity, derivedFrom, parent, traceId }: SpanStart): SpanIds | undefined {
  const above = trace.getSpanContext(parent);
  const given = above !== undefined && isSpanContextValid(above) ? above.traceId : traceId;
  if (identity !== undefined) {
    const placed = given ?? derivedTraceId(identity.workflowId, sha256);
    return { traceId: placed, spanId: derivedSpanId(placed, identity, sha256) };
  }
  if (derivedFrom === undefined || given === undefined) return undefined;
  return { traceId: given, spanId: spanIdFrom(given, derivedFrom, sha256) };
}

const derivedIds = new DerivedIds();

/** For a provider that carries our span processor: what a resumed process goes on with gets the ids that it had. */
export function idGenerator(): IdGenerator {
  return derivedIds;
}

/** By the ids of a span, which are one object as long as it is open: its facts are many. */
const contexts = new WeakMap<SpanIds, Context>();

function contextOf(span: SpanIds): Context {
  const known = contexts.get(span);
  if (known !== undefined) return known;
  const made = trace.setSpanContext(ROOT_CONTEXT, { ...span, traceFlags: TraceFlags.SAMPLED });
  contexts.set(span, made);
  return made;
}

/** A sampler or a processor of the user's that throws costs the span its place in their SDK, not in the trail. */
function startUserSpan(start: () => Span): Span | undefined {
  try {
    return start();
  } catch (error) {
    diag.error('tasktrail: the SDK refused a span', messageOf(error));
    return undefined;
  }
}
