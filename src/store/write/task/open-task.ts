import { SCHEMA_VERSION } from '../../../model/documents.ts';
import { EVENT } from '../../../model/events.ts';
import type { JsonObject } from '../../../model/json.ts';
import type { OtlpSpan } from '../../../model/otlp.ts';
import { higherSender, isMark, markOfSpan, type Sender } from '../../../model/sender.ts';
import { AnnouncedSpans, spanKey } from '../../../project/announced-spans.ts';
import type { FactLine, LineChange, TaskChange } from '../../../project/change.ts';
import { TaskFold } from '../../../project/fold.ts';
import { lostFacts } from '../../../project/witness.ts';
import { checkFolders } from '../../../system/files/real-folders.ts';
import { isTurnOver, nextTurn } from '../../../system/turns.ts';
import { taskDir } from '../../layout.ts';
import { NOT_PERMITTED, refusalInTask, type Sent, type Standing } from '../batch/admission.ts';
import type { NewLine } from '../lines/line-file.ts';
import { spanLine } from '../lines/line-keys.ts';
import { LINE_PROBLEM, recordLine, TOO_LONG } from '../lines/line-limit.ts';
import { hasRecord, hasSent, sentId } from '../lines/sent-line.ts';
import { hasSpan, sentSpanKey } from '../lines/sent-span.ts';
import { type Liveness, type TaskState, taskStateOf } from '../liveness.ts';
import type { OnRefused } from '../open-units.ts';
import { SettlingClock } from '../settling.ts';
import { foldedDocuments } from './folded-documents.ts';
import { FOREIGN_SPANS_MAX, TOO_MANY_SPANS } from './foreign-spans.ts';
import { TaskManifest } from './manifest.ts';
import { receivedAt } from './received-at.ts';
import { SplitKeys } from './split-keys.ts';
import { droppedSpansOf, TaskDocuments } from './task-documents.ts';
import {
  createFiles,
  LINE_FILES,
  type LoadedFiles,
  loadFiles,
  supersedeLines,
  type TaskLineFiles,
} from './task-files.ts';
import { openTaskFolder } from './task-folder.ts';
import {
  APPEND_ORDER,
  firstTimestampOf,
  isOutOfOrder,
  lastTimestampOf,
  type NewLines,
  sortFiles,
  takeEnds,
} from './task-order.ts';
import { hasFactOf, markedSpan, ownerOf } from './task-owner.ts';
import type { OpenTaskOptions, TaskTarget } from './task-target.ts';
import type { TaskTelemetry } from './task-telemetry.ts';

/** Changes between two looks at the clock. */
const STEP_CHANGES = 16;

/** An open task directory: ids of its lines, the fold of its facts, and pending work. */
export class OpenTask {
  readonly id: string;
  readonly #dir: string;
  readonly #fold: TaskFold;
  readonly #files: TaskLineFiles;
  readonly #spans = new AnnouncedSpans();
  readonly #keys = new SplitKeys();
  readonly #telemetry: TaskTelemetry;
  readonly #documents: TaskDocuments;
  readonly #liveness: Liveness;
  readonly #manifest: TaskManifest;
  #clock: SettlingClock;
  #state: TaskState;
  /** The sender with the most rights of all that have something in the task. */
  #owner: Sender['kind'] | undefined;
  #foreignSpans: number;
  /** That of the stored metadata when a newer program wrote it: its fields are kept too. */
  #schemaVersion = SCHEMA_VERSION;
  /** Foreign spans over the limit, including those of earlier processes. */
  #droppedSpans = 0;
  /** Value of `dropped_spans` in the written `metadata.json`. */
  #writtenDroppedSpans = 0;

  private constructor({ id, nowMs }: TaskTarget, loaded: LoadedFiles, options: OpenTaskOptions) {
    const { logDir, liveness, observer } = options;
    this.id = id;
    this.#dir = taskDir(logDir, id);
    this.#liveness = liveness;
    this.#documents = new TaskDocuments(this.#dir, observer);
    this.#manifest = new TaskManifest(this.#dir, id);
    this.#fold = new TaskFold(id);
    this.#files = loaded.files;
    this.#telemetry = loaded.telemetry;
    this.#foreignSpans = loaded.foreignSpans;
    this.#dropSuperseded();
    this.#addFacts(loaded.facts);
    this.#state = this.#readState();
    this.#clock = new SettlingClock(nowMs, this.#fold.isTerminal);
  }

  /** Opens or creates a task. Cuts torn lines, removes temporary files, and rewrites outdated documents. */
  static async open(target: TaskTarget, options: OpenTaskOptions): Promise<OpenTask> {
    const dir = taskDir(options.logDir, target.id);
    const isNew = await openTaskFolder(dir, target.id, options.names);
    if (isNew) {
      const made = new OpenTask(target, createFiles(dir, options.writer), options);
      made.#manifest.isNew();
      return made;
    }
    const loaded = await loadFiles(dir, options.writer);
    const task = new OpenTask(target, loaded, options);
    await task.#documents.load();
    // Damaged metadata is written again from the fold.
    const stored = task.#documents.read('metadata');
    const metadata = stored ?? {};
    const hasLines = LINE_FILES.some((name) => !task.#files[name].isEmpty);
    task.#own(ownerOf({ facts: loaded.facts, metadata: stored, hasLines }));
    task.#state = task.#readState();
    task.#hearDocuments(loaded.facts, target.nowMs);
    if (metadata.settled === true && task.#fold.isTerminal && !task.#isUnfinished()) task.#clock.settled();
    const { schema_version: version } = metadata;
    if (typeof version === 'number' && version > SCHEMA_VERSION) task.#schemaVersion = version;
    task.#droppedSpans = droppedSpansOf(metadata);
    task.#writtenDroppedSpans = task.#droppedSpans;
    // A directory without lines may belong to another program.
    if (task.#fold.isTerminal || hasLines) {
      await task.#writeDocuments();
      task.#liveness.found(task.#state, target.nowMs);
    }
    return task;
  }

  get badLines(): number {
    return LINE_FILES.reduce((sum, name) => sum + this.#files[name].badLines, 0);
  }

  get standing(): Standing {
    return { owner: this.#owner, isOver: this.#fold.isTerminal, taskIds: new Set([this.id]) };
  }

  /** Stores new changes and returns their number. When it throws, the task must be opened again. */
  async apply(entries: readonly Sent<TaskChange>[], nowMs: number, onRefused?: OnRefused): Promise<number> {
    const lines: NewLines = { webhookFlow: [], agentOutput: [], facts: [], trace: [] };
    const facts = new Map<string, FactLine>();
    const foreign = new Set<string>();
    const owner = this.#owner;
    let isSign = false;
    for (const [index, { change, origin }] of entries.entries()) {
      if (index % STEP_CHANGES === 0 && isTurnOver()) await nextTurn();
      const { kind } = origin.sender;
      if (this.#isKnown(change)) {
        // A copy may have come first. With its own record the trail has opened the task.
        if (kind === 'trail' && change.kind !== 'span') this.#own('trail');
        isSign ||= this.#isSignOfLife(change, kind);
        continue;
      }
      const refusal =
        refusalInTask(this.id, origin, this.standing) ?? this.#refusalOfSpan(change, origin.sender);
      if (refusal !== undefined) {
        onRefused?.(index, refusal, NOT_PERMITTED);
        continue;
      }
      let line: NewLine | undefined;
      if (change.kind === 'line') {
        const found = this.#lineOf(change, kind);
        if (found === 'known') continue;
        line = found;
        if (line !== undefined) lines[change.file].push(line);
      } else if (change.kind === 'span') {
        if (!origin.isOnBehalf && !this.#hasRoomFor(change, foreign)) {
          this.#droppedSpans += 1;
          const reason = `task ${this.id} has ${FOREIGN_SPANS_MAX} foreign spans, the most that are kept`;
          onRefused?.(index, reason, TOO_MANY_SPANS);
          continue;
        }
        line = spanLine(change.span, change.line);
        if (line !== undefined) {
          this.#telemetry.addSpan(change.genAi);
          lines.trace.push(line);
        }
      } else if (hasRecord(facts, change.line)) continue;
      else {
        const isResult = change.line.event === EVENT.result;
        const fact = isResult ? { ...change.line, received_at: receivedAt(change.line, nowMs) } : change.line;
        line = recordLine(fact);
        if (line !== undefined) {
          facts.set(sentId(fact), fact);
          lines.facts.push(line);
        }
      }
      if (line === undefined) {
        onRefused?.(index, LINE_PROBLEM, TOO_LONG);
        continue;
      }
      // Spans are also built by this process, for any task; they do not make it the trail's.
      if (change.kind !== 'span' || this.#owner === undefined) this.#own(kind);
      isSign ||= this.#isSignOfLife(change, kind);
    }
    const isOwned = this.#owner !== owner;
    // Written before the lines: it says whose the task is.
    if (
      isOwned &&
      (owner !== undefined || this.#owner !== 'trail') &&
      !hasFactOf(facts.values(), this.#owner)
    )
      await this.#writeDocuments();
    const firstBefore = firstTimestampOf(this.#files);
    const wasSettled = this.#clock.isSettled;
    let fresh = 0;
    checkFolders(this.#dir, 1);
    if (APPEND_ORDER.some((name) => lines[name].length > 0)) await this.#manifest.outdate();
    // Without the lines, an end would say that the task is complete.
    const ends = takeEnds(lines, facts);
    for (const name of APPEND_ORDER) fresh += await this.#files[name].append(lines[name]);
    fresh += await this.#files.facts.append(ends);
    supersedeLines(this.#files, lines);
    this.#foreignSpans += foreign.size;
    this.#dropSuperseded();
    if (facts.size > 0) this.#addFacts(facts.values());
    if (facts.size > 0 || isOwned) this.#state = this.#readState();
    if (isSign || fresh > 0) this.#liveness.heard(this.#state, nowMs, isSign);
    if (fresh > 0) this.#recordChange(nowMs);
    const isStateKept =
      facts.size === 0 &&
      !this.#telemetry.hasNews &&
      this.#clock.isSettled === wasSettled &&
      this.#documents.has('metadata');
    const isChanged =
      isOwned || (fresh > 0 && (!isStateKept || firstTimestampOf(this.#files) !== firstBefore));
    // The first dropped span is written at once; `tick` updates the count.
    if (isChanged || (this.#droppedSpans > 0 && this.#writtenDroppedSpans === 0))
      await this.#writeDocuments();
    this.#documents.reportFacts(this.id, facts.values());
    return fresh;
  }

  /** Runs time-dependent work: sorts the files after the end and completes missing spans. Returns spans to send. */
  async tick(nowMs: number): Promise<readonly OtlpSpan[]> {
    const isOver = this.#clock.areSpansLost(nowMs);
    const spans = this.#spans.build({
      hasArrived: this.#hasSpan,
      isOver,
      lastTimestamp: lastTimestampOf(this.#files),
    });
    if (this.isDue) checkFolders(this.#dir, 1);
    if (this.#isCountBehind) await this.#writeDocuments();
    if (this.#clock.isDue(nowMs)) {
      if (await sortFiles(this.#files)) this.#clock.reordered();
      if (isOver && !this.#isUnfinished()) {
        this.#clock.settled();
        await this.#writeDocuments();
      }
    }
    if (this.#clock.isComplete(nowMs)) await this.#manifest.complete();
    return this.#marked(spans);
  }

  /**
   * Whether `tick` has work left: the task has ended and is not settled, or the count of dropped spans is not
   * written.
   */
  get isDue(): boolean {
    return (this.#clock.isEnded && !this.#clock.isSettled) || this.#isCountBehind;
  }

  /** Only an end makes `tick` work, that of the task or of a span to be built. */
  get isAtRest(): boolean {
    return !this.#clock.isEnded && !this.#isCountBehind && !this.#spans.hasEnds;
  }

  /** Whether the task may be closed: settled and quiet, or idle for long. */
  isIdle(nowMs: number): boolean {
    return this.#clock.isIdle(nowMs, this.#clock.isSettled);
  }

  #marked(spans: readonly OtlpSpan[]): readonly OtlpSpan[] {
    const owner = this.#owner;
    return isMark(owner) ? spans.map((span) => markedSpan(span, owner)) : spans;
  }

  /** A sender has something in the task: what senders with fewer rights have said counts less from now on. */
  #own(sender: Sender['kind'] | undefined): void {
    if (sender === undefined) return;
    this.#owner = higherSender(this.#owner, sender);
    if (this.#owner === 'anonymous') return;
    this.#fold.claim();
    this.#spans.claim();
    this.#telemetry.claim();
  }

  #isKnown(change: TaskChange): boolean {
    if (change.kind === 'span') return hasSpan(this.#files.trace, change.span);
    if (change.kind === 'fact') return hasRecord(this.#files.facts, change.line);
    if (hasRecord(this.#files[change.file], change.line)) return true;
    return change.isReported === true && this.#telemetry.hasReported(change.line);
  }

  /** Whether the worker sent it: spans and agents may outlive theirs, which is to be found silent then. */
  #isSignOfLife({ kind }: TaskChange, sender: Sender['kind']): boolean {
    return kind !== 'span' && (sender === 'trail' || this.#owner !== 'trail');
  }

  /** The span of the trail itself may still come, and would fall to the id of a forged one. */
  #refusalOfSpan(change: TaskChange, { kind }: Sender): string | undefined {
    if (change.kind !== 'span' || kind === 'trail') return undefined;
    const key = spanKey(change.span.traceId, change.span.spanId);
    return this.#spans.isTrails(key) ? `span ${key} was announced by an authenticated sender` : undefined;
  }

  #lineOf({ file, line, isReported }: LineChange, sender: Sender['kind']): NewLine | 'known' | undefined {
    if (file !== 'agentOutput') return recordLine(line);
    const stored = this.#telemetry.lineOf(this.#keys.masked(line, sender), isReported === true);
    return stored === 'long' ? undefined : stored;
  }

  #dropSuperseded(): void {
    for (const id of this.#telemetry.takeSuperseded()) this.#files.agentOutput.supersede(id);
  }

  #addFacts(facts: Iterable<FactLine>): void {
    for (const fact of facts) {
      this.#fold.add(fact);
      this.#spans.add(fact);
    }
  }

  /** What the documents on disk say counts also where the facts behind it are lost. */
  #hearDocuments(facts: readonly FactLine[], nowMs: number): void {
    // What telemetry gives is no fact: it must not become one that later spans cannot change.
    const { metadata } = this.#telemetry.complete(
      this.#fold.metadata(firstTimestampOf(this.#files)),
      this.#fold.result(),
    );
    const lost = lostFacts({
      taskId: this.id,
      stored: {
        metadata: this.#documents.read('metadata'),
        input: this.#documents.read('input'),
        result: this.#documents.read('finalResult'),
      },
      folded: { metadata, input: this.#fold.input() as JsonObject | undefined },
      facts,
      sender: isMark(this.#owner) ? this.#owner : undefined,
    });
    if (lost.length === 0) return;
    this.#addFacts(lost);
    this.#state = this.#readState();
    this.#clock = new SettlingClock(nowMs, this.#fold.isTerminal);
  }

  #readState(): TaskState {
    return taskStateOf(this.#fold.metadata(null), isMark(this.#owner) ? this.#owner : undefined);
  }

  /** Whether a span may be stored. Adds a new foreign span to `added`: any sender can give its spans the scope of tasktrail. */
  #hasRoomFor({ span, isForeign }: Extract<TaskChange, { kind: 'span' }>, added: Set<string>): boolean {
    const key = sentSpanKey(span);
    if ((!isForeign && markOfSpan(span.attributes) === undefined) || added.has(key)) return true;
    if (this.#foreignSpans + added.size >= FOREIGN_SPANS_MAX) return false;
    added.add(key);
    return true;
  }

  get #isCountBehind(): boolean {
    return this.#droppedSpans !== this.#writtenDroppedSpans;
  }

  #recordChange(nowMs: number): void {
    this.#clock.changed(nowMs, this.#fold.isTerminal);
    if (this.#clock.isSettled && this.#isUnfinished()) this.#clock.unsettle();
  }

  /** Whether a line is out of order or an announced span is missing. */
  #isUnfinished(): boolean {
    return isOutOfOrder(this.#files) || this.#spans.isMissingAny(this.#hasSpan);
  }

  /** For a span that the trail announced, the trail's own. */
  readonly #hasSpan = (key: string): boolean =>
    this.#spans.isTrails(key) ? this.#files.trace.has(key) : hasSent(this.#files.trace, key, 'anonymous');

  /** Writes the result before the metadata: a reader that sees `completed` finds `04-final-result.json`. */
  async #writeDocuments(): Promise<void> {
    const dropped = this.#droppedSpans;
    const { stated, ...documents } = foldedDocuments({
      fold: this.#fold,
      telemetry: this.#telemetry,
      firstTimestamp: firstTimestampOf(this.#files),
      owner: this.#owner,
      droppedSpans: dropped,
      isSettled: this.#clock.isSettled,
      schemaVersion: this.#schemaVersion,
    });
    const { trace } = this.#files;
    await this.#documents.write(documents, {
      isIgnored: (event) => this.#fold.ignores(event),
      stated: trace.isEmpty || trace.badLines > 0 ? undefined : stated,
    });
    this.#writtenDroppedSpans = dropped;
  }
}
