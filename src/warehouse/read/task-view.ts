import { LRUCache } from 'lru-cache';
import { EVENT } from '../../model/events.ts';
import { type JsonObject, parseJson, parseObject } from '../../model/json.ts';
import type { TaskDocument } from '../../model/task-reading.ts';
import type { FactLine } from '../../project/change.ts';
import { TaskFold } from '../../project/fold.ts';
import type { GenAiSpan } from '../../project/genai/call-span.ts';
import { redactJson } from '../../redact/redact.ts';
import { isFactLine } from '../../store/write/lines/fact-line.ts';
import { LOST_SPAN_MS } from '../../store/write/settling.ts';
import { type FoldedDocuments, foldedDocuments } from '../../store/write/task/folded-documents.ts';
import { TaskTelemetry } from '../../store/write/task/task-telemetry.ts';
import { arrivalOf } from '../arrival.ts';
import type { VictoriaLogs } from '../client.ts';
import { rowsOfUnit } from '../logsql.ts';
import { LINE_FIELDS, readLines } from '../rows.ts';
import { readSummary, type TaskSummary } from '../task-summary.ts';

/** As in files: a task has settled after this much quiet. */
const SETTLE_MS = 2_000;

/** Folded tasks in memory, and how long one is used again: one request of a client reads several documents of a task. */
const VIEWS_MAX = 256;
const VIEW_MS = 250;

/** A task as its lines give it. */
export interface TaskView {
  readonly summary: TaskSummary;
  readonly facts: readonly FactLine[];
  /** When the first end of the newest attempt that has one came; undefined while the task is not over. Milliseconds. */
  readonly endedMs: number | undefined;
  /** When a fact came. Milliseconds. */
  arrivedMs(fact: FactLine): number;
  /** Undefined for a document that the task does not have. */
  document(name: TaskDocument): JsonObject | undefined;
}

const NAMES = { metadata: 'metadata', input: 'input', 'final-result': 'finalResult' } as const;

/** Folds tasks. */
export class TaskViews {
  readonly #logs: VictoriaLogs;
  readonly #now: () => number;
  readonly #keepMs: number;
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
    const view = readView(this.#logs, taskId, this.#now());
    this.#views.set(taskId, { atMs: performance.now(), view });
    view.catch(() => this.#views.delete(taskId));
    return view;
  }
}

async function readView(logs: VictoriaLogs, taskId: string, nowMs: number): Promise<TaskView | undefined> {
  const summary = await readSummary(logs, taskId);
  if (summary === undefined) return undefined;
  const texts = `${rowsOfUnit(['fact', 'output'], taskId)} (kind:=fact or logged:=1) | fields ${LINE_FIELDS}`;
  const [lines, spans] = await Promise.all([
    logs.rows(texts).then(readLines),
    summary.kinds.has('span') ? readSpans(logs, taskId) : [],
  ]);
  const fold = new TaskFold(taskId);
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
  if (summary.owner !== 'anonymous') {
    fold.claim();
    telemetry.claim();
  }
  const endedMs = fold.isTerminal ? endOf(facts) : undefined;
  const documents = foldedDocuments({
    ...{ fold, telemetry, firstTimestamp: summary.firstTimestamp, owner: summary.owner, droppedSpans: 0 },
    isSettled: endedMs !== undefined && isSettled(endedMs, summary, nowMs),
  });
  return {
    summary,
    facts: facts.map(({ fact }) => fact),
    endedMs,
    arrivedMs: (fact) => Date.parse(facts.find((one) => one.fact === fact)?.arrived ?? ''),
    document: (name) => storedForm(documents[NAMES[name]]),
  };
}

/** What spans say of models and tokens: the lines themselves are not read. */
async function readSpans(logs: VictoriaLogs, taskId: string): Promise<readonly GenAiSpan[]> {
  const spans: { readonly arrived: string; readonly span: GenAiSpan }[] = [];
  for await (const row of logs.query(
    `${rowsOfUnit(['span'], taskId)} part:=0 genai:* | fields _time, genai`,
  )) {
    const span = parseObject(row.genai);
    // Written by the sink, as a whole.
    if (span !== undefined) spans.push({ arrived: arrivalOf(row), span: span as unknown as GenAiSpan });
  }
  return spans.sort((a, b) => (a.arrived < b.arrived ? -1 : 1)).map(({ span }) => span);
}

interface Arrived {
  readonly fact: FactLine;
  readonly arrived: string;
}

function endOf(facts: readonly Arrived[]): number {
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
