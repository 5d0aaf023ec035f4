import { rm } from 'node:fs/promises';
import type { OtlpSpan } from '../../../model/otlp.ts';
import { sha256 } from '../../../model/sha256.ts';
import type { Change, WorkflowFact } from '../../../project/change.ts';
import { envelopeOf } from '../../../project/workflow-envelope.ts';
import { WorkflowFold } from '../../../project/workflow-fold.ts';
import { makeDirectory, readText, replaceFile } from '../../../system/durable.ts';
import { checkLease } from '../../../system/lease-guard.ts';
import { isTurnOver, nextTurn } from '../../../system/turns.ts';
import { checkMonth, workflowFile } from '../../workflow-place.ts';
import {
  NOT_PERMITTED,
  refusalInWorkflow,
  type Sent,
  type Standing,
  standingWith,
} from '../batch/admission.ts';
import type { Feed } from '../feed.ts';
import { LineFile, type NewLine } from '../lines/line-file.ts';
import { eventKey, isoOfSpan, jsonLine, spanLine } from '../lines/line-keys.ts';
import { LINE_PROBLEM, recordLine, TOO_LONG } from '../lines/line-limit.ts';
import type { LineWriter } from '../lines/line-writer.ts';
import { hasRecord, sentId } from '../lines/sent-line.ts';
import { hasSpan } from '../lines/sent-span.ts';
import type { NameGuard } from '../name-guard.ts';
import { notify, type StoreObserver } from '../observer.ts';
import type { OnRefused } from '../open-units.ts';
import { markSettled } from '../recovery.ts';
import { isSameDocument, setAside } from '../set-aside.ts';
import { SettlingClock } from '../settling.ts';
import { type LoadedWorkflow, loadWorkflow, type WorkflowTarget } from './loaded-workflow.ts';
import { MissingSpans, SPANS_QUIET_MS, type SpansInTasks } from './missing-spans.ts';
import {
  documentText,
  eventsText,
  isComplete,
  readDocument,
  revisionIn,
  type StoredDocument,
} from './workflow-text.ts';

export type WorkflowChange = Extract<Change, { kind: 'workflow-fact' | 'workflow-span' }>;

/** Changes between two looks at the clock. */
const STEP_CHANGES = 16;

export interface OpenWorkflowOptions {
  readonly feed: Feed;
  /** Called after the document was written, first or new revision. */
  onDocument(workflowId: string): void;
  readonly observer?: StoreObserver | undefined;
  /** Default: the file system tells all ids apart. */
  readonly names?: NameGuard | undefined;
  readonly writer?: LineWriter | undefined;
  /** Whether a span of a task is in that task's trace. */
  isInTask: SpansInTasks;
}

/** An open workflow and its files. */
export class OpenWorkflow {
  readonly id: string;
  readonly #month: string;
  readonly #options: OpenWorkflowOptions;
  readonly #fold: WorkflowFold;
  readonly #facts: LineFile;
  readonly #trace: LineFile;
  readonly #missing = new MissingSpans();
  readonly #clock: SettlingClock;
  #events: LineFile;
  #document: string | undefined;
  /** Revisions that a lost document had. */
  readonly #revision: number;
  /** The event that the document on disk begins with. */
  #documentEndId: unknown;
  /** Whether every span that can be built now is built; and whether no later one can follow. */
  #areSpansBuilt = false;
  #areSpansDone = false;
  /** Whether the files are marked as settled for the next start. */
  #isMarked = false;

  private constructor(target: WorkflowTarget, loaded: LoadedWorkflow, options: OpenWorkflowOptions) {
    this.id = target.id;
    this.#month = target.month;
    this.#options = options;
    this.#facts = loaded.facts;
    this.#events = loaded.events;
    this.#trace = loaded.trace;
    this.#document = loaded.document;
    this.#revision = loaded.revision;
    this.#documentEndId = readDocument(loaded.document)?.event_id;
    this.#fold = new WorkflowFold(target.id, sha256);
    this.#addFacts(loaded.storedFacts);
    this.#clock = new SettlingClock(target.nowMs, this.#fold.isOver);
  }

  /** Opens or creates a workflow. Repairs differences that a crash left between its files. */
  static async open(target: WorkflowTarget, options: OpenWorkflowOptions): Promise<OpenWorkflow> {
    const { id, month } = target;
    await options.names?.checkNew('workflow', id);
    checkMonth(month);
    await makeDirectory(month);
    await options.names?.checkFiles(month, id);
    const loaded = await loadWorkflow(target, options.writer);
    const workflow = new OpenWorkflow(target, loaded, options);
    if (loaded.storedFacts.length > 0) {
      await workflow.#appendEvents(new Set(), 0);
      await workflow.#writeFirstDocument();
      workflow.#reportApprovals();
    }
    return workflow;
  }

  get badLines(): number {
    return this.#facts.badLines + this.#events.badLines + this.#trace.badLines;
  }

  get standing(): Standing {
    return { owner: this.#fold.owner, isOver: this.#fold.isOver, taskIds: this.#fold.ownTaskIds };
  }

  /** Stores new changes and returns their number. When it throws, the workflow must be opened again. */
  async apply(
    entries: readonly Sent<WorkflowChange>[],
    nowMs: number,
    onRefused?: OnRefused,
  ): Promise<number> {
    const facts = new Map<string, WorkflowFact>();
    const factLines: NewLine[] = [];
    const spans: NewLine[] = [];
    // An agent may open a workflow and write about it in the same batch.
    let { standing } = this;
    for (const [index, { change, origin, refusal: known }] of entries.entries()) {
      if (index % STEP_CHANGES === 0 && isTurnOver()) await nextTurn();
      if (this.#isKnown(change) || (change.kind === 'workflow-fact' && hasRecord(facts, change.fact)))
        continue;
      const event = change.kind === 'workflow-fact' ? change.fact.event_type : undefined;
      const refusal = known ?? refusalInWorkflow({ id: this.id, event }, origin, standing);
      if (refusal !== undefined) {
        onRefused?.(index, refusal, NOT_PERMITTED);
        continue;
      }
      const isSpan = change.kind === 'workflow-span';
      const line = isSpan ? spanLine(change.span, change.line) : recordLine(change.fact);
      if (line === undefined) onRefused?.(index, LINE_PROBLEM, TOO_LONG);
      else if (isSpan) spans.push(line);
      else {
        factLines.push(line);
        facts.set(sentId(change.fact), change.fact);
        standing = standingWith(standing, change.fact);
      }
    }
    checkMonth(this.#month);
    let fresh = await this.#trace.append(spans);
    if (facts.size > 0) {
      fresh += await this.#facts.append(factLines);
      const added = this.#addFacts([...facts.values()]);
      await this.#appendEvents(new Set([...facts.values()].map(({ event_id: id }) => id)), added);
      await this.#writeFirstDocument();
      this.#reportApprovals();
    }
    if (fresh > 0) this.#recordChange(nowMs);
    return fresh;
  }

  /**
   * Runs time-dependent work: builds missing spans, sorts the file after the end, writes a new revision. Returns
   * spans to send.
   */
  async tick(nowMs: number): Promise<readonly OtlpSpan[]> {
    const isOver = this.#clock.areSpansLost(nowMs);
    const mayBuildSpans = !this.#areSpansBuilt || (isOver && !this.#areSpansDone);
    const isQuiet = this.#clock.quietMs(nowMs) >= SPANS_QUIET_MS;
    const spans = isQuiet && mayBuildSpans ? await this.#buildSpans(isOver) : [];
    if (this.isDue) checkMonth(this.#month);
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

  /** Whether `tick` has work left. */
  get isDue(): boolean {
    return this.#clock.isEnded && !this.#isDone;
  }

  /** Whether the workflow may be closed: done, or idle for long. */
  isIdle(nowMs: number): boolean {
    return this.#clock.isIdle(nowMs, this.#isDone);
  }

  #isKnown(change: WorkflowChange): boolean {
    if (change.kind === 'workflow-fact') return hasRecord(this.#facts, change.fact);
    return hasSpan(this.#trace, change.span);
  }

  get #isDone(): boolean {
    return this.#clock.isSettled && this.#areSpansDone;
  }

  /** Returns the position from which on events are new. */
  #addFacts(facts: readonly WorkflowFact[]): number {
    const from = this.#fold.add(facts);
    this.#missing.add(facts, this.#fold.owner);
    return from;
  }

  #recordChange(nowMs: number): void {
    this.#clock.changed(nowMs, this.#fold.isOver);
    this.#clock.unsettle();
    this.#areSpansBuilt = false;
    this.#areSpansDone = false;
    this.#isMarked = false;
  }

  /**
   * Appends the missing events from a position on to the feed and then to the events file, unless an event with the same key
   * is there: it may stand behind one that arrived late. A crash may have left an event of an earlier batch in the feed only.
   */
  async #appendEvents(batch: { has(eventId: string): boolean }, from: number): Promise<void> {
    const placed = this.#fold.placed.slice(from);
    const stored = placed.filter(({ fact }) => this.#events.has(fact.event_id));
    const storedKeys = new Set(stored.map(({ key, fact }) => `${fact.sender} ${key}`));
    const added = placed.filter(
      ({ fact, key, isKept }) =>
        isKept && !this.#events.has(fact.event_id) && !storedKeys.has(`${fact.sender} ${key}`),
    );
    if (added.length === 0) return;
    const unclearIds = new Set(added.map(({ fact }) => fact.event_id).filter((id) => !batch.has(id)));
    const unfedIds = unclearIds.size === 0 ? unclearIds : await this.#options.feed.missing(unclearIds);
    const envelopes = added.map(envelopeOf);
    const lines = envelopes.map((envelope) => jsonLine(envelope));
    await this.#options.feed.append(lines.filter(({ id }) => batch.has(id) || unfedIds.has(id)));
    await this.#events.append(lines);
    for (const envelope of envelopes)
      notify(this.#options.observer, (observer) => observer.eventStored?.(envelope));
  }

  async #buildSpans(isOver: boolean): Promise<readonly OtlpSpan[]> {
    const { isInTask } = this.#options;
    const spans = await this.#missing.build(this.#fold, { trace: this.#trace, isInTask, isOver });
    this.#areSpansBuilt = true;
    this.#areSpansDone = isOver;
    return spans;
  }

  /** Writes the document as soon as an attempt ends. Later events go into it after a quiet time. */
  async #writeFirstDocument(): Promise<void> {
    const end = this.#fold.endId;
    if (end !== undefined && this.#documentEndId !== end) await this.#writeDocument();
    // An end from a sender whose word no longer counts.
    if (end !== undefined || this.#document === undefined || !this.#fold.ignoresEnd) return;
    checkLease();
    await rm(workflowFile(this.#month, this.id, 'document'), { force: true });
    this.#document = undefined;
    this.#documentEndId = undefined;
  }

  async #settle(): Promise<void> {
    const { path } = this.#events;
    const stored = await readText(path);
    const text = eventsText(this.#fold.envelopes, stored);
    if (stored !== text) {
      await replaceFile(path, text);
      this.#events = await LineFile.open(path, eventKey, { writer: this.#options.writer });
      this.#clock.reordered();
    }
    await this.#writeDocument();
  }

  /** Writes a new revision when the content has changed. */
  async #writeDocument(): Promise<void> {
    const before = readDocument(this.#document);
    const revision = Math.max(this.#revision, revisionIn(this.#document, undefined));
    if (before !== undefined && isSameDocument(this.#documentText(revision), this.#document)) return;
    const text = this.#documentText(revision + 1);
    if (text === undefined) return;
    const path = workflowFile(this.#month, this.id, 'document');
    await setAside(path, this.#document, text);
    await replaceFile(path, text);
    this.#document = text;
    this.#documentEndId = this.#fold.endId;
    this.#options.onDocument(this.id);
    this.#reportEnd(readDocument(text), before);
  }

  #reportEnd(document: StoredDocument | undefined, before: StoredDocument | undefined): void {
    if (!isComplete(document)) return;
    const { name } = this.#fold.state;
    const end = { name, document, before: isComplete(before) ? before : undefined };
    notify(this.#options.observer, (observer) => observer.workflowEnded?.(end));
  }

  #reportApprovals(): void {
    const waiting = this.#fold.isOver ? 0 : this.#fold.openApprovals;
    notify(this.#options.observer, (observer) => observer.approvalsWait?.(this.id, waiting));
  }

  #documentText(revision: number): string | undefined {
    return documentText(this.#fold.document(revision), readDocument(this.#document));
  }
}

/** When it happened, as its sender says. */
export function timeOf(change: WorkflowChange): string {
  return change.kind === 'workflow-fact' ? change.fact.timestamp : isoOfSpan(change.span.startTimeUnixNano);
}
