import { join } from 'node:path';
import { SCHEMA_VERSION } from '../../model/documents.ts';
import { type JsonObject, parseObject } from '../../model/json.ts';
import type { OtlpSpan } from '../../model/otlp.ts';
import { AnnouncedSpans, spanKey } from '../../project/announced-spans.ts';
import type { Change, FactLine } from '../../project/change.ts';
import { TaskFold } from '../../project/fold.ts';
import { lostFacts } from '../../project/witness.ts';
import { redactJson } from '../../redact/redact.ts';
import { readText, replaceFiles } from '../../system/durable.ts';
import { checkFolders } from '../../system/files/real-folders.ts';
import { isTurnOver, nextTurn } from '../../system/turns.ts';
import { TASK_FILES, type TaskFile, taskDir } from '../layout.ts';
import type { LineFile, NewLine } from './line-file.ts';
import { spanLine } from './line-keys.ts';
import { LINE_PROBLEM, recordLine } from './line-limit.ts';
import type { Liveness, TaskState } from './liveness.ts';
import type { NameGuard } from './name-guard.ts';
import { notify, type StoreObserver } from './observer.ts';
import type { OnRefused } from './open-units.ts';
import { SettlingClock } from './settling.ts';
import { ReportedEnd } from './task-end.ts';
import { openTaskFolder } from './task-folder.ts';
import { createFiles, LINE_FILES, type LineFileName, type LoadedFiles, loadFiles } from './task-lines.ts';
import type { TaskTelemetry } from './task-telemetry.ts';

export type TaskChange = Extract<Change, { kind: 'line' | 'fact' | 'span' }>;

type TaskSpan = Extract<TaskChange, { kind: 'span' }>;

const DOCUMENTS = ['input', 'finalResult', 'metadata'] as const;

const DROPPED_SPANS = 'dropped_spans';

/** Changes between two looks at the clock. */
const STEP_CHANGES = 16;

/**
 * Limit of foreign spans in a task. An agent's own tracing may send hundreds for each model request. This many make a
 * long session and about 20 MB; trace viewers cannot open more, and the file is read back whole.
 */
const FOREIGN_SPANS_MAX = 20_000;

export interface OpenTaskOptions {
  readonly logDir: string;
  readonly liveness: Liveness;
  readonly observer?: StoreObserver | undefined;
  /** Default: the file system tells all ids apart. */
  readonly names?: NameGuard | undefined;
}

/** An open task directory: ids of its lines, the fold of its facts, and pending work. */
export class OpenTask {
  readonly id: string;
  readonly #dir: string;
  readonly #fold: TaskFold;
  readonly #files: Record<LineFileName, LineFile>;
  readonly #spans = new AnnouncedSpans();
  readonly #telemetry: TaskTelemetry;
  readonly #written = new Map<TaskFile, string>();
  readonly #liveness: Liveness;
  readonly #observer: StoreObserver | undefined;
  readonly #reportedEnd = new ReportedEnd();
  #clock: SettlingClock;
  #state: TaskState;
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
    this.#observer = observer;
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
    if (isNew) return new OpenTask(target, createFiles(dir), options);
    const loaded = await loadFiles(dir);
    const task = new OpenTask(target, loaded, options);
    for (const document of DOCUMENTS) {
      const text = await readText(join(dir, TASK_FILES[document]));
      if (text !== undefined) task.#written.set(document, text);
    }
    task.#reportedEnd.markReported(task.#texts());
    task.#hearDocuments(loaded.facts, target.nowMs);
    // Damaged metadata is written again from the fold.
    const metadata = parseObject(task.#written.get('metadata')) ?? {};
    if (metadata.settled === true && task.#fold.isTerminal && !task.#isUnfinished()) task.#clock.settled();
    const { schema_version: version } = metadata;
    if (typeof version === 'number' && version > SCHEMA_VERSION) task.#schemaVersion = version;
    task.#droppedSpans = droppedSpansOf(metadata);
    task.#writtenDroppedSpans = task.#droppedSpans;
    // A directory without lines may belong to another program.
    if (task.#fold.isTerminal || LINE_FILES.some((name) => !task.#files[name].isEmpty)) {
      await task.#writeDocuments();
      task.#liveness.found(task.#state, target.nowMs);
    }
    return task;
  }

  get badLines(): number {
    return LINE_FILES.reduce((sum, name) => sum + this.#files[name].badLines, 0);
  }

  /** Stores new changes and returns their number. When it throws, the task must be opened again. */
  async apply(changes: readonly TaskChange[], nowMs: number, onRefused?: OnRefused): Promise<number> {
    const lines: Record<LineFileName, NewLine[]> = { webhookFlow: [], agentOutput: [], facts: [], trace: [] };
    const facts = new Map<string, FactLine>();
    const foreign = new Set<string>();
    for (const [index, change] of changes.entries()) {
      if (index % STEP_CHANGES === 0 && isTurnOver()) await nextTurn();
      const isLong = (line: NewLine | undefined): line is undefined => {
        if (line === undefined) onRefused?.(index, LINE_PROBLEM);
        return line === undefined;
      };
      if (change.kind === 'line') {
        const line = this.#lineOf(change);
        if (line !== 'known' && !isLong(line)) lines[change.file].push(line);
      } else if (change.kind === 'span') {
        const line = spanLine(change.span, change.line);
        if (isLong(line)) continue;
        if (this.#hasRoomFor(change, foreign)) {
          this.#telemetry.addSpan(change.genAi);
          lines.trace.push(line);
        } else {
          this.#droppedSpans += 1;
          onRefused?.(
            index,
            `task ${this.id} has ${FOREIGN_SPANS_MAX} foreign spans, the most that are kept`,
          );
        }
      } else if (!this.#files.facts.has(change.line.event_id) && !facts.has(change.line.event_id)) {
        const line = recordLine(change.line);
        if (isLong(line)) continue;
        facts.set(change.line.event_id, change.line);
        lines.facts.push(line);
      }
    }
    const firstBefore = this.#firstTimestamp();
    const wasSettled = this.#clock.isSettled;
    let fresh = 0;
    checkFolders(this.#dir, 1);
    for (const name of LINE_FILES) fresh += await this.#files[name].append(lines[name]);
    this.#foreignSpans += foreign.size;
    this.#dropSuperseded();
    if (facts.size > 0) {
      this.#addFacts(facts.values());
      this.#state = this.#readState();
    }
    if (changes.length > 0) this.#liveness.heard(this.#state, nowMs, changes.some(isSignOfLife));
    if (fresh > 0) this.#recordChange(nowMs);
    const isStateKept =
      facts.size === 0 &&
      !this.#telemetry.hasNews &&
      this.#clock.isSettled === wasSettled &&
      this.#written.has('metadata');
    const isChanged = fresh > 0 && (!isStateKept || this.#firstTimestamp() !== firstBefore);
    // The first dropped span is written at once; `tick` updates the count.
    if (isChanged || (this.#droppedSpans > 0 && this.#writtenDroppedSpans === 0))
      await this.#writeDocuments();
    return fresh;
  }

  /** Runs time-dependent work: sorts the files after the end and completes missing spans. Returns spans to send. */
  async tick(nowMs: number): Promise<readonly OtlpSpan[]> {
    const isOver = this.#clock.areSpansLost(nowMs);
    const spans = this.#spans.build({
      hasArrived: this.#hasSpan,
      isOver,
      lastTimestamp: this.#lastTimestamp(),
    });
    if (this.isDue) checkFolders(this.#dir, 1);
    if (this.#isCountBehind) await this.#writeDocuments();
    if (!this.#clock.isDue(nowMs)) return spans;
    await this.#sortFiles();
    if (isOver && !this.#isUnfinished()) {
      this.#clock.settled();
      await this.#writeDocuments();
    }
    return spans;
  }

  /**
   * Whether `tick` has work left: the task has ended and is not settled, or the count of dropped spans is not
   * written.
   */
  get isDue(): boolean {
    return (this.#clock.isEnded && !this.#clock.isSettled) || this.#isCountBehind;
  }

  /** Whether the task may be closed: settled and quiet, or idle for long. */
  isIdle(nowMs: number): boolean {
    return this.#clock.isIdle(nowMs, this.#clock.isSettled);
  }

  #lineOf({ file, line, isReported }: Extract<TaskChange, { kind: 'line' }>): NewLine | 'known' | undefined {
    if (file !== 'agentOutput') return recordLine(line);
    const stored = this.#telemetry.lineOf(line, isReported === true);
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
    const stored = (file: TaskFile): JsonObject | undefined => parseObject(this.#written.get(file));
    // What telemetry gives is no fact: it must not become one that later spans cannot change.
    const { metadata } = this.#telemetry.complete(
      this.#fold.metadata(this.#firstTimestamp()),
      this.#fold.result(),
    );
    const lost = lostFacts({
      taskId: this.id,
      stored: { metadata: stored('metadata'), input: stored('input'), result: stored('finalResult') },
      folded: { metadata, input: this.#fold.input() as JsonObject | undefined },
      facts,
    });
    if (lost.length === 0) return;
    this.#addFacts(lost);
    this.#state = this.#readState();
    this.#clock = new SettlingClock(nowMs, this.#fold.isTerminal);
  }

  #readState(): TaskState {
    const metadata = this.#fold.metadata(null);
    const { status, attempt, heartbeat_seconds: seconds } = metadata;
    const heartbeatSeconds = typeof seconds === 'number' && seconds > 0 ? seconds : undefined;
    const { source, assigned_agent: agent, started_at: startedAt, created_at: createdAt } = metadata;
    const about = { source, agent, startedAt: startedAt ?? createdAt };
    return { taskId: this.id, status, attempt, heartbeatSeconds, about };
  }

  /** Whether a span may be stored. Adds a new foreign span to `added`. */
  #hasRoomFor({ span, isForeign }: TaskSpan, added: Set<string>): boolean {
    const key = spanKey(span.traceId, span.spanId);
    if (!isForeign || this.#hasSpan(key) || added.has(key)) return true;
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

  async #sortFiles(): Promise<void> {
    const { webhookFlow, agentOutput, facts, trace } = this.#files;
    const isReordered = [await webhookFlow.settle(), await agentOutput.settle()].includes(true);
    await facts.deduplicate();
    await trace.deduplicate();
    if (isReordered) this.#clock.reordered();
  }

  #isOutOfOrder(): boolean {
    return !this.#files.webhookFlow.isOrdered || !this.#files.agentOutput.isOrdered;
  }

  /** Whether a line is out of order or an announced span is missing. */
  #isUnfinished(): boolean {
    return this.#isOutOfOrder() || this.#spans.isMissingAny(this.#hasSpan);
  }

  readonly #hasSpan = (key: string): boolean => this.#files.trace.has(key);

  #lastTimestamp(): string {
    let last = '';
    for (const name of ['webhookFlow', 'agentOutput', 'facts'] as const) {
      const timestamp = this.#files[name].lastTimestamp;
      if (timestamp !== undefined && timestamp > last) last = timestamp;
    }
    return last;
  }

  #firstTimestamp(): string | null {
    const times = LINE_FILES.map((name) => this.#files[name].firstTimestamp).filter(
      (time) => time !== undefined,
    );
    return times.sort()[0] ?? null;
  }

  /** Writes the result before the metadata: a reader that sees `completed` finds `04-final-result.json`. */
  async #writeDocuments(): Promise<void> {
    const dropped = this.#droppedSpans;
    const { metadata, finalResult } = this.#telemetry.complete(
      this.#fold.metadata(this.#firstTimestamp()),
      this.#fold.result(),
    );
    const documents = {
      input: this.#fold.input(),
      finalResult,
      metadata: {
        ...metadata,
        schema_version: this.#schemaVersion,
        ...(dropped > 0 && { [DROPPED_SPANS]: dropped }),
        ...(this.#clock.isSettled && { settled: true }),
      },
    };
    const changed = DOCUMENTS.flatMap((file) => {
      const document = documents[file];
      const text = document && `${redactJson(JSON.stringify(document))}\n`;
      return text === undefined || text === this.#written.get(file) ? [] : [{ file, text }];
    });
    if (changed.length > 0) {
      const files = changed.map(({ file, text }) => ({ name: TASK_FILES[file], content: text }));
      await replaceFiles(this.#dir, files);
      for (const { file, text } of changed) this.#written.set(file, text);
      this.#reportEnd();
    }
    this.#writtenDroppedSpans = dropped;
  }

  #reportEnd(): void {
    if (this.#observer === undefined) return;
    const end = this.#reportedEnd.report(this.#texts());
    if (end !== undefined) notify(this.#observer, (observer) => observer.taskEnded?.(end));
  }

  #texts(): { readonly metadata: string | undefined; readonly finalResult: string | undefined } {
    return { metadata: this.#written.get('metadata'), finalResult: this.#written.get('finalResult') };
  }
}

interface TaskTarget {
  readonly id: string;
  readonly nowMs: number;
}

/** Dropped spans are in no record: the metadata of an earlier process is the only source. */
function droppedSpansOf({ [DROPPED_SPANS]: count }: JsonObject): number {
  return typeof count === 'number' && Number.isSafeInteger(count) && count > 0 ? count : 0;
}

/** Spans may come from child processes that outlive the worker, or from the holder. */
function isSignOfLife({ kind }: TaskChange): boolean {
  return kind !== 'span';
}
