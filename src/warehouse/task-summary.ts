import { higherSender, type Sender } from '../model/sender.ts';
import { isoFromMs } from '../model/time.ts';
import { arrivalOf } from './arrival.ts';
import type { Row, VictoriaLogs } from './client.ts';
import { type RowKind, rowsOfUnit } from './logsql.ts';
import { kindOf, MarkedPlace } from './marked-place.ts';

/** The kinds that are files of a task elsewhere. */
export const TASK_KINDS: readonly RowKind[] = ['stage', 'output', 'fact', 'span'];

/** What a row takes in memory beside its text. */
const ROW_BYTES = 512;

/** What is stored of a task, without its lines. */
export interface TaskSummary {
  /** The sender with the most rights of all that have something in it. */
  readonly owner: Sender['kind'];
  /** With the memory that their lines take, about: their bytes, and more for each row. */
  readonly kinds: ReadonlyMap<string, number>;
  /** ISO 8601: its place in the order of creation; empty for none. Undefined without a mark. */
  readonly at: string | undefined;
  /** ISO 8601: the earliest time of a line; null when none has one. */
  readonly firstTimestamp: string | null;
  /** When its last line came, as `arrivalOf`. */
  readonly latest: string;
  /** Rows, repeats included: with `latest` it changes with each line. */
  readonly rows: number;
}

/** Undefined for an unknown task. */
export async function readSummary(logs: VictoriaLogs, taskId: string): Promise<TaskSummary | undefined> {
  return (await readSummaries(logs, [taskId])).get(taskId);
}

/** Those of the known tasks. `time`: LogsQL that all their rows match. */
export async function readSummaries(
  logs: VictoriaLogs,
  taskIds: readonly string[],
  time = '',
): Promise<ReadonlyMap<string, TaskSummary>> {
  const rows = await logs.rows(
    `${time} ${rowsOfUnit([...TASK_KINDS, 'task'], ...taskIds)} | stats by (unit, kind, sender) count() rows, ` +
      'min(at) if (at:>0) first, min(_time) earliest, max(_time) latest, sum(bytes) if (part:=0) bytes, ' +
      'min(first) marked, min(created) created',
  );
  const byTask = new Map<string, Row[]>();
  for (const row of rows) {
    const own = byTask.get(row.unit ?? '');
    if (own === undefined) byTask.set(row.unit ?? '', [row]);
    else own.push(row);
  }
  const summaries = new Map<string, TaskSummary>();
  for (const [taskId, own] of byTask) {
    const marks = own.filter(({ kind }) => kind === 'task');
    if (marks.length < own.length)
      summaries.set(
        taskId,
        summaryOf(
          own.filter(({ kind }) => kind !== 'task'),
          marks,
        ),
      );
  }
  return summaries;
}

function summaryOf(rows: readonly Row[], marks: readonly Row[]): TaskSummary {
  const firsts = rows.map(({ first }) => Number(first)).filter((first) => first > 0);
  return {
    owner: ownerIn(
      rows.map(({ kind, sender, earliest }) => ({
        ...{ kind, sender: kindOf(sender) },
        earliest: arrivalOf({ _time: earliest }),
      })),
    ),
    kinds: sizes(rows),
    at: placeIn(marks),
    firstTimestamp: firsts.length === 0 ? null : isoFromMs(Math.min(...firsts)),
    latest:
      rows
        .map(({ latest }) => arrivalOf({ _time: latest }))
        .sort()
        .at(-1) ?? '',
    rows: rows.reduce((sum, row) => sum + Number(row.rows), 0),
  };
}

function sizes(rows: readonly Row[]): ReadonlyMap<string, number> {
  const kinds = new Map<string, number>();
  for (const { kind = '', rows: count, bytes } of rows)
    kinds.set(kind, (kinds.get(kind) ?? 0) + Number(bytes) + Number(count) * ROW_BYTES);
  return kinds;
}

function placeIn(marks: readonly Row[]): string | undefined {
  const place = new MarkedPlace('');
  for (const mark of marks) place.add({ ...mark, first: mark.marked });
  return marks.length === 0 ? undefined : place.at;
}

interface SenderRows {
  readonly kind: string | undefined;
  readonly sender: Sender['kind'];
  readonly earliest: string;
}

/** A span is the trail's also in a task of another sender, for which it was completed: it counts only where it came first. */
function ownerIn(rows: readonly SenderRows[]): Sender['kind'] {
  const lines = rows.filter(({ kind }) => kind !== 'span');
  const first = lines.reduce(
    (earliest, row) => (row.earliest < earliest ? row.earliest : earliest),
    '\uffff',
  );
  const counted = [...lines, ...rows.filter((row) => row.kind === 'span' && row.earliest < first)];
  return counted.reduce<Sender['kind']>((owner, { sender }) => higherSender(owner, sender), 'anonymous');
}
