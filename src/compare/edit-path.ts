/** A part of two sequences: equal, or one replaced by the other. The places behind its ends are not part of it. */
export interface Stretch {
  readonly isEqual: boolean;
  readonly aFrom: number;
  readonly aTo: number;
  readonly bFrom: number;
  readonly bTo: number;
}

export interface EditPath {
  /** In order, without a gap between them. */
  readonly stretches: readonly Stretch[];
  /** The lengths that the stretches cover. What lies behind them was too different. */
  readonly aEnd: number;
  readonly bEnd: number;
}

/**
 * Edits that are looked for. The memory is four bytes for half of their square (8 MB), the time grows with them and the length: some
 * hundredths of a second for 20,000 entries a side.
 */
const EDITS_MAX = 2_000;

/**
 * The shortest way from one sequence of numbers to the other (Myers 1986), in equal and in replaced stretches. With more than
 * `editsMax` edits it covers the longest beginning that so many edits reach.
 */
export function editPath(a: Int32Array, b: Int32Array, editsMax: number = EDITS_MAX): EditPath {
  const start = commonStart(a, b);
  const end = commonEnd(a, b, start);
  const inner = searchPath(a.subarray(start, a.length - end), b.subarray(start, b.length - end), editsMax);
  const rest: readonly Step[] = inner.isWhole ? [[end, end]] : [];
  return joined([[start, start], ...inner.steps, ...rest]);
}

/** Lengths on both sides: the same and equal, or one of them is 0. */
type Step = readonly [number, number];

function commonStart(a: Int32Array, b: Int32Array): number {
  const max = Math.min(a.length, b.length);
  let length = 0;
  while (length < max && a[length] === b[length]) length += 1;
  return length;
}

function commonEnd(a: Int32Array, b: Int32Array, start: number): number {
  const max = Math.min(a.length, b.length) - start;
  let length = 0;
  while (length < max && a[a.length - 1 - length] === b[b.length - 1 - length]) length += 1;
  return length;
}

/**
 * The places in `a` that a number of edits reaches, by diagonal: every second one from -edits to edits, between two that are
 * nowhere, so that a neighbour is always there to be read.
 */
type Reached = Int32Array;

function searchPath(
  a: Int32Array,
  b: Int32Array,
  editsMax: number,
): { readonly steps: readonly Step[]; readonly isWhole: boolean } {
  if (a.length === 0 || b.length === 0) return { steps: [[a.length, b.length]], isWhole: true };
  const reached: Reached[] = [];
  const lastDiagonal = a.length - b.length;
  for (let edits = 0; ; edits += 1) {
    const row = nextRow(a, b, reached.at(-1), edits);
    reached.push(row);
    const last = (lastDiagonal + edits) / 2 + 1;
    if (Number.isInteger(last) && row[last] === a.length)
      return { steps: stepsTo(reached, last, a, b), isWhole: true };
    if (edits === editsMax) return { steps: stepsTo(reached, furthest(row), a, b), isWhole: false };
  }
}

/** A place outside of both sequences. */
const NOWHERE = -1;

function nextRow(a: Int32Array, b: Int32Array, before: Reached | undefined, edits: number): Reached {
  const row = new Int32Array(edits + 3).fill(NOWHERE);
  for (let index = 1; index <= edits + 1; index += 1) {
    const diagonal = diagonalOf(index, edits);
    let x = before === undefined ? 0 : Math.max(viaRemoval(before, index, a), viaAddition(before, index, b));
    if (x === NOWHERE) continue;
    while (x < a.length && x - diagonal < b.length && a[x] === b[x - diagonal]) x += 1;
    row[index] = x;
  }
  return row;
}

function diagonalOf(index: number, edits: number): number {
  return 2 * (index - 1) - edits;
}

/** The place with one more entry of `a` taken out. */
function viaRemoval(before: Reached, index: number, a: Int32Array): number {
  const x = before[index - 1] ?? NOWHERE;
  return x === NOWHERE || x === a.length ? NOWHERE : x + 1;
}

/** The place with one more entry of `b` put in. */
function viaAddition(before: Reached, index: number, b: Int32Array): number {
  const x = before[index] ?? NOWHERE;
  const y = x - diagonalOf(index, before.length - 2);
  return x === NOWHERE || y > b.length ? NOWHERE : x;
}

/** Where most of both is covered; of equal ones the place that has as much of one as of the other. */
function furthest(row: Reached): number {
  const edits = row.length - 3;
  let [best, bestCovered] = [1, NOWHERE];
  for (let index = 1; index <= edits + 1; index += 1) {
    const [x, diagonal] = [row[index] ?? NOWHERE, diagonalOf(index, edits)];
    const covered = x === NOWHERE ? NOWHERE : 2 * x - diagonal;
    const isEven = Math.abs(diagonal) < Math.abs(diagonalOf(best, edits));
    if (covered < bestCovered || (covered === bestCovered && !isEven)) continue;
    [best, bestCovered] = [index, covered];
  }
  return best;
}

function stepsTo(reached: readonly Reached[], last: number, a: Int32Array, b: Int32Array): readonly Step[] {
  const steps: Step[] = [];
  let index = last;
  for (let edits = reached.length - 1; edits > 0; edits -= 1) {
    const before = reached[edits - 1] ?? new Int32Array();
    const [removal, addition] = [viaRemoval(before, index, a), viaAddition(before, index, b)];
    const equal = (reached[edits]?.[index] ?? 0) - Math.max(removal, addition);
    steps.push([equal, equal], removal >= addition ? [1, 0] : [0, 1]);
    if (removal >= addition) index -= 1;
  }
  const equal = reached[0]?.[1] ?? 0;
  return [...steps, [equal, equal] as const].reverse();
}

/** Neighbours of one kind become one stretch. */
function joined(steps: readonly Step[]): EditPath {
  const stretches: Stretch[] = [];
  let [aEnd, bEnd] = [0, 0];
  for (const [aLength, bLength] of steps) {
    if (aLength === 0 && bLength === 0) continue;
    const isEqual = aLength === bLength;
    const last = stretches.at(-1);
    const isSame = last?.isEqual === isEqual;
    const [aFrom, bFrom] = isSame ? [last.aFrom, last.bFrom] : [aEnd, bEnd];
    if (isSame) stretches.pop();
    aEnd += aLength;
    bEnd += bLength;
    stretches.push({ isEqual, aFrom, aTo: aEnd, bFrom, bTo: bEnd });
  }
  return { stretches, aEnd, bEnd };
}
