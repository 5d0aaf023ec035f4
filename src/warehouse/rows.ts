import { isMark, type Sender, type SenderMark } from '../model/sender.ts';
import { firstOfText } from '../model/text.ts';
import { arrivalOf } from './arrival.ts';
import type { Row } from './client.ts';
import { givenId, storedId } from './line-order.ts';
import { APP, type RowKind, shardOf } from './logsql.ts';

/** A line as it is given to VictoriaLogs. */
export interface NewLine {
  readonly kind: RowKind;
  /** The task, the workflow, or the day of a delivery. */
  readonly unit: string;
  readonly id: string;
  /** ISO 8601; empty for none. */
  readonly timestamp: string;
  readonly sender: Sender['kind'];
  /** The whole line. Empty for the mark of a task. */
  readonly text: string;
  /** What is asked for in queries. */
  readonly fields?: Readonly<Record<string, string>>;
}

/** A line as it was read: its rows put together. */
export interface ReadLine {
  readonly kind: string;
  readonly unit: string;
  readonly id: string;
  readonly at: number;
  /** Undefined: the trail. */
  readonly sender: SenderMark | undefined;
  /** Undefined when a part of it is missing. */
  readonly text: string | undefined;
  /** When it came, as `arrivalOf`. */
  readonly arrived: string;
  readonly row: Row;
}

/**
 * UTF-16 units of a part of a line. By default VictoriaLogs leaves out rows over 256 KiB, without a word: three bytes for each, or
 * two where it is escaped, leave room for the other fields.
 */
const PART_UNITS = 49_152;

/** Fields that `readLines` needs. */
export const LINE_FIELDS =
  '_time, kind, unit, id, at, sender, run, seq, part, parts, reported, logged, name, _msg';

/** The rows of a line, one JSON object each, with their newlines. */
export function rowsOf(line: NewLine, arrivedNs: string): string {
  const { kind, unit, id, timestamp, sender, text, fields } = line;
  const parts = partsOf(text);
  const shared = {
    ...{ _time: arrivedNs, app: APP, kind, shard: shardOf(unit), unit, id: storedId(id) },
    ...{ at: String(placeOf(timestamp)), sender, bytes: String(Buffer.byteLength(text)) },
    ...{ parts: String(parts.length), ...fields },
  };
  return parts
    .map((part, index) => `${JSON.stringify({ ...shared, part: String(index), _msg: part })}\n`)
    .join('');
}

/** Milliseconds; 0 for no time. Lines are ordered by it, and by their ids. */
export function placeOf(timestamp: string): number {
  const ms = Date.parse(timestamp);
  return Number.isFinite(ms) ? ms : 0;
}

function partsOf(text: string): readonly string[] {
  // A row without a message is none for VictoriaLogs.
  if (text === '') return ['-'];
  const parts: string[] = [];
  for (let rest = text; rest !== ''; ) {
    const part = firstOfText(rest, PART_UNITS);
    parts.push(part);
    rest = rest.slice(part.length);
  }
  return parts;
}

/** The lines of these rows: each once, in their order. Rows must be all rows of their lines. */
export function readLines(rows: Iterable<Row>): readonly ReadLine[] {
  const collector = new LineCollector();
  for (const row of rows) collector.add(row);
  return collector.lines();
}

/** Copies of a line that are kept: the first one may lack a part, when VictoriaLogs was killed between two of them. */
const COPIES_MAX = 4;

/**
 * Puts lines together. Of several with one id and one sender at one time the first stays, so that memory does not grow with the
 * copies that a sender makes.
 */
export class LineCollector {
  /** The first row of each line. */
  readonly #lines = new Map<string, Row>();
  /** Of lines that have several, by line and by the time of arrival. */
  readonly #copies = new Map<string, Map<string, Row[]>>();

  add(row: Row): void {
    const { kind, unit, id, sender, at } = row;
    const line = `${kind} ${unit} ${id} ${sender} ${at}`;
    const first = this.#lines.get(line);
    if (first === undefined) {
      this.#lines.set(line, row);
      return;
    }
    let copies = this.#copies.get(line);
    if (copies === undefined) {
      copies = new Map([[arrivalOf(first), [first]]]);
      this.#copies.set(line, copies);
    }
    const arrived = arrivalOf(row);
    const copy = copies.get(arrived);
    if (copy !== undefined) {
      copy.push(row);
      return;
    }
    copies.set(arrived, [row]);
    if (copies.size > COPIES_MAX) copies.delete([...copies.keys()].sort().at(-1) ?? '');
  }

  lines(): readonly ReadLine[] {
    const lines = [...this.#lines].map(([line, first]) => {
      const copies = this.#copies.get(line);
      if (copies === undefined) return lineOf([first]);
      const read = [...copies.values()].map(lineOf).sort((a, b) => compareText(a.arrived, b.arrived));
      return read.find(({ text }) => text !== undefined) ?? read[0];
    });
    return lines.filter((line) => line !== undefined).sort(compareLines);
  }
}

/** Of the rows of one line that came at one time. */
export function lineOf(rows: readonly Row[]): ReadLine {
  const [first = {}] = rows;
  const head = rows.find((row) => row.part === '0') ?? first;
  return {
    kind: first.kind ?? '',
    unit: first.unit ?? '',
    id: givenId(first.id ?? ''),
    at: Number(first.at),
    sender: isMark(first.sender) ? first.sender : undefined,
    text: first.parts === '1' && rows.length === 1 ? first._msg : textOf(rows, Number(first.parts)),
    arrived: arrivalOf(first),
    row: head,
  };
}

function textOf(rows: readonly Row[], count: number): string | undefined {
  const parts: (string | undefined)[] = Array.from({ length: count }, () => undefined);
  for (const row of rows) parts[Number(row.part)] = row._msg;
  const isWhole = parts.length === count && parts.every((part) => part !== undefined);
  return isWhole ? parts.join('') : undefined;
}

function compareLines(a: ReadLine, b: ReadLine): number {
  return a.at - b.at || compareText(a.id, b.id) || compareText(a.row.sender ?? '', b.row.sender ?? '');
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
