import type { JsonObject } from '../model/json.ts';
import { type AlignedRow, align } from './alignment.ts';
import type { CompareReader } from './compare-reader.ts';
import { differencesOf } from './differences.ts';
import { type RunName, type RunWords, readRun } from './read-run.ts';
import type { RunEntry, RunRecord } from './run-record.ts';

/** Rows of an answer, each of some hundred bytes. */
const ROWS_MAX = 1_000;

const DIFFERENCES_MAX = 1_000;

export const COMPARED_ROWS = ['different', 'all'] as const;
export type ComparedRows = (typeof COMPARED_ROWS)[number];

/** What is compared, in snake_case as an answer shows it. Swapped sides give the same with `a` and `b` swapped. */
export interface Comparison {
  readonly a: JsonObject;
  readonly b: JsonObject;
  /** The first aligned row that differs. */
  readonly first_divergence: JsonObject | null;
  readonly differences: readonly JsonObject[];
  readonly differences_left_out: number;
  /** The runs side by side. */
  readonly rows: readonly JsonObject[];
  readonly rows_left_out: number;
  /** Entries of each side that are not in the comparison: too many, or too different from the other side. Null: none. */
  readonly cut: { readonly a: number; readonly b: number } | null;
}

export interface CompareOptions {
  readonly signal: AbortSignal;
  /** Default `different`. */
  readonly rows?: ComparedRows | undefined;
  /** How messages name the sides. */
  readonly words?: { readonly a: RunWords; readonly b: RunWords } | undefined;
}

const NO_WORDS: RunWords = { task: '', attempt: '' };

/** Reads two runs and compares them. Throws `ERR_NOT_FOUND` for a task or an attempt that there is not. */
export async function compareRuns(
  reader: CompareReader,
  [a, b]: readonly [RunName, RunName],
  { signal, rows, words = { a: NO_WORDS, b: NO_WORDS } }: CompareOptions,
): Promise<Comparison> {
  const left = await readRun(reader, a, { words: words.a, signal });
  // The same run is read once: it may be running, and go on between two readings.
  const isSame = a.taskId === b.taskId && (b.attempt ?? left.attempt) === left.attempt;
  const right = isSame ? left : await readRun(reader, b, { words: words.b, signal });
  return compareRecords(left, right, rows);
}

/** Compares what was read. Pure. */
export function compareRecords(a: RunRecord, b: RunRecord, wanted: ComparedRows = 'different'): Comparison {
  const { rows, cutA, cutB } = align(a.entries, b.entries);
  const differences = differencesOf(a, b);
  const numbered = rows.map((row, at) => ({ row, number: at + 1 }));
  const first = numbered.find(({ row }) => row.differs.length > 0);
  const kept = wanted === 'all' ? numbered : numbered.filter(({ row }) => row.differs.length > 0);
  const show = ({ row, number }: { row: AlignedRow; number: number }): JsonObject =>
    shownRow(row, number, a, b);
  const cut = { a: cutA + a.leftOut, b: cutB + b.leftOut };
  return {
    a: sideOf(a),
    b: sideOf(b),
    first_divergence: first === undefined ? null : show(first),
    differences: differences.slice(0, DIFFERENCES_MAX),
    differences_left_out: Math.max(0, differences.length - DIFFERENCES_MAX),
    rows: kept.slice(0, ROWS_MAX).map(show),
    rows_left_out: Math.max(0, kept.length - ROWS_MAX),
    cut: cut.a === 0 && cut.b === 0 ? null : cut,
  };
}

function sideOf({ taskId, attempt, status, entries, amountsFrom }: RunRecord): JsonObject {
  return { task_id: taskId, attempt, status, entries: entries.length, amounts_from: amountsFrom };
}

function shownRow(
  { a, b, differs }: AlignedRow,
  number: number,
  left: RunRecord,
  right: RunRecord,
): JsonObject {
  return { number, differs: [...differs], a: shownEntry(left.entries, a), b: shownEntry(right.entries, b) };
}

function shownEntry(entries: readonly RunEntry[], at: number | null): JsonObject | null {
  const entry = at === null ? undefined : entries[at];
  if (at === null || entry === undefined) return null;
  const { kind, name, phase, seconds, isFailed, eventId } = entry;
  return {
    number: at + 1,
    kind,
    name,
    ...(kind === 'step' && { phase }),
    ...{ at: entry.at, seconds, failed: isFailed },
    ...(eventId !== null && { event_id: eventId }),
  };
}
