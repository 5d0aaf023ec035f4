import { basename, dirname } from 'node:path';
import { isJsonObject, type JsonObject, parseObject } from '../../model/json.ts';
import type { OtlpSpan } from '../../model/otlp.ts';
import { sha256 } from '../../model/sha256.ts';
import type { WorkflowDocument } from '../../model/workflow.ts';
import { AnnouncedSpans, spanKey } from '../../project/announced-spans.ts';
import type { Change, FactLine, WorkflowFact } from '../../project/change.ts';
import { openApprovals } from '../../project/workflow-completeness.ts';
import { envelopeOf } from '../../project/workflow-envelope.ts';
import { WorkflowFold } from '../../project/workflow-fold.ts';
import { redactJson } from '../../redact/redact.ts';
import { makeDirectory, readText, replaceFile } from '../../system/durable.ts';
import { isWorkflowFact } from '../workflow-fact-line.ts';
import { workflowFile } from '../workflow-place.ts';
import type { Feed } from './feed.ts';
import { LineFile, type NewLine } from './line-file.ts';
import { eventKey, jsonLine, spanLine, traceKey } from './line-keys.ts';
import { notify, type StoreObserver } from './observer.ts';
import { markSettled } from './recovery.ts';
import { SettlingClock } from './settling.ts';

export type WorkflowChange = Extract<Change, { kind: 'workflow-fact' | 'workflow-span' }>;

/** A span is made from its events when it was quiet for so long: one that overtook another may still change it. */
const SPANS_QUIET_MS = 1_000;

export interface OpenWorkflowOptions {
  readonly feed: Feed;
  /** A document was written: the first, or a new revision. */
  onDocument(workflowId: string): void;
  readonly observer?: StoreObserver | undefined;
  /** Whether a span that belongs to a task is in that task's trace. */
  isInTask(taskId: string, spanId: string): Promise<boolean>;
}

/** One workflow's files while somebody writes to them. */
export class OpenWorkflow {
  readonly id: string;
  readonly #month: string;
  readonly #options: OpenWorkflowOptions;
  readonly #fold: WorkflowFold;
  readonly #facts: LineFile;
  readonly #trace: LineFile;
  readonly #announced = new AnnouncedSpans();
  /** Spans that were handed out, or were there before. */
  readonly #sent = new Set<string>();
  readonly #clock: SettlingClock;
  #events: LineFile;
  #document: string | undefined;
  /** Whether all that can be made by now are; and whether all that ever can. */
  #areSpansMade = false;
  #areSpansDone = false;
  /** Whether the next start will see that nothing is left to do. */
  #isMarked = false;

  private constructor(place: Place, loaded: Loaded, options: OpenWorkflowOptions) {
    this.id = place.id;
    this.#month = place.month;
    this.#options = options;
    this.#facts = loaded.facts;
    this.#events = loaded.events;
    this.#trace = loaded.trace;
    this.#document = loaded.document;
    this.#fold = new WorkflowFold(place.id, sha256);
    this.#learn(loaded.known);
    this.#clock = new SettlingClock(place.nowMs, this.#fold.isOver);
  }

  /** Reads a workflow back, or begins one. Repairs what a crash left between its files. */
  static async open(place: Place, options: OpenWorkflowOptions): Promise<OpenWorkflow> {
    await makeDirectory(place.month);
    const loaded = await load(place);
    const workflow = new OpenWorkflow(place, loaded, options);
    if (loaded.known.length > 0) {
      await workflow.#appendEvents(new Set());
      await workflow.#writeFirstDocument();
      workflow.#reportApprovals();
    }
    return workflow;
  }

  get badLines(): number {
    return this.#facts.badLines + this.#events.badLines + this.#trace.badLines;
  }

  /** Stores what is new and returns how many changes were. When it throws, the workflow must be opened anew. */
  async apply(changes: readonly WorkflowChange[], nowMs: number): Promise<number> {
    const facts = new Map<string, WorkflowFact>();
    const spans: NewLine[] = [];
    for (const change of changes) {
      if (change.kind === 'workflow-span') spans.push(spanLine(change.span, change.line));
      else if (!this.#facts.has(change.fact.event_id)) facts.set(change.fact.event_id, change.fact);
    }
    let fresh = await this.#trace.append(spans);
    if (facts.size > 0) {
      fresh += await this.#facts.append([...facts.values()].map(jsonLine));
      this.#learn([...facts.values()]);
      await this.#appendEvents(facts);
      await this.#writeFirstDocument();
      this.#reportApprovals();
    }
    if (fresh > 0) this.#touch(nowMs);
    return fresh;
  }

  /** What time brings: spans that nobody else makes, order after the end, a new revision. Returns spans to be sent. */
  async tick(nowMs: number): Promise<readonly OtlpSpan[]> {
    const isOver = this.#clock.areSpansLost(nowMs);
    const isNews = !this.#areSpansMade || (isOver && !this.#areSpansDone);
    const spans = this.#clock.quietMs(nowMs) >= SPANS_QUIET_MS && isNews ? await this.#newSpans(isOver) : [];
    if (this.#clock.isDue(nowMs)) {
      await this.#settle();
      this.#clock.settled();
    }
    if (this.#isDone && !this.#isMarked) {
      await markSettled(this.#month, this.id);
      this.#isMarked = true;
    }
    return spans;
  }

  /** Whether time has yet to bring something. */
  get isDue(): boolean {
    return this.#clock.isEnded && !this.#isDone;
  }

  /** Whether it may leave memory: done with, or nothing heard of it for long. */
  isIdle(nowMs: number): boolean {
    return this.#clock.isIdle(nowMs, this.#isDone);
  }

  get #isDone(): boolean {
    return this.#clock.isSettled && this.#areSpansDone;
  }

  #learn(facts: readonly WorkflowFact[]): void {
    this.#fold.add(facts);
    for (const fact of facts) {
      // Those of a task are that task's to complete: it ends also when its workflow does not.
      if (fact.task_id === null) this.#announced.add(asFactLine(fact));
    }
  }

  #touch(nowMs: number): void {
    this.#clock.changed(nowMs, this.#fold.isOver);
    this.#clock.unsettle();
    this.#areSpansMade = false;
    this.#areSpansDone = false;
    this.#isMarked = false;
  }

  /**
   * To the feed and then to the live file: each event that is not there, unless one with the same key is. An event
   * whose fact is not of this batch may have got as far as the feed before a crash.
   */
  async #appendEvents(batch: { has(eventId: string): boolean }): Promise<void> {
    const { placed } = this.#fold;
    const live = new Set(placed.filter(({ fact }) => this.#events.has(fact.event_id)).map(({ key }) => key));
    const added = placed.filter(
      ({ fact, key, isKept }) => isKept && !this.#events.has(fact.event_id) && !live.has(key),
    );
    if (added.length === 0) return;
    const unclear = new Set(added.map(({ fact }) => fact.event_id).filter((id) => !batch.has(id)));
    const unfed = unclear.size === 0 ? unclear : await this.#options.feed.missing(unclear);
    const lines = added.map((event) => jsonLine(envelopeOf(event)));
    await this.#options.feed.append(lines.filter(({ id }) => batch.has(id) || unfed.has(id)));
    await this.#events.append(lines);
  }

  async #newSpans(isOver: boolean): Promise<readonly OtlpSpan[]> {
    const hasArrived = (key: string): boolean => this.#trace.has(key) || this.#sent.has(key);
    const lastTimestamp = this.#fold.placed.at(-1)?.fact.timestamp ?? '';
    const found = [...this.#announced.build({ hasArrived, isOver, lastTimestamp })];
    for (const span of this.#fold.spans(isOver)) {
      const key = spanKey(span.traceId, span.spanId);
      if (hasArrived(key)) continue;
      const taskId = this.#taskOf(span);
      if (taskId === undefined || !(await this.#options.isInTask(taskId, span.spanId))) found.push(span);
      this.#sent.add(key);
    }
    this.#areSpansMade = true;
    this.#areSpansDone = isOver;
    return found;
  }

  #taskOf(span: OtlpSpan): string | undefined {
    return span.attributes.find(({ key }) => key === 'tasktrail.task.id')?.value.stringValue;
  }

  /** As soon as an attempt has ended; what comes after it waits until it is quiet. */
  async #writeFirstDocument(): Promise<void> {
    const end = this.#fold.document(1)?.event_id;
    if (end !== undefined && readDocument(this.#document)?.event_id !== end) await this.#writeDocument();
  }

  async #settle(): Promise<void> {
    const text = this.#fold.envelopes.map((envelope) => `${jsonLine(envelope).text}\n`).join('');
    const { path } = this.#events;
    if ((await readText(path)) !== text) {
      await replaceFile(path, text);
      this.#events = await LineFile.open(path, eventKey);
      this.#clock.reordered();
    }
    await this.#writeDocument();
  }

  /** A new revision, when it says something else than the one that is there. */
  async #writeDocument(): Promise<void> {
    const before = readDocument(this.#document);
    const revision = typeof before?.revision === 'number' ? before.revision : 0;
    if (before !== undefined && this.#documentText(revision) === this.#document) return;
    const text = this.#documentText(revision + 1);
    if (text === undefined) return;
    await replaceFile(workflowFile(this.#month, this.id, 'document'), text);
    this.#document = text;
    this.#options.onDocument(this.id);
    this.#reportEnd(readDocument(text), before);
  }

  #reportEnd(document: StoredDocument | undefined, before: StoredDocument | undefined): void {
    if (!isWhole(document)) return;
    const { name } = this.#fold.state;
    const end = { name, document, before: isWhole(before) ? before : undefined };
    notify(this.#options.observer, (observer) => observer.workflowEnded?.(end));
  }

  #reportApprovals(): void {
    const events = this.#fold.isOver ? [] : this.#fold.placed.filter(({ isKept }) => isKept);
    notify(this.#options.observer, (observer) => observer.approvalsWait?.(this.id, openApprovals(events)));
  }

  #documentText(revision: number): string | undefined {
    const document = this.#fold.document(revision);
    return document && `${redactJson(JSON.stringify(document))}\n`;
  }
}

interface Place {
  readonly id: string;
  /** The folder of its month. */
  readonly month: string;
  readonly nowMs: number;
}

interface Loaded {
  readonly facts: LineFile;
  readonly events: LineFile;
  readonly trace: LineFile;
  readonly document: string | undefined;
  readonly known: readonly WorkflowFact[];
}

async function load({ id, month }: Place): Promise<Loaded> {
  const known: WorkflowFact[] = [];
  const path = (file: Parameters<typeof workflowFile>[2]): string => workflowFile(month, id, file);
  const factKey = (line: unknown): ReturnType<typeof eventKey> =>
    isWorkflowFact(line) ? eventKey(line) : undefined;
  const facts = await LineFile.open(path('facts'), factKey, (line) => {
    if (isWorkflowFact(line)) known.push(line);
  });
  // A disk that ignores case gives one file to two ids: the second may not mix its events into the first.
  const other = known.find((fact) => fact.workflow_id !== id);
  if (other !== undefined) {
    const where = `${basename(dirname(month))}/${basename(month)}`;
    throw new TypeError(`workflow ${id}: ${where} has its place for workflow ${other.workflow_id}`);
  }
  return {
    facts,
    known,
    events: await LineFile.open(path('events'), eventKey),
    trace: await LineFile.open(path('trace'), traceKey),
    document: await readText(path('document')),
  };
}

/** A workflow's fact in the form in which spans are made from a task's. */
function asFactLine(fact: WorkflowFact): FactLine {
  const { timestamp, event_id, event_type: event, trace_id, span_id, span, derive } = fact;
  return {
    ...{ timestamp, event_id, event, trace_id, span_id, attempt: 1 },
    ...(span !== undefined && { span }),
    ...(derive !== undefined && { derive }),
  };
}

type StoredDocument = JsonObject & { readonly event_id?: unknown; readonly revision?: unknown };

/** Undefined when there is none yet, or one that was damaged by hand: then it is written again. */
function readDocument(text: string | undefined): StoredDocument | undefined {
  return parseObject(text);
}

/** Of one that was damaged by hand nobody is told anything. */
function isWhole(document: StoredDocument | undefined): document is StoredDocument & WorkflowDocument {
  return (
    document !== undefined &&
    typeof document.attempt === 'number' &&
    isJsonObject(document.measured) &&
    isJsonObject(document.completeness)
  );
}
