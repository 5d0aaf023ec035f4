import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type JsonObject, parseObject } from '../../model/json.ts';
import type { OtlpSpan } from '../../model/otlp.ts';
import { AnnouncedSpans, spanKey } from '../../project/announced-spans.ts';
import type { Change, FactLine } from '../../project/change.ts';
import { TaskFold } from '../../project/fold.ts';
import { isOwnScope } from '../../project/span.ts';
import { redactJson } from '../../redact/redact.ts';
import { isTempNameOf, makeDirectory, readText, replaceFiles } from '../../system/durable.ts';
import { restoreTask } from '../compress.ts';
import { TASK_FILES, type TaskFile, taskDir } from '../layout.ts';
import { LineFile, type NewLine, type ReadKey } from './line-file.ts';
import { eventKey, factKey, isFactLine, jsonLine, scopeOf, spanLine, traceKey } from './line-keys.ts';
import type { Liveness, TaskState } from './liveness.ts';
import { notify, type StoreObserver } from './observer.ts';
import type { OnRefused } from './open-units.ts';
import { SettlingClock } from './settling.ts';
import { ReportedEnd } from './task-end.ts';

export type TaskChange = Extract<Change, { kind: 'line' | 'fact' | 'span' }>;

type TaskSpan = Extract<TaskChange, { kind: 'span' }>;

const LINE_FILES = ['webhookFlow', 'agentOutput', 'facts', 'trace'] as const;
type LineFileName = (typeof LINE_FILES)[number];
const DOCUMENTS = ['input', 'finalResult', 'metadata'] as const;

/** Field of `metadata.json`. */
const DROPPED_SPANS = 'dropped_spans';

/**
 * An agent's own tracing may send hundreds of spans for each request to its model. So many are a long session's, and
 * about 20 MB; more would make a trace that no viewer opens, and a file that has to be read back whole.
 */
const FOREIGN_SPANS_MAX = 20_000;

export interface OpenTaskOptions {
  readonly logDir: string;
  readonly liveness: Liveness;
  readonly observer?: StoreObserver | undefined;
}

/** One task's directory while somebody writes to it: the ids of its lines, the fold of its facts, what is due. */
export class OpenTask {
  readonly id: string;
  readonly #dir: string;
  readonly #fold: TaskFold;
  readonly #files: Record<LineFileName, LineFile>;
  readonly #spans = new AnnouncedSpans();
  readonly #written = new Map<TaskFile, string>();
  readonly #liveness: Liveness;
  readonly #observer: StoreObserver | undefined;
  readonly #reportedEnd = new ReportedEnd();
  readonly #clock: SettlingClock;
  #state: TaskState;
  #foreignSpans: number;
  /** Foreign spans that were too many, those of earlier processes included. */
  #droppedSpans = 0;
  /** How many of those `metadata.json` speaks of. */
  #writtenDroppedSpans = 0;

  private constructor({ id, nowMs }: Opening, loaded: Loaded, options: OpenTaskOptions) {
    const { logDir, liveness, observer } = options;
    this.id = id;
    this.#dir = taskDir(logDir, id);
    this.#liveness = liveness;
    this.#observer = observer;
    this.#fold = new TaskFold(id);
    this.#files = loaded.files;
    this.#foreignSpans = loaded.foreignSpans;
    this.#learn(loaded.facts);
    this.#state = this.#readState();
    this.#clock = new SettlingClock(nowMs, this.#fold.isTerminal);
  }

  /** Reads a task back, or begins one. Cuts torn tails, removes unfinished files, rewrites documents that lag behind. */
  static async open(opening: Opening, options: OpenTaskOptions): Promise<OpenTask> {
    const dir = taskDir(options.logDir, opening.id);
    // In a directory that was not there nothing can be.
    if (await makeDirectory(dir)) return new OpenTask(opening, begin(dir), options);
    await restoreTask(dir, await removeTemps(dir));
    const task = new OpenTask(opening, await load(dir), options);
    for (const document of DOCUMENTS) {
      const text = await readText(join(dir, TASK_FILES[document]));
      if (text !== undefined) task.#written.set(document, text);
    }
    task.#reportedEnd.found(task.#texts());
    // Damaged by hand: the fold writes it anew.
    const known = parseObject(task.#written.get('metadata')) ?? {};
    if (known.settled === true && task.#fold.isTerminal && !task.#isUnfinished()) task.#clock.settled();
    task.#droppedSpans = droppedSpansOf(known);
    task.#writtenDroppedSpans = task.#droppedSpans;
    // A directory with nothing of ours in it may be anybody's.
    if (LINE_FILES.some((name) => !task.#files[name].isEmpty)) {
      await task.#writeDocuments();
      task.#liveness.found(task.#state, opening.nowMs);
    }
    return task;
  }

  get badLines(): number {
    return LINE_FILES.reduce((sum, name) => sum + this.#files[name].badLines, 0);
  }

  /** Stores what is new and returns how many changes were. When it throws, the task must be opened anew. */
  async apply(changes: readonly TaskChange[], nowMs: number, onRefused?: OnRefused): Promise<number> {
    const lines: Record<LineFileName, NewLine[]> = { webhookFlow: [], agentOutput: [], facts: [], trace: [] };
    const facts = new Map<string, FactLine>();
    const foreign = new Set<string>();
    for (const [index, change] of changes.entries()) {
      if (change.kind === 'line') lines[change.file].push(jsonLine(change.line));
      else if (change.kind === 'span') {
        if (this.#hasRoomFor(change, foreign)) lines.trace.push(spanLine(change.span, change.line));
        else {
          this.#droppedSpans += 1;
          onRefused?.(
            index,
            `task ${this.id} has ${FOREIGN_SPANS_MAX} foreign spans, the most that are kept`,
          );
        }
      } else if (!this.#files.facts.has(change.line.event_id) && !facts.has(change.line.event_id)) {
        facts.set(change.line.event_id, change.line);
        lines.facts.push(jsonLine(change.line));
      }
    }
    const firstBefore = this.#firstTimestamp();
    const wasSettled = this.#clock.isSettled;
    let fresh = 0;
    for (const name of LINE_FILES) fresh += await this.#files[name].append(lines[name]);
    this.#foreignSpans += foreign.size;
    if (facts.size > 0) {
      this.#learn(facts.values());
      this.#state = this.#readState();
    }
    if (changes.length > 0) this.#liveness.heard(this.#state, nowMs, changes.some(isSign));
    if (fresh > 0) this.#touch(nowMs);
    const isOld = facts.size === 0 && this.#clock.isSettled === wasSettled && this.#written.has('metadata');
    const isNews = fresh > 0 && (!isOld || this.#firstTimestamp() !== firstBefore);
    // The first loss is told at once, and how many there are by now each second.
    if (isNews || (this.#droppedSpans > 0 && this.#writtenDroppedSpans === 0)) await this.#writeDocuments();
    return fresh;
  }

  /** What time brings: order in the files after the end, spans that never came. Returns those to be sent. */
  async tick(nowMs: number): Promise<readonly OtlpSpan[]> {
    const isOver = this.#clock.areSpansLost(nowMs);
    const spans = this.#spans.build({
      hasArrived: this.#hasSpan,
      isOver,
      lastTimestamp: this.#lastTimestamp(),
    });
    if (this.#isCountBehind) await this.#writeDocuments();
    if (!this.#clock.isDue(nowMs)) return spans;
    await this.#putInOrder();
    if (isOver && !this.#isUnfinished()) {
      this.#clock.settled();
      await this.#writeDocuments();
    }
    return spans;
  }

  /** Whether time has yet to bring something: its end is not settled, or a count is not written. */
  get isDue(): boolean {
    return (this.#clock.isEnded && !this.#clock.isSettled) || this.#isCountBehind;
  }

  /** Whether it may leave memory: settled and quiet, or nothing heard of it for long. */
  isIdle(nowMs: number): boolean {
    return this.#clock.isIdle(nowMs, this.#clock.isSettled);
  }

  #learn(facts: Iterable<FactLine>): void {
    for (const fact of facts) {
      this.#fold.add(fact);
      this.#spans.add(fact);
    }
  }

  #readState(): TaskState {
    const metadata = this.#fold.metadata(null);
    const { status, attempt, heartbeat_seconds: seconds } = metadata;
    const heartbeatSeconds = typeof seconds === 'number' && seconds > 0 ? seconds : undefined;
    const { source, assigned_agent: agent, started_at: startedAt, created_at: createdAt } = metadata;
    const about = { source, agent, startedAt: startedAt ?? createdAt };
    return { taskId: this.id, status, attempt, heartbeatSeconds, about };
  }

  /** Whether a span may be stored; notes in `added` those of others that will be. */
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

  #touch(nowMs: number): void {
    this.#clock.changed(nowMs, this.#fold.isTerminal);
    if (this.#clock.isSettled && this.#isUnfinished()) this.#clock.unsettle();
  }

  async #putInOrder(): Promise<void> {
    const { webhookFlow, agentOutput, facts, trace } = this.#files;
    const isMoved = [await webhookFlow.settle(), await agentOutput.settle()].includes(true);
    await facts.heal();
    await trace.heal();
    if (isMoved) this.#clock.reordered();
  }

  #isOutOfPlace(): boolean {
    return !this.#files.webhookFlow.isOrdered || !this.#files.agentOutput.isOrdered;
  }

  /** Whether a line stands in the wrong place or a span that was announced is not there. */
  #isUnfinished(): boolean {
    return this.#isOutOfPlace() || this.#spans.isMissingAny(this.#hasSpan);
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

  /** The result before the status that speaks of it: who sees `completed` finds 04. */
  async #writeDocuments(): Promise<void> {
    const dropped = this.#droppedSpans;
    const documents = {
      input: this.#fold.input(),
      finalResult: this.#fold.result(),
      metadata: {
        ...this.#fold.metadata(this.#firstTimestamp()),
        ...(dropped > 0 && { [DROPPED_SPANS]: dropped }),
        ...(this.#clock.isSettled && { settled: true }),
      },
    };
    const news = DOCUMENTS.flatMap((file) => {
      const document = documents[file];
      const text = document && `${redactJson(JSON.stringify(document))}\n`;
      return text === undefined || text === this.#written.get(file) ? [] : [{ file, text }];
    });
    if (news.length > 0) {
      const files = news.map(({ file, text }) => ({ name: TASK_FILES[file], content: text }));
      await replaceFiles(this.#dir, files);
      for (const { file, text } of news) this.#written.set(file, text);
      this.#reportEnd();
    }
    this.#writtenDroppedSpans = dropped;
  }

  #reportEnd(): void {
    if (this.#observer === undefined) return;
    const end = this.#reportedEnd.news(this.#texts());
    if (end !== undefined) notify(this.#observer, (observer) => observer.taskEnded?.(end));
  }

  #texts(): { readonly metadata: string | undefined; readonly finalResult: string | undefined } {
    return { metadata: this.#written.get('metadata'), finalResult: this.#written.get('finalResult') };
  }
}

interface Opening {
  readonly id: string;
  readonly nowMs: number;
}

interface Loaded {
  readonly files: Record<LineFileName, LineFile>;
  readonly facts: FactLine[];
  readonly foreignSpans: number;
}

function begin(dir: string): Loaded {
  const file = (name: LineFileName, readKey: ReadKey): LineFile =>
    LineFile.begin(join(dir, TASK_FILES[name]), readKey);
  const files = {
    webhookFlow: file('webhookFlow', eventKey),
    agentOutput: file('agentOutput', eventKey),
    facts: file('facts', factKey),
    trace: file('trace', traceKey),
  };
  return { files, facts: [], foreignSpans: 0 };
}

async function load(dir: string): Promise<Loaded> {
  const facts: FactLine[] = [];
  let foreignSpans = 0;
  const path = (file: LineFileName): string => join(dir, TASK_FILES[file]);
  const files = {
    webhookFlow: await LineFile.open(path('webhookFlow'), eventKey),
    agentOutput: await LineFile.open(path('agentOutput'), eventKey),
    facts: await LineFile.open(path('facts'), factKey, (line) => {
      if (isFactLine(line)) facts.push(line);
    }),
    trace: await LineFile.open(path('trace'), traceKey, (line) => {
      if (!isOwnScope(scopeOf(line))) foreignSpans += 1;
    }),
  };
  return { files, facts, foreignSpans };
}

/** What an earlier process was writing when it died goes; returns the names of all else. */
async function removeTemps(dir: string): Promise<readonly string[]> {
  const names = await readdir(dir);
  const isTemp = (name: string): boolean =>
    Object.values(TASK_FILES).some((file) => isTempNameOf(name, file));
  for (const name of names.filter(isTemp)) await rm(join(dir, name), { force: true });
  return names.filter((name) => !isTemp(name));
}

/** The count is in no record: what an earlier process has told is all that is known of it. */
function droppedSpansOf({ [DROPPED_SPANS]: count }: JsonObject): number {
  return typeof count === 'number' && Number.isSafeInteger(count) && count > 0 ? count : 0;
}

/** Spans alone may be of helpers that outlive the worker, or made up by the holder. */
function isSign({ kind }: TaskChange): boolean {
  return kind !== 'span';
}
