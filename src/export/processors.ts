import { type Context, context } from '@opentelemetry/api';
import type { LogRecordProcessor } from '@opentelemetry/sdk-logs';
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace-base';
import { type JournalEntry, logEntry, spanEntry, type TelemetrySource } from '../journal/line.ts';
import { ATTR } from '../model/attributes.ts';
import { taskIdAttributes } from '../record/task/attempt.ts';
import { taskIdsOf } from '../record/task-context.ts';
import { encodeAttributes, encodeLogRecord, encodeSpan } from './encode.ts';

/** Where processors write: the journal, once the trail is open. */
export interface JournalWriter {
  append(source: TelemetrySource, entry: JournalEntry): void;
}

/** A span that carries one of these is part of a delivery, a task or a workflow, and goes into the journal. */
const OURS = [ATTR.taskId, ATTR.taskIds, ATTR.workflowId, ATTR.webhookProvider];

type SdkSpan = Parameters<SpanProcessor['onStart']>[0];
type SdkLogRecord = Parameters<LogRecordProcessor['onEmit']>[0];

/**
 * Gives every span that starts inside a task the task's id, and puts those spans into the journal when they end. Never
 * samples, never buffers: the journal is the queue.
 */
export class TasktrailSpanProcessor implements SpanProcessor {
  readonly #writer: () => JournalWriter | undefined;
  readonly #seen = new WeakSet<object>();

  constructor(writer: () => JournalWriter | undefined) {
    this.#writer = writer;
  }

  /** Whether a span came through this processor: a provider without it, or a sampler, did not pass it on. */
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
    if (writer === undefined || OURS.every((name) => span.attributes[name] === undefined)) return;
    writer.append(sourceOf(span.resource, span.instrumentationScope), spanEntry(encodeSpan(span)));
  }

  async forceFlush(): Promise<void> {}

  async shutdown(): Promise<void> {}
}

/** Puts log records into the journal: our own facts, and what a user's logger emits inside a task. */
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

  /** A record that is not ours belongs to us when it is emitted inside a task; false otherwise. */
  #attribute(record: SdkLogRecord, emitContext: Context | undefined): boolean {
    if (record.attributes[ATTR.taskId] !== undefined) return true;
    const [taskId, ...others] = taskIdsOf(emitContext ?? context.active());
    if (taskId === undefined || others.length > 0) return false;
    record.setAttribute(ATTR.taskId, taskId);
    return true;
  }
}

const sources = new WeakMap<object, Map<string, TelemetrySource>>();

/** One object per resource and scope, so that the journal sees at a glance that nothing has changed. */
function sourceOf(
  resource: ReadableSpan['resource'],
  scope: { readonly name: string; readonly version?: string },
): TelemetrySource {
  let scopes = sources.get(resource);
  if (scopes === undefined) {
    scopes = new Map();
    sources.set(resource, scopes);
  }
  // What a resource's slow detectors find joins it later.
  const state = resource.asyncAttributesPending === true ? 'pending' : 'settled';
  const key = `${state}\0${scope.name}\0${scope.version ?? ''}`;
  let source = scopes.get(key);
  if (source === undefined) {
    source = {
      resource: { attributes: encodeAttributes(resource.attributes) },
      scope: { name: scope.name, ...(scope.version !== undefined && { version: scope.version }) },
    };
    scopes.set(key, source);
  }
  return source;
}
