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
import { byUnit, groupsByBytes, UnitTurns } from './unit-turns.ts';

/** As in files: a task has settled after this much quiet. */
const SETTLE_MS = 2_000;

/** Folded tasks in memory, and how long one is used again: one request of a client reads several documents of a task. */
const VIEWS_MAX = 256;
const VIEW_MS = 250;

/** Bytes of the facts of one query: a fold of each task is made before the next ones are read. */
const FACT_BYTES_MAX = 8 * 1_048_576;

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

export interface TaskViewsOptions {
  readonly keepMs?: number | undefined;
  readonly viewsMax?: number;
  /** LogsQL that all rows of these tasks match: their time. */
  timeOf?(taskIds: readonly string[]): string;
}

const NAMES = { metadata: 'metadata', input: 'input', 'final-result': 'finalResult' } as const;

/** Folds tasks. */
export class TaskViews {
  readonly #keepMs: number;
  /** Calls of one turn share their queries. */
  readonly #turns: UnitTurns<TaskView>;
  readonly #views: LRUCache<string, { readonly atMs: number; readonly view: Promise<TaskView | undefined> }>;

  /** `now`: milliseconds since the epoch. */
  constructor(logs: VictoriaLogs, now: () => number, options: TaskViewsOptions = {}) {
    const { keepMs = VIEW_MS, viewsMax = VIEWS_MAX, timeOf = () => '' } = options;
    this.#keepMs = keepMs;
    this.#views = new LRUCache({ max: viewsMax });
    this.#turns = new UnitTurns((ids) => readViews({ logs, ids, time: timeOf(ids), nowMs: now() }));
  }

  /** Undefined for an unknown task. */
  read(taskId: string): Promise<TaskView | undefined> {
    const known = this.#views.get(taskId);
    if (known !== undefined && performance.now() - known.atMs < this.#keepMs) return known.view;
    return this.readNow(taskId);
  }

  /** As it is now, also when it was read before. */
  readNow(taskId: string): Promise<TaskView | undefined> {
    const view = this.#turns.read(taskId);
    this.#views.set(taskId, { atMs: performance.now(), view });
    view.catch(() => this.#views.delete(taskId));
    return view;
  }

  /** The next call reads it again. */
  forget(taskId: string): void {
    this.#views.delete(taskId);
  }
}

interface ViewsQuery {
  readonly logs: VictoriaLogs;
  readonly ids: readonly string[];
  readonly time: string;
  readonly nowMs: number;
}

async function readViews({ logs, ids, time, nowMs }: ViewsQuery): Promise<ReadonlyMap<string, TaskView>> {
  const summaries = await readSummaries(logs, ids, time);
  const views = new Map<string, TaskView>();
  for (const group of groupsByBytes(
    [...summaries],
    ([, { kinds }]) => kinds.get('fact') ?? 0,
    FACT_BYTES_MAX,
  )) {
    const known = group.map(([id]) => id);
    const withSpans = group.flatMap(([id, { kinds }]) => (kinds.has('span') ? id : []));
    const scope = `${time} ${rowsOfUnit(['fact', 'output'], ...known)}`;
    const [lines, spans] = await Promise.all([
      logs.rows(`${scope} (kind:=fact or logged:=1) | fields ${LINE_FIELDS}`).then(byUnit),
      withSpans.length === 0 ? new Map<string, readonly GenAiSpan[]>() : readSpans(logs, withSpans, time),
    ]);
    for (const [id, summary] of group)
      views.set(
        id,
        viewOf({ id, summary, lines: readLines(lines.get(id) ?? []), spans: spans.get(id) ?? [], nowMs }),
      );
  }
  return views;
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
  time: string,
): Promise<ReadonlyMap<string, readonly GenAiSpan[]>> {
  const rows = await logs.rows(
    `${time} ${rowsOfUnit(['span'], ...ids)} part:=0 genai:* | fields _time, unit, genai`,
  );
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
