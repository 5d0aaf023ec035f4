import { setImmediate as nextTurn } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { Metadata } from '../../model/documents.ts';
import { EVENT } from '../../model/events.ts';
import { type JsonObject, parseJson, parseObject } from '../../model/json.ts';
import type { TaskDocument } from '../../model/task-reading.ts';
import type { FactLine } from '../../project/change.ts';
import { TaskFold } from '../../project/fold.ts';
import type { GenAiSpan } from '../../project/genai/call-span.ts';
import { redactJson } from '../../redact/redact.ts';
import { isFactLine } from '../../store/write/lines/fact-line.ts';
import type { TaskEnd } from '../../store/write/observer.ts';
import { LOST_SPAN_MS } from '../../store/write/settling.ts';
import { type FoldedDocuments, foldedDocuments } from '../../store/write/task/folded-documents.ts';
import { TaskTelemetry } from '../../store/write/task/task-telemetry.ts';
import { arrivalOf } from '../arrival.ts';
import type { VictoriaLogs } from '../client.ts';
import { rowsOfUnit } from '../logsql.ts';
import { LINE_FIELDS, type ReadLine, readLines } from '../rows.ts';
import { readSummaries, type TaskSummary } from '../task-summary.ts';

/** As in files: a task has settled after this much quiet. */
const SETTLE_MS = 2_000;

/** Folded tasks in memory, and how long one is used again: one request of a client reads several documents of a task. */
const VIEWS_MAX = 256;
const VIEW_MS = 250;

/** Tasks of one query: those that are asked for in one turn. Ids may be long, and the text of a query is at most 16 KiB. */
const TASKS_MAX = 32;
const ID_CHARS_MAX = 8_192;

export type TaskEndDocuments = Pick<TaskEnd, 'metadata' | 'result'>;

/** A task as its lines give it. */
export interface TaskView {
  readonly summary: TaskSummary;
  readonly facts: readonly FactLine[];
  /** When the first end of the newest attempt that has one came; undefined while the task is not over. Milliseconds. */
  readonly endedMs: number | undefined;
  /** When a fact came. Milliseconds. */
  arrivedMs(fact: FactLine): number;
  /** The documents at the end of an attempt; undefined while it has none. */
  endOf(attempt: number): TaskEndDocuments | undefined;
  /** Undefined for a document that the task does not have. */
  document(name: TaskDocument): JsonObject | undefined;
}

const NAMES = { metadata: 'metadata', input: 'input', 'final-result': 'finalResult' } as const;

/** Folds tasks. */
export class TaskViews {
  readonly #logs: VictoriaLogs;
  readonly #now: () => number;
  readonly #keepMs: number;
  #next: Batch | undefined;
  readonly #views = new LRUCache<
    string,
    { readonly atMs: number; readonly view: Promise<TaskView | undefined> }
  >({
    max: VIEWS_MAX,
  });

  /** `now`: milliseconds since the epoch. */
  constructor(logs: VictoriaLogs, now: () => number, keepMs: number = VIEW_MS) {
    this.#logs = logs;
    this.#now = now;
    this.#keepMs = keepMs;
  }

  /** Undefined for an unknown task. */
  read(taskId: string): Promise<TaskView | undefined> {
    const known = this.#views.get(taskId);
    if (known !== undefined && performance.now() - known.atMs < this.#keepMs) return known.view;
    return this.readNow(taskId);
  }

  /** As it is now, also when it was read before. */
  readNow(taskId: string): Promise<TaskView | undefined> {
    const view = this.#gather(taskId);
    this.#views.set(taskId, { atMs: performance.now(), view });
    view.catch(() => this.#views.delete(taskId));
    return view;
  }

  /** The next call reads it again. */
  forget(taskId: string): void {
    this.#views.delete(taskId);
  }

  /** Calls of one turn share their queries. */
  async #gather(taskId: string): Promise<TaskView | undefined> {
    if (this.#next === undefined || isFull(this.#next, taskId)) this.#next = this.#openBatch();
    this.#next.ids.push(taskId);
    this.#next.characters += taskId.length;
    return (await this.#next.views).get(taskId);
  }

  #openBatch(): Batch {
    const ids: string[] = [];
    const views = nextTurn().then(() => {
      if (this.#next?.ids === ids) this.#next = undefined;
      return readViews(this.#logs, ids, this.#now());
    });
    return { ids, views, characters: 0 };
  }
}

/** Tasks that are read together. */
interface Batch {
  readonly ids: string[];
  readonly views: Promise<ReadonlyMap<string, TaskView>>;
  characters: number;
}

function isFull({ ids, characters }: Batch, next: string): boolean {
  return ids.length === TASKS_MAX || characters + next.length > ID_CHARS_MAX;
}

async function readViews(
  logs: VictoriaLogs,
  ids: readonly string[],
  nowMs: number,
): Promise<ReadonlyMap<string, TaskView>> {
  const summaries = await readSummaries(logs, ids);
  const known = [...summaries.keys()];
  if (known.length === 0) return new Map();
  const withSpans = known.filter((id) => summaries.get(id)?.kinds.has('span'));
  const texts = `${rowsOfUnit(['fact', 'output'], ...known)} (kind:=fact or logged:=1) | fields ${LINE_FIELDS}`;
  const [lines, spans] = await Promise.all([
    logs.rows(texts).then((rows) => byUnit(readLines(rows))),
    withSpans.length === 0 ? new Map<string, readonly GenAiSpan[]>() : readSpans(logs, withSpans),
  ]);
  return new Map(
    [...summaries].map(([id, summary]) => [
      id,
      viewOf({ id, summary, lines: lines.get(id) ?? [], spans: spans.get(id) ?? [], nowMs }),
    ]),
  );
}

function byUnit(lines: readonly ReadLine[]): ReadonlyMap<string, readonly ReadLine[]> {
  const units = new Map<string, ReadLine[]>();
  for (const line of lines) {
    const own = units.get(line.unit);
    if (own === undefined) units.set(line.unit, [line]);
    else own.push(line);
  }
  return units;
}

interface TaskRowSet {
  readonly id: string;
  readonly summary: TaskSummary;
  readonly lines: readonly ReadLine[];
  readonly spans: readonly GenAiSpan[];
  readonly nowMs: number;
}

function viewOf({ id, summary, lines, spans, nowMs }: TaskRowSet): TaskView {
  const fold = new TaskFold(id);
  const telemetry = new TaskTelemetry();
  const facts: Arrived[] = [];
  for (const { kind, text, arrived } of lines) {
    const line = parseJson(text ?? '');
    if (kind === 'output') telemetry.readLine(line);
    else if (isFactLine(line)) {
      facts.push({ fact: line, arrived });
      fold.add(line);
    }
  }
  for (const span of spans) telemetry.addSpan(span);
  const isClaimed = summary.owner !== 'anonymous';
  if (isClaimed) {
    fold.claim();
    telemetry.claim();
  }
  const { attempt: newest } = fold.metadata(null);
  const endedMs = fold.isTerminal ? firstEndOf(facts) : undefined;
  const documents = foldedDocuments({
    ...{ fold, telemetry, firstTimestamp: summary.firstTimestamp, owner: summary.owner, droppedSpans: 0 },
    isSettled: endedMs !== undefined && isSettled(endedMs, summary, nowMs),
  });
  return {
    summary,
    facts: facts.map(({ fact }) => fact),
    endedMs,
    arrivedMs: (fact) => Date.parse(facts.find((one) => one.fact === fact)?.arrived ?? ''),
    endOf: (attempt) => {
      // What telemetry says is of the newest one.
      if (attempt >= newest) return endOf(fold, documents);
      const earlier = new TaskFold(id);
      for (const { fact } of facts) if (fact.attempt <= attempt) earlier.add(fact);
      if (isClaimed) earlier.claim();
      return endOf(earlier, { metadata: earlier.metadata(null), finalResult: earlier.result() });
    },
    document: (name) => storedForm(documents[NAMES[name]]),
  };
}

/** What spans say of models and tokens: the lines themselves are not read. */
async function readSpans(
  logs: VictoriaLogs,
  ids: readonly string[],
): Promise<ReadonlyMap<string, readonly GenAiSpan[]>> {
  const rows = await logs.rows(`${rowsOfUnit(['span'], ...ids)} part:=0 genai:* | fields _time, unit, genai`);
  const spans = new Map<string, { readonly arrived: string; readonly span: GenAiSpan }[]>();
  for (const row of rows) {
    const span = parseObject(row.genai);
    // Written by the sink, as a whole.
    if (span === undefined) continue;
    const own = spans.get(row.unit ?? '') ?? [];
    own.push({ arrived: arrivalOf(row), span: span as unknown as GenAiSpan });
    spans.set(row.unit ?? '', own);
  }
  return new Map(
    [...spans].map(([id, own]) => [
      id,
      own.sort((a, b) => (a.arrived < b.arrived ? -1 : 1)).map(({ span }) => span),
    ]),
  );
}

interface Arrived {
  readonly fact: FactLine;
  readonly arrived: string;
}

/** Undefined while the task is not over. */
function endOf(
  fold: TaskFold,
  { metadata, finalResult: result }: Pick<FoldedDocuments, 'metadata' | 'finalResult'>,
): TaskEndDocuments | undefined {
  if (!fold.isTerminal || result === undefined) return undefined;
  // As the fold has made it.
  return { metadata: metadata as Metadata, result };
}

/** When the first end of the newest attempt that has ended came. */
function firstEndOf(facts: readonly Arrived[]): number {
  const ends = facts.filter(({ fact }) => fact.event === EVENT.result);
  const attempt = Math.max(...ends.map(({ fact }) => fact.attempt));
  const last = ends.filter(({ fact }) => fact.attempt === attempt);
  return Math.min(...last.map(({ arrived }) => Date.parse(arrived)));
}

/** As `SettlingClock` says it of files, by the times at which the lines came. */
function isSettled(endedMs: number, { latest }: TaskSummary, nowMs: number): boolean {
  return nowMs - endedMs >= LOST_SPAN_MS && nowMs - Date.parse(latest) >= SETTLE_MS;
}

/** A document as it is read from its file. */
function storedForm(document: FoldedDocuments[keyof FoldedDocuments]): JsonObject | undefined {
  return document === undefined ? undefined : parseObject(redactJson(JSON.stringify(document)));
}
