import { basename } from 'node:path';
import { isJsonObject, parseObject } from '../../model/json.ts';
import { withFile, writeWhole } from '../../system/descriptor.ts';
import { checkLease } from '../../system/lease-guard.ts';
import { openStored } from '../stored-file.ts';
import { addHash, isSameSum, type LineSum, NO_LINES } from './line-hash.ts';
import type { OffsetIndex } from './offset-index.ts';

/** Lines that stay together when a file is put in order: from `line` on, `count` of them. */
export type Run = readonly [line: number, count: number];

/** A rewriting of a line file: its lines in their new order. */
export interface Move {
  /** 1 for the first rewriting of the file. */
  readonly arrangement: number;
  /** Lines before it. */
  readonly before: number;
  /** Lines after it, and what they add up to. */
  readonly after: number;
  readonly sum: LineSum;
  /** The new order as runs of the old one; undefined when there were too many. Lines that are in no run were removed. */
  readonly runs: readonly Run[] | undefined;
}

/** A file that is written in a random order has no runs; readers of it begin again. */
const RUNS_MAX = 20_000;

/** Longer histories are not read: readers begin again. */
const BYTES_MAX = 8 * 1_048_576;

/** The runs of old line numbers in their new order. */
function runsOf(lines: readonly number[]): readonly Run[] {
  const runs: [number, number][] = [];
  for (const line of lines) {
    const last = runs.at(-1);
    if (last !== undefined && last[0] + last[1] === line) last[1] += 1;
    else runs.push([line, 1]);
  }
  return runs;
}

/** Path of the history of a line file: a line for each rewriting. Only readers that go on after it need it. */
export function movesPath(path: string): string {
  return `${path}.moves`;
}

/**
 * Writes down that a file is about to be rewritten: before, because a reader that finds the new file must find its history. A
 * failure is no failure of the file: its readers begin again.
 */
export class MoveRecorder {
  readonly #path: string;
  readonly #last: Move | undefined;
  #lines = 0;
  /** What the lines add up to that the last rewriting has left. */
  #sum = NO_LINES;

  private constructor(path: string, last: Move | undefined) {
    this.#path = path;
    this.#last = last;
  }

  static async open(path: string): Promise<MoveRecorder> {
    const moves = await readMoves(path).catch(() => []);
    return new MoveRecorder(path, moves.at(-1));
  }

  /** Takes all lines of the file in their order. Returns the number of the line. */
  add(hash: number): number {
    if (this.#lines < (this.#last?.after ?? 0)) this.#sum = addHash(this.#sum, hash);
    this.#lines += 1;
    return this.#lines - 1;
  }

  async record(lines: readonly number[], sum: LineSum): Promise<void> {
    checkLease();
    const last = this.#last;
    // A process that was killed has written down a rewriting that did not happen: this one takes its number.
    const isDone = last !== undefined && this.#lines >= last.after && isSameSum(this.#sum, last.sum);
    const runs = runsOf(lines);
    const move: Record<keyof Move, unknown> = {
      arrangement: last === undefined ? 1 : isDone ? last.arrangement + 1 : last.arrangement,
      before: this.#lines,
      after: lines.length,
      sum,
      runs: runs.length > RUNS_MAX ? null : runs,
    };
    const bytes = Buffer.from(`${JSON.stringify(move)}\n`);
    await withFile(movesPath(this.#path), 'a', (fd) => writeWhole(fd, bytes)).catch(() => undefined);
  }
}

/** The rewritings of a file, oldest first; empty without a readable history. */
export async function readMoves(path: string): Promise<readonly Move[]> {
  const opened = await openStored({ path: movesPath(path), what: basename(path) });
  if (opened === undefined) return [];
  try {
    if (opened.size > BYTES_MAX) return [];
    const moves: Move[] = [];
    for (const line of (await opened.handle.readFile('utf8')).split('\n')) {
      const move = moveOf(parseObject(line));
      if (move === undefined || move.arrangement === 0) continue;
      // The next one, or another one in the place of the last.
      if (move.arrangement < moves.length || move.arrangement > moves.length + 1) return [];
      moves[move.arrangement - 1] = move;
    }
    return moves;
  } finally {
    await opened.handle.close();
  }
}

/** Whether the history of a file is readable. Undefined without one. */
export async function checkMoves(path: string): Promise<boolean | undefined> {
  const opened = await openStored({ path: movesPath(path), what: basename(path) });
  if (opened === undefined) return undefined;
  await opened.handle.close();
  return opened.size === 0 || (await readMoves(path)).length > 0;
}

/** The rewritings that this file has had: the last one may be about to happen. */
export function movesDone(moves: readonly Move[], index: OffsetIndex): readonly Move[] {
  const done = [...moves];
  for (let last = done.at(-1); last !== undefined; last = done.at(-1)) {
    if (last.after <= index.lines && isSameSum(index.sum(last.after), last.sum)) break;
    done.pop();
  }
  return done;
}

/**
 * For each line of the present file, its number in an earlier arrangement. Undefined when that is not known. Lines that came
 * later have none.
 */
export function numbersIn(
  arrangement: number,
  moves: readonly Move[],
): ((line: number) => number | undefined) | undefined {
  if (arrangement > moves.length) return undefined;
  const steps: RunMap[] = [];
  for (const { runs } of moves.slice(arrangement).reverse()) {
    if (runs === undefined) return undefined;
    steps.push(new RunMap(runs));
  }
  return (line) => {
    let number: number | undefined = line;
    for (const step of steps) {
      number = step.oldOf(number);
      if (number === undefined) return undefined;
    }
    return number;
  };
}

/** Finds the old number of a new one. */
class RunMap {
  readonly #runs: readonly Run[];
  /** New number of the first line of each run. */
  readonly #firsts: readonly number[];
  readonly #lines: number;
  #last = 0;

  constructor(runs: readonly Run[]) {
    const firsts: number[] = [];
    let lines = 0;
    for (const [, count] of runs) {
      firsts.push(lines);
      lines += count;
    }
    this.#runs = runs;
    this.#firsts = firsts;
    this.#lines = lines;
  }

  oldOf(line: number): number | undefined {
    if (line >= this.#lines) return undefined;
    // Most come one after the other.
    const first = this.#firsts[this.#last] ?? 0;
    const [start, count] = this.#runs[this.#last] ?? [0, 0];
    if (line >= first && line < first + count) return start + line - first;
    let low = 0;
    let high = this.#firsts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#firsts[middle] ?? 0) <= line) low = middle;
      else high = middle - 1;
    }
    this.#last = low;
    return (this.#runs[low]?.[0] ?? 0) + line - (this.#firsts[low] ?? 0);
  }
}

function moveOf(value: unknown): Move | undefined {
  if (!isJsonObject(value) || !isJsonObject(value.sum)) return undefined;
  const { arrangement, before, after, runs } = value;
  const { a, b } = value.sum;
  if (![arrangement, before, after, a, b].every(isCount)) return undefined;
  const numbers = { arrangement: Number(arrangement), before: Number(before), after: Number(after) };
  const sum = { a: Number(a), b: Number(b) };
  if (!Array.isArray(runs)) return { ...numbers, sum, runs: undefined };
  // Each one is checked.
  return runs.every(isRun) ? { ...numbers, sum, runs: runs as unknown as readonly Run[] } : undefined;
}

function isRun(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && value.every(isCount);
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
