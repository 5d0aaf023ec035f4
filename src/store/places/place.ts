import { isTurnOver, nextTurn } from '../../system/turns.ts';
import { addHash, isSameSum, type LineSum, NO_LINES } from './line-hash.ts';
import { type Move, numbersIn } from './moves.ts';
import type { OffsetIndex } from './offset-index.ts';

/** The first lines of a file as it was arranged after some rewriting. */
export interface Prefix {
  readonly arrangement: number;
  readonly lines: number;
}

/** Which lines of a file a reader has passed: those of all prefixes, and what they add up to. */
export interface Place {
  readonly prefixes: readonly Prefix[];
  readonly sum: LineSum;
}

export const BEGINNING: Place = { prefixes: [], sum: NO_LINES };

/** More than the store rewrites a file while a reader walks through what one rewriting has left. */
const PREFIXES_MAX = 8;

/** Lines between two looks at the clock. */
const STEP_LINES = 4_096;

/** Where a reader goes on in the present file. */
export interface Resumption {
  /** The first line that was not passed. */
  readonly line: number;
  /** Whether a later line was passed too. Undefined: none was. */
  readonly isPassed: ((line: number) => boolean) | undefined;
  /** From this line on none was passed. */
  readonly until: number;
  readonly place: Place;
}

/** As text for ids: numbers in base 36. */
export function placeText({ prefixes, sum }: Place): string {
  if (prefixes.length === 0) return '';
  const parts = prefixes.map(({ arrangement, lines }) => `${text(arrangement)}_${text(lines)}`);
  return `${parts.join('_')}_${text(sum.a)}_${text(sum.b)}`;
}

/** Undefined for a text that `placeText` has not made. */
export function parsePlace(given: string): Place | undefined {
  if (given === '') return BEGINNING;
  const numbers = given.split('_').map(numberOf);
  if (numbers.length % 2 !== 0 || numbers.length < 4 || numbers.length > 2 * PREFIXES_MAX + 2)
    return undefined;
  if (numbers.some((number) => !Number.isSafeInteger(number))) return undefined;
  const [a = 0, b = 0] = numbers.slice(-2);
  const prefixes: Prefix[] = [];
  for (let at = 0; at < numbers.length - 2; at += 2)
    prefixes.push({ arrangement: numbers[at] ?? 0, lines: numbers[at + 1] ?? 0 });
  return { prefixes, sum: { a, b } };
}

/**
 * Finds a place in the present file, which has had these rewritings. Undefined when what was passed there cannot be told.
 */
export async function resume(
  place: Place,
  index: OffsetIndex,
  moves: readonly Move[],
): Promise<Resumption | undefined> {
  const present = moves.length;
  const [first] = place.prefixes;
  if (first === undefined) return { line: 0, isPassed: undefined, until: 0, place };
  // Whatever happened: the same lines in front are the lines that were passed.
  if (
    place.prefixes.length === 1 &&
    first.lines <= index.lines &&
    isSameSum(index.sum(first.lines), place.sum)
  )
    return {
      line: first.lines,
      isPassed: undefined,
      until: first.lines,
      place: { prefixes: [{ arrangement: present, lines: first.lines }], sum: place.sum },
    };
  return moved(place, index, moves);
}

async function moved(
  place: Place,
  index: OffsetIndex,
  moves: readonly Move[],
): Promise<Resumption | undefined> {
  const passes: ((line: number) => boolean)[] = [];
  for (const { arrangement, lines } of place.prefixes) {
    const numberOfLine = numbersIn(arrangement, moves);
    if (numberOfLine === undefined) return undefined;
    passes.push((line) => (numberOfLine(line) ?? Number.POSITIVE_INFINITY) < lines);
  }
  const isPassed = (line: number): boolean => passes.some((passed) => passed(line));
  const { line, until, sum } = await passedIn(index, isPassed);
  // Where lines were removed, what is left cannot add up to the same.
  const isShort = place.prefixes.some(({ arrangement }) => moves.slice(arrangement).some(hasRemoved));
  if (!isShort && !isSameSum(sum, place.sum)) return undefined;
  const prefix = { arrangement: moves.length, lines: line };
  if (until === line) return { line, isPassed: undefined, until, place: { prefixes: [prefix], sum } };
  return { line, isPassed, until, place: { prefixes: merged(place.prefixes, prefix), sum } };
}

/** The first line that was not passed, the one from which on none was, and what those that were add up to. */
async function passedIn(
  index: OffsetIndex,
  isPassed: (line: number) => boolean,
): Promise<{ readonly line: number; readonly until: number; readonly sum: LineSum }> {
  const { lines } = index;
  let first = lines;
  let until = 0;
  let sum = NO_LINES;
  for (let line = 0; line < lines; line += 1) {
    if (line % STEP_LINES === 0 && isTurnOver()) await nextTurn();
    if (isPassed(line)) {
      sum = addHash(sum, index.hashAt(line));
      until = line + 1;
    } else if (first === lines) first = line;
  }
  return { line: first, until: Math.max(first, until), sum };
}

/** The prefixes, with that of the present arrangement as the last one. */
export function merged(prefixes: readonly Prefix[], present: Prefix): readonly Prefix[] {
  const older = prefixes.filter(({ arrangement }) => arrangement !== present.arrangement);
  return [...older.slice(1 - PREFIXES_MAX), present];
}

function hasRemoved({ before, after }: Move): boolean {
  return after < before;
}

function text(number: number): string {
  return number.toString(36);
}

function numberOf(word: string): number {
  return /^[0-9a-z]{1,11}$/.test(word) ? Number.parseInt(word, 36) : Number.NaN;
}
