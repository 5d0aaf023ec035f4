/** A line of a diff: of both texts, of the new one, or of the old one. */
export interface DiffLine {
  readonly kind: 'same' | 'added' | 'removed';
  readonly text: string;
}

/** A part of a diff. `skipped`: unchanged lines before it that are left out. */
export interface Hunk {
  readonly skipped: number;
  readonly lines: readonly DiffLine[];
}

/** Unchanged lines around a change. */
const CONTEXT = 3;

/** Edits that are searched for. Texts with more differences are shown as one removed and one added block. */
const EDITS_MAX = 400;

/** The changed lines of a text, with the unchanged ones next to them. */
export function diffHunks(before: string, after: string): readonly Hunk[] {
  return hunksOf(lineDiff(linesOf(before), linesOf(after)));
}

export function linesOf(text: string): readonly string[] {
  if (text === '') return [];
  return text.replace(/\n$/, '').split('\n');
}

/** The shortest way from one list of lines to another (Myers 1986). */
export function lineDiff(before: readonly string[], after: readonly string[]): readonly DiffLine[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start += 1;
  let tail = 0;
  const rest = Math.min(before.length, after.length) - start;
  while (tail < rest && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  const same = (lines: readonly string[]): DiffLine[] => lines.map((text) => ({ kind: 'same', text }));
  return [
    ...same(before.slice(0, start)),
    ...changes(before.slice(start, before.length - tail), after.slice(start, after.length - tail)),
    ...same(before.slice(before.length - tail)),
  ];
}

function changes(a: readonly string[], b: readonly string[]): readonly DiffLine[] {
  const trace = searched(a, b);
  if (trace === undefined || a.length === 0 || b.length === 0) return replaced(a, b);
  const found: DiffLine[] = [];
  let x = a.length;
  let y = b.length;
  for (let d = trace.length - 1; d >= 0; d -= 1) {
    const reach = trace[d] ?? new Map<number, number>();
    const k = x - y;
    const isDown = k === -d || (k !== d && (reach.get(k - 1) ?? -1) < (reach.get(k + 1) ?? -1));
    const from = isDown ? k + 1 : k - 1;
    const fromX = d === 0 ? 0 : (reach.get(from) ?? 0);
    const fromY = d === 0 ? 0 : fromX - from;
    while (x > fromX && y > fromY) {
      x -= 1;
      y -= 1;
      found.push({ kind: 'same', text: a[x] ?? '' });
    }
    if (d === 0) break;
    if (isDown) found.push({ kind: 'added', text: b[fromY] ?? '' });
    else found.push({ kind: 'removed', text: a[fromX] ?? '' });
    x = fromX;
    y = fromY;
  }
  return found.reverse();
}

/** How far each diagonal was reached before each number of edits; undefined when there are too many. */
function searched(a: readonly string[], b: readonly string[]): readonly Map<number, number>[] | undefined {
  const trace: Map<number, number>[] = [];
  const reach = new Map<number, number>([[1, 0]]);
  for (let d = 0; d <= EDITS_MAX; d += 1) {
    trace.push(new Map(reach));
    for (let k = -d; k <= d; k += 2) {
      const down = reach.get(k + 1) ?? -1;
      const right = reach.get(k - 1) ?? -1;
      let x = k === -d || (k !== d && right < down) ? down : right + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      reach.set(k, x);
      if (x >= a.length && x - k >= b.length) return trace;
    }
  }
  return undefined;
}

function replaced(a: readonly string[], b: readonly string[]): readonly DiffLine[] {
  return [
    ...a.map((text): DiffLine => ({ kind: 'removed', text })),
    ...b.map((text): DiffLine => ({ kind: 'added', text })),
  ];
}

function hunksOf(lines: readonly DiffLine[]): readonly Hunk[] {
  const hunks: { skipped: number; lines: DiffLine[] }[] = [];
  let skipped = 0;
  const isNear = nearChange(lines);
  let isOpen = false;
  for (const [at, line] of lines.entries()) {
    if (isNear[at] !== true) {
      skipped += 1;
      isOpen = false;
      continue;
    }
    if (!isOpen) hunks.push({ skipped, lines: [] });
    isOpen = true;
    skipped = 0;
    hunks.at(-1)?.lines.push(line);
  }
  if (skipped > 0 && hunks.length > 0) hunks.push({ skipped, lines: [] });
  return hunks;
}

function nearChange(lines: readonly DiffLine[]): readonly boolean[] {
  const near = lines.map(() => false);
  for (const [at, { kind }] of lines.entries()) {
    if (kind === 'same') continue;
    for (let by = -CONTEXT; by <= CONTEXT; by += 1) if (at + by in near) near[at + by] = true;
  }
  return near;
}
