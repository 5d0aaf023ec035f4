import type { JsonObject } from '../../model/json.ts';
import type { OtlpSpan } from '../../model/otlp.ts';
import { compareMarks, isMark } from '../../model/sender.ts';
import type { WorkflowDocument } from '../../model/workflow.ts';
import { parseFact } from '../../store/workflow-fact-line.ts';
import { keyOf } from '../../store/write/lines/sent-line.ts';
import { LOST_SPAN_MS } from '../../store/write/settling.ts';
import { MissingSpans, SPANS_QUIET_MS, type SpansInTasks } from '../../store/write/workflow/missing-spans.ts';
import type { VictoriaLogs } from '../client.ts';
import { givenId, storedId } from '../line-order.ts';
import { rowsOfUnit } from '../logsql.ts';
import { type FoldedWorkflow, SETTLE_MS, type WorkflowCatalog } from '../read/workflow-catalog.ts';

/** What is to be done about a workflow now. */
export interface WatchedWorkflow {
  /** Spans that no process sends. */
  readonly spans: readonly OtlpSpan[];
  /** When to look again; undefined: with the next record. Milliseconds since the epoch. */
  readonly nextMs: number | undefined;
  readonly events: readonly WatchedEvent[];
  /** Whether it has a document that has all of them. */
  readonly hasDocument: boolean;
  readonly count: WatchedCount;
}

/** What metrics count of it. */
export interface WatchedCount {
  readonly name: string | null;
  /** Approvals that it waits for. */
  readonly waiting: number;
  /** Undefined while it is not over, and while events may still become visible. */
  readonly document: WorkflowDocument | undefined;
  /** When its end came. Milliseconds; 0 without one. */
  readonly endedMs: number;
}

export interface WatchedEvent {
  readonly envelope: JsonObject;
  readonly arrivedMs: number;
}

export interface WorkflowReading {
  readonly logs: VictoriaLogs;
  readonly workflows: WorkflowCatalog;
}

/** Undefined for an unknown workflow. `nowMs`: since the epoch. */
export async function watchWorkflow(
  { logs, workflows }: WorkflowReading,
  id: string,
  nowMs: number,
): Promise<WatchedWorkflow | undefined> {
  const folded = await workflows.folded(id);
  if (folded === undefined) return undefined;
  const { fold, lines } = folded;
  const arrived = new Map(lines.map((line) => [line.id, Date.parse(line.arrived)]));
  const events = fold.envelopes.map((envelope) => ({
    envelope: { ...envelope },
    arrivedMs: arrived.get(envelope.event_id) ?? 0,
  }));
  const lastMs = Math.max(...arrived.values());
  const quietMs = lastMs + SPANS_QUIET_MS;
  const count = countOf(folded, arrived.get(fold.endId ?? '') ?? 0);
  if (nowMs < quietMs)
    return {
      spans: [],
      nextMs: quietMs,
      events,
      hasDocument: false,
      count: { ...count, document: undefined },
    };
  const overMs = fold.isOver ? (arrived.get(fold.endId ?? '') ?? 0) + LOST_SPAN_MS : undefined;
  const isOver = overMs !== undefined && nowMs >= overMs;
  const missing = new MissingSpans();
  missing.add(
    lines.flatMap(({ text }) => parseFact(text ?? '') ?? []),
    fold.owner,
  );
  const trace = await storedKeys(logs, id);
  const spans = await missing.build(fold, { trace, isInTask: spansInTasks(logs), isOver });
  const settledMs = lastMs + SETTLE_MS;
  const isSettled = nowMs >= settledMs;
  const laterMs = isOver ? undefined : overMs;
  return {
    ...{ spans, events, hasDocument: isSettled && fold.endId !== undefined },
    count: isSettled ? count : { ...count, document: undefined },
    nextMs: isSettled || fold.endId === undefined ? laterMs : Math.min(settledMs, laterMs ?? settledMs),
  };
}

function countOf({ fold }: FoldedWorkflow, endedMs: number): WatchedCount {
  const waiting = fold.isOver ? 0 : fold.openApprovals;
  return { name: fold.state.name, waiting, document: fold.document(1), endedMs };
}

async function storedKeys(logs: VictoriaLogs, workflowId: string): Promise<ReadonlySet<string>> {
  const rows = await logs.rows(`${rowsOfUnit(['workflow-span'], workflowId)} | uniq by (id, sender)`);
  return new Set(rows.map(({ id = '', sender }) => keyOf(givenId(id), isMark(sender) ? sender : undefined)));
}

function spansInTasks(logs: VictoriaLogs): SpansInTasks {
  return async (taskId, { spanId, mark }) => {
    // The id of a line of a span is that of its trace and its own.
    const end = storedId(`-${spanId}`);
    const rows = await logs.rows(`${rowsOfUnit(['span'], taskId)} id:~"${end}$" | uniq by (sender)`);
    return rows.some(({ sender }) => compareMarks(isMark(sender) ? sender : undefined, mark) <= 0);
  };
}
