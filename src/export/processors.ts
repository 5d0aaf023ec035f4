import { type Context, context } from '@opentelemetry/api';
import type { LogRecordProcessor } from '@opentelemetry/sdk-logs';
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace-base';
import { type JournalEntry, logEntry, spanEntry, type TelemetrySource } from '../journal/line.ts';
import { ATTR } from '../model/attributes.ts';
import { taskIdAttributes } from '../record/task/attempt.ts';
import { taskIdsOf } from '../record/task-context.ts';
import { encodeAttributes, encodeLogRecord, encodeSpan } from './encode.ts';

/** Output of the processors: the journal of an open trail. */
export interface JournalWriter {
  append(source: TelemetrySource, entry: JournalEntry): void;
}

/** A span with one of these attributes belongs to a delivery, a task or a workflow and is written to the journal. */
const TASKTRAIL_ATTRIBUTES = [ATTR.taskId, ATTR.taskIds, ATTR.workflowId, ATTR.webhookProvider];

type SdkSpan = Parameters<SpanProcessor['onStart']>[0];
type SdkLogRecord = Parameters<LogRecordProcessor['onEmit']>[0];

/**
 * Adds the task's id to every span that starts inside a task, and writes those spans to the journal when they end.
 * Does not sample or buffer: the journal is the queue.
 */
export class TasktrailSpanProcessor implements SpanProcessor {
  readonly #writer: () => JournalWriter | undefined;
  readonly #seen = new WeakSet<object>();

  constructor(writer: () => JournalWriter | undefined) {
    this.#writer = writer;
  }

  /**
   * Whether a span passed through this processor. False when a sampler dropped it or its provider lacks the
   * processor.
   */
  hasSeen(span: object): boolean {
    return this.#seen.has(span);
  }

  onStart(span: SdkSpan, parentContext: Context): void {
    if (this.#writer() === undefined) return;
    this.#seen.add(span);
    if (span.attributes[ATTR.taskId] !== undefined || span.attributes[ATTR.taskIds] !== undefined) return;
    for (const [name, value] of Object.entries(taskIdAttributes(parentContext))) {
      span.setAttribute(name, typeof value === 'string' ? value : [...value]);
    }
  }

  onEnd(span: ReadableSpan): void {
    const writer = this.#writer();
    if (writer === undefined || TASKTRAIL_ATTRIBUTES.every((name) => span.attributes[name] === undefined))
      return;
    writer.append(sourceOf(span.resource, span.instrumentationScope), spanEntry(encodeSpan(span)));
  }

  async forceFlush(): Promise<void> {}

  async shutdown(): Promise<void> {}
}

/** Writes the records of a user's logger inside a task to the journal. */
export class TasktrailLogRecordProcessor implements LogRecordProcessor {
  readonly #writer: () => JournalWriter | undefined;

  constructor(writer: () => JournalWriter | undefined) {
    this.#writer = writer;
  }

  onEmit(record: SdkLogRecord, emitContext?: Context): void {
    const writer = this.#writer();
    if (writer === undefined) return;
    if (record.attributes[ATTR.eventId] === undefined && !this.#attribute(record, emitContext)) return;
    const source = sourceOf(record.resource, record.instrumentationScope);
    writer.append(source, logEntry(encodeLogRecord(record)));
  }

  async forceFlush(): Promise<void> {}

  async shutdown(): Promise<void> {}

  /** Adds the task's id to a record emitted inside exactly one task. False for a record without a task. */
  #attribute(record: SdkLogRecord, emitContext: Context | undefined): boolean {
    if (record.attributes[ATTR.taskId] !== undefined) return true;
    const [taskId, ...others] = taskIdsOf(emitContext ?? context.active());
    if (taskId === undefined || others.length > 0) return false;
    record.setAttribute(ATTR.taskId, taskId);
    return true;
  }
}

type Resource = ReadableSpan['resource'];
interface Scope {
  readonly name: string;
  readonly version?: string;
}

const sources = new WeakMap<object, Map<string, TelemetrySource>>();

/** By content: two providers of a process may have equal resources. */
const equalSources = new Map<string, TelemetrySource>();
/** A process has few; the bound protects against one that makes resources. */
const EQUAL_MAX = 100;

/** Most records come from the resource and scope of the one before. */
let last: { resource: Resource; scope: Scope; isPending: boolean; source: TelemetrySource } | undefined;

/** One object for each resource and scope: the journal compares sources by identity. */
export function sourceOf(resource: Resource, scope: Scope): TelemetrySource {
  const isPending = resource.asyncAttributesPending === true;
  if (last?.resource === resource && last.scope === scope && last.isPending === isPending) return last.source;
  const source = findSource(resource, scope);
  last = { resource, scope, isPending, source };
  return source;
}

function findSource(resource: Resource, scope: Scope): TelemetrySource {
  let scopes = sources.get(resource);
  if (scopes === undefined) {
    scopes = new Map();
    sources.set(resource, scopes);
  }
  // Asynchronous detectors add attributes to the resource later.
  const state = resource.asyncAttributesPending === true ? 'pending' : 'settled';
  const key = `${state}\0${scope.name}\0${scope.version ?? ''}`;
  let source = scopes.get(key);
  if (source === undefined) {
    source = equalSource({
      resource: { attributes: encodeAttributes(resource.attributes) },
      scope: { name: scope.name, ...(scope.version !== undefined && { version: scope.version }) },
    });
    scopes.set(key, source);
  }
  return source;
}

function equalSource(source: TelemetrySource): TelemetrySource {
  const key = JSON.stringify(source);
  const known = equalSources.get(key);
  if (known !== undefined) return known;
  if (equalSources.size < EQUAL_MAX) equalSources.set(key, source);
  return source;
}
