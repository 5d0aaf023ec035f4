import { type EditPath, editPath, type Stretch } from './edit-path.ts';
import type { RunEntry } from './run-record.ts';

/** What is different about an entry that both sides have; `entry` alone: only one side has it. */
export type EntryDifference = 'entry' | 'input' | 'result' | 'outcome';

/** Places in the two sides, from 0; null: the other side has no such entry. */
export interface AlignedRow {
  readonly a: number | null;
  readonly b: number | null;
  readonly differs: readonly EntryDifference[];
}

export interface Alignment {
  readonly rows: readonly AlignedRow[];
  /** How many entries at the end of a side were too different to be aligned. */
  readonly cutA: number;
  readonly cutB: number;
}

/**
 * Aligns two runs: the same calls with the same inputs first, then what lies between them by kind and name. The sides are equal:
 * swapped, the rows are swapped.
 */
export function align(a: readonly RunEntry[], b: readonly RunEntry[]): Alignment {
  const [keysA, keysB] = [a.map(keyOf), b.map(keyOf)];
  // Of several shortest ways, one is found from either side.
  if (!comesBefore(keysB, keysA)) return alignInOrder({ a, b, keysA, keysB });
  const { rows, cutA, cutB } = alignInOrder({ a: b, b: a, keysA: keysB, keysB: keysA });
  return { rows: rows.map((row) => ({ ...row, a: row.b, b: row.a })), cutA: cutB, cutB: cutA };
}

interface Sides {
  readonly a: readonly RunEntry[];
  readonly b: readonly RunEntry[];
  readonly keysA: readonly string[];
  readonly keysB: readonly string[];
}

function keyOf(entry: RunEntry): string {
  return JSON.stringify([entry.kind, entry.phase, entry.name, entry.input]);
}

function nameKeyOf({ kind, phase, name }: RunEntry): string {
  return JSON.stringify([kind, phase, name]);
}

function comesBefore(one: readonly string[], other: readonly string[]): boolean {
  const at = one.findIndex((key, index) => key !== other[index]);
  if (at < 0) return one.length < other.length;
  const [left, right] = [one[at] ?? '', other[at]];
  return right !== undefined && left < right;
}

function alignInOrder({ a, b, keysA, keysB }: Sides): Alignment {
  const numbers = new Numbers();
  const path = keptPath(editPath(numbers.of(keysA), numbers.of(keysB)), a.length, b.length);
  const names = new Numbers();
  const [namesA, namesB] = [names.of(a.map(nameKeyOf)), names.of(b.map(nameKeyOf))];
  const rows: AlignedRow[] = [];
  const addEqual = ({ aFrom, aTo, bFrom }: Stretch): void => {
    for (let at = 0; at < aTo - aFrom; at += 1) rows.push(pairOf(a, b, aFrom + at, bFrom + at));
  };
  const addReplaced = (part: Omit<Stretch, 'isEqual'>): Pick<Alignment, 'cutA' | 'cutB'> => {
    const { aFrom, aTo, bFrom, bTo } = part;
    const inner = editPath(namesA.subarray(aFrom, aTo), namesB.subarray(bFrom, bTo));
    for (const stretch of inner.stretches) {
      const moved = {
        ...{ isEqual: stretch.isEqual, aFrom: aFrom + stretch.aFrom, aTo: aFrom + stretch.aTo },
        ...{ bFrom: bFrom + stretch.bFrom, bTo: bFrom + stretch.bTo },
      };
      if (moved.isEqual) addEqual(moved);
      else rows.push(...singlesOf(moved));
    }
    return { cutA: aTo - aFrom - inner.aEnd, cutB: bTo - bFrom - inner.bEnd };
  };
  for (const stretch of path.stretches) {
    if (stretch.isEqual) addEqual(stretch);
    else addReplaced(stretch);
  }
  // What the inputs did not align is aligned by names alone.
  const cut = addReplaced({ aFrom: path.aEnd, aTo: a.length, bFrom: path.bEnd, bTo: b.length });
  return { rows, ...cut };
}

/** Of a path that does not reach the end, the last stretch that is to be replaced is only where the search has stopped. */
function keptPath(path: EditPath, lengthA: number, lengthB: number): EditPath {
  const isWhole = path.aEnd === lengthA && path.bEnd === lengthB;
  const stretches = path.stretches.slice(0, isWhole || path.stretches.at(-1)?.isEqual ? undefined : -1);
  const last = stretches.at(-1);
  return { stretches, aEnd: last?.aTo ?? 0, bEnd: last?.bTo ?? 0 };
}

function pairOf(a: readonly RunEntry[], b: readonly RunEntry[], atA: number, atB: number): AlignedRow {
  const [left, right] = [a[atA], b[atB]];
  const differs: EntryDifference[] = [];
  if (left?.input !== right?.input) differs.push('input');
  if (left?.result !== right?.result) differs.push('result');
  if (left?.isFailed !== right?.isFailed) differs.push('outcome');
  return { a: atA, b: atB, differs };
}

function singlesOf({ aFrom, aTo, bFrom, bTo }: Stretch): readonly AlignedRow[] {
  const rows: AlignedRow[] = [];
  for (let at = aFrom; at < aTo; at += 1) rows.push({ a: at, b: null, differs: ['entry'] });
  for (let at = bFrom; at < bTo; at += 1) rows.push({ a: null, b: at, differs: ['entry'] });
  return rows;
}

/** A number for each text. */
class Numbers {
  readonly #known = new Map<string, number>();

  of(texts: readonly string[]): Int32Array {
    return Int32Array.from(texts, (text) => {
      const number = this.#known.get(text) ?? this.#known.size;
      this.#known.set(text, number);
      return number;
    });
  }
}
