import type { Metadata } from '../../model/documents.ts';
import { EVENT } from '../../model/events.ts';
import type { JsonObject } from '../../model/json.ts';
import type { OtlpSpan } from '../../model/otlp.ts';
import { isMark } from '../../model/sender.ts';
import { isoFromMs } from '../../model/time.ts';
import { AnnouncedSpans, spanKey } from '../../project/announced-spans.ts';
import { TaskFold } from '../../project/fold.ts';
import { hasSent, keyOf } from '../../store/write/lines/sent-line.ts';
import { type TaskState, taskStateOf } from '../../store/write/liveness.ts';
import { LOST_SPAN_MS } from '../../store/write/settling.ts';
import { markedSpan } from '../../store/write/task/task-owner.ts';
import type { VictoriaLogs } from '../client.ts';
import { givenId, storedId } from '../line-order.ts';
import { isOneOf, rowsOfUnit } from '../logsql.ts';
import type { TaskEndDocuments, TaskView, TaskViews } from '../read/task-view.ts';

/** Ids of one query: its text is at most 16 KiB long. */
const IDS_MAX = 50;

/** What is to be done about a task now. */
export interface WatchedTask {
  readonly state: TaskState;
  readonly metadata: JsonObject;
  /** Spans that no process sends. */
  readonly spans: readonly OtlpSpan[];
  /** When to look again; undefined: with the next record. Milliseconds since the epoch. */
  readonly nextMs: number | undefined;
  /** The documents that the ends in its facts have made, with when the last fact of each came. */
  readonly ends: readonly WatchedEnd[];
}

export interface WatchedEnd {
  readonly metadata: JsonObject;
  readonly arrivedMs: number;
  /** When its first one came. */
  readonly firstMs: number;
  /** Undefined: it is not over for the metrics, such as one that was opened again. */
  readonly documents: TaskEndDocuments | undefined;
}

export interface TaskReading {
  readonly logs: VictoriaLogs;
  readonly views: TaskViews;
}

/** Undefined for an unknown task. `nowMs`: since the epoch. */
export async function watchTask(
  { logs, views }: TaskReading,
  taskId: string,
  nowMs: number,
): Promise<WatchedTask | undefined> {
  const view = await views.read(taskId);
  const metadata = view?.document('metadata');
  if (view === undefined || metadata === undefined) return undefined;
  const { owner } = view.summary;
  const mark = isMark(owner) ? owner : undefined;
  const overMs = view.endedMs === undefined ? undefined : view.endedMs + LOST_SPAN_MS;
  const isOver = overMs !== undefined && nowMs >= overMs;
  const spans = await missingSpans(logs, taskId, { view, isOver });
  return {
    // Its fields were checked when it was folded.
    state: taskStateOf(metadata as JsonObject & Metadata, mark),
    metadata,
    spans: mark === undefined ? spans : spans.map((span) => markedSpan(span, mark)),
    nextMs: isOver ? undefined : overMs,
    ends: endsOf(taskId, view),
  };
}

async function missingSpans(
  logs: VictoriaLogs,
  taskId: string,
  { view, isOver }: { readonly view: TaskView; readonly isOver: boolean },
): Promise<readonly OtlpSpan[]> {
  const spans = new AnnouncedSpans();
  const keys = new Set<string>();
  for (const fact of view.facts) {
    spans.add(fact);
    // While a task runs, only spans whose end asks for it are built.
    const isSought = fact.derive !== undefined || (isOver && fact.span !== undefined);
    if (isSought && fact.trace_id !== null && fact.span_id !== null)
      keys.add(spanKey(fact.trace_id, fact.span_id));
  }
  if (view.summary.owner !== 'anonymous') spans.claim();
  if (keys.size === 0) return [];
  const stored = await storedKeys(logs, taskId, [...keys]);
  // For a span that the trail announced, the trail's own.
  const hasArrived = (key: string): boolean =>
    spans.isTrails(key) ? stored.has(key) : hasSent(stored, key, 'anonymous');
  const isMissing = [...keys].some((key) => !hasArrived(key));
  if (!isMissing) return [];
  return spans.build({ hasArrived, isOver, lastTimestamp: await lastTimestampOf(logs, taskId) });
}

async function storedKeys(
  logs: VictoriaLogs,
  taskId: string,
  keys: readonly string[],
): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (let at = 0; at < keys.length; at += IDS_MAX) {
    const ids = keys.slice(at, at + IDS_MAX).map(storedId);
    const query = `${rowsOfUnit(['span'], taskId)} part:=0 ${isOneOf('id', ids)} | uniq by (id, sender)`;
    for (const { id = '', sender } of await logs.rows(query))
      found.add(keyOf(givenId(id), isMark(sender) ? sender : undefined));
  }
  return found;
}

/** The latest time of a fact or a line; empty without them. */
async function lastTimestampOf(logs: VictoriaLogs, taskId: string): Promise<string> {
  const [row] = await logs.rows(`${rowsOfUnit(['stage', 'output', 'fact'], taskId)} | stats max(at) last`);
  const ms = Number(row?.last);
  return ms > 0 ? isoFromMs(ms) : '';
}

/** Each attempt that has ended: an `abandoned` one may be followed by the next attempt before the next look. */
function endsOf(taskId: string, view: TaskView): readonly WatchedEnd[] {
  const isClaimed = view.summary.owner !== 'anonymous';
  const results = view.facts.filter(
    ({ event, sender }) => event === EVENT.result && !(isClaimed && sender === 'anonymous'),
  );
  const attempts = [...new Set(results.map(({ attempt }) => attempt))].sort((a, b) => a - b);
  return attempts.map((attempt) => {
    const fold = new TaskFold(taskId);
    for (const fact of view.facts) if (fact.attempt <= attempt) fold.add(fact);
    if (isClaimed) fold.claim();
    const { status, completed_at } = fold.metadata(null);
    const came = results.filter((fact) => fact.attempt === attempt).map((fact) => view.arrivedMs(fact));
    return {
      metadata: { status, attempt, completed_at },
      arrivedMs: Math.max(...came),
      firstMs: Math.min(...came),
      documents: view.endOf(attempt),
    };
  });
}
