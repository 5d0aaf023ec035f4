import { higherSender, type Sender } from '../model/sender.ts';
import { isoFromMs } from '../model/time.ts';
import { arrivalOf } from './arrival.ts';
import type { Row, VictoriaLogs } from './client.ts';
import { type RowKind, rowsOfUnit } from './logsql.ts';

/** The kinds that are files of a task elsewhere. */
export const TASK_KINDS: readonly RowKind[] = ['stage', 'output', 'fact', 'span'];

/** What is stored of a task, without its lines. */
export interface TaskSummary {
  /** The sender with the most rights of all that have something in it. */
  readonly owner: Sender['kind'];
  readonly kinds: ReadonlySet<string>;
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

/** Those of the known tasks. */
export async function readSummaries(
  logs: VictoriaLogs,
  taskIds: readonly string[],
): Promise<ReadonlyMap<string, TaskSummary>> {
  const rows = await logs.rows(
    `${rowsOfUnit(TASK_KINDS, ...taskIds)} | stats by (unit, kind, sender) count() rows, ` +
      'min(at) if (at:>0) first, min(_time) earliest, max(_time) latest',
  );
  const byTask = new Map<string, Row[]>();
  for (const row of rows) {
    const own = byTask.get(row.unit ?? '');
    if (own === undefined) byTask.set(row.unit ?? '', [row]);
    else own.push(row);
  }
  return new Map([...byTask].map(([taskId, own]) => [taskId, summaryOf(own)]));
}

function summaryOf(rows: readonly Row[]): TaskSummary {
  const firsts = rows.map(({ first }) => Number(first)).filter((first) => first > 0);
  return {
    owner: ownerIn(
      rows.map(({ kind, sender, earliest }) => ({
        ...{ kind, sender: kindOf(sender) },
        earliest: arrivalOf({ _time: earliest }),
      })),
    ),
    kinds: new Set(rows.map(({ kind = '' }) => kind)),
    firstTimestamp: firsts.length === 0 ? null : isoFromMs(Math.min(...firsts)),
    latest:
      rows
        .map(({ latest }) => arrivalOf({ _time: latest }))
        .sort()
        .at(-1) ?? '',
    rows: rows.reduce((sum, row) => sum + Number(row.rows), 0),
  };
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

export function kindOf(sender: string | undefined): Sender['kind'] {
  return sender === 'agent' || sender === 'anonymous' ? sender : 'trail';
}
