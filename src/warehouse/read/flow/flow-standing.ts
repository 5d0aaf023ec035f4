import { parseObject } from '../../../model/json.ts';
import { compareMarks, isMark } from '../../../model/sender.ts';
import type { TaskLine } from '../../../project/change.ts';
import { TaskTelemetry } from '../../../store/write/task/task-telemetry.ts';
import { arrivalOf } from '../../arrival.ts';
import type { Row } from '../../client.ts';
import { givenId, type Place } from '../../line-order.ts';
import type { RowKind } from '../../logsql.ts';

/**
 * Kinds of which a copy of each sender stays. Of spans, because the one of a forger must not hide the other; of facts and events,
 * because the folds decide.
 */
export const KEPT_OF_EACH: ReadonlySet<string> = new Set<RowKind>(['span', 'workflow-span', 'fact', 'event']);

/** Fields that `dropReported` needs beside those of a line. */
export const CALL_FIELDS = 'call, type';

/** Which lines of a flow stand for others. */
export class FlowStanding {
  /** Lines that another one stands for. */
  readonly dropped: Map<string, Place> = new Map();
  /** Names of tools that only the line of the call has. */
  readonly names: Map<string, string> = new Map();
  readonly #isOfEach: boolean;

  constructor(kind: string) {
    this.#isOfEach = KEPT_OF_EACH.has(kind);
  }

  /** Rows of one id at several times or from several senders; others may be among them. First parts only. */
  dropCopies(rows: readonly Row[]): void {
    const best = new Map<string, Row>();
    for (const row of [...rows].sort(compareCopies)) {
      const record = this.#isOfEach ? `${row.id} ${row.sender}` : (row.id ?? '');
      const stands = best.get(record);
      if (stands === undefined) best.set(record, row);
      else if (keyOf(row) !== keyOf(stands)) this.#drop(row);
    }
  }

  /** Tool calls and results that telemetry reports, and which the agent's output has as well. First parts of rows with a call. */
  dropReported(rows: readonly Row[]): void {
    const telemetry = new TaskTelemetry();
    const places = new Map<string, string>();
    const byKey = new Map<string, Row>();
    // In the order in which they came.
    for (const row of [...rows].sort((a, b) => (arrivalOf(a) < arrivalOf(b) ? -1 : 1))) {
      const key = keyOf(row);
      if (byKey.has(key) || this.dropped.has(key)) continue;
      byKey.set(key, row);
      const line = callLine(row);
      const isReported = row.reported === '1';
      const stored = telemetry.lineOf(line, isReported);
      if (stored === 'known') this.#drop(row);
      if (typeof stored === 'string') continue;
      places.set(stored.id, key);
      const name = parseObject(stored.text)?.tool_name;
      if (isReported && typeof name === 'string' && line.tool_name === undefined) this.names.set(key, name);
    }
    for (const id of telemetry.takeSuperseded()) {
      const key = places.get(id);
      const row = key === undefined ? undefined : byKey.get(key);
      if (row !== undefined) this.#drop(row);
    }
  }

  #drop(row: Row): void {
    this.dropped.set(keyOf(row), { at: Number(row.at), id: row.id ?? '' });
  }
}

/** Of a line: its record, its sender and its time. */
export function keyOf({ at, id, sender }: Row): string {
  return `${at} ${id} ${sender}`;
}

/** The sender with the most rights first, then the copy that came first. */
function compareCopies(a: Row, b: Row): number {
  const [one, other] = [a.sender, b.sender].map((sender) => (isMark(sender) ? sender : undefined));
  return compareMarks(one, other) || (arrivalOf(a) < arrivalOf(b) ? -1 : 1);
}

/** As much of a line as decides which one stands for the others. */
function callLine({ id = '', call, type, name, sender, reported }: Row): TaskLine {
  return {
    timestamp: '',
    event_id: givenId(id),
    type: type ?? '',
    tool_use_id: call ?? '',
    ...(name !== undefined && { tool_name: name }),
    ...(reported === '1' && { source: 'telemetry' }),
    ...(isMark(sender) && { sender }),
  };
}
