import { duration } from '../../ui/format.ts';
import type { SpanNode } from './span-tree.ts';

/** Maps times to 0..1. Folded idle times have a small width of their own. */
export interface TimeScale {
  readonly startMs: number;
  readonly endMs: number;
  /** Idle times that are folded. */
  readonly folds: readonly Fold[];
  at(ms: number): number;
}

export interface Fold {
  readonly startMs: number;
  readonly endMs: number;
}

/** An idle time is folded from this part of the whole on, and from ten seconds on. */
const FOLD_PART = 0.05;
const FOLD_MS_MIN = 10_000;

/** Width of a folded idle time, as a part of the whole. */
const FOLD_WIDTH = 0.02;

/** Times from `startMs` to `endMs`, milliseconds since 1970. */
export interface Period {
  readonly startMs: number;
  readonly endMs: number;
}

export interface ScaleOptions {
  readonly isFolded: boolean;
  /** What is before or after it lies at the edge: one span that says 1970 does not make all others a dot. */
  readonly within?: Period | undefined;
}

/** `nowMs`: the end of open spans. */
export function scaleOf(all: readonly SpanNode[], nowMs: number, options: ScaleOptions): TimeScale {
  const { isFolded, within } = options;
  const rows = within === undefined ? all : clipped(all, nowMs, within);
  let [startMs, endMs] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { startMs: from, endMs: to = nowMs } of rows) {
    startMs = Math.min(startMs, from);
    endMs = Math.max(endMs, to, from);
  }
  if (!(startMs < endMs)) {
    startMs = Number.isFinite(startMs) ? startMs : nowMs;
    endMs = startMs + 1;
  }
  const folds = isFolded ? idleTimes(rows, nowMs, endMs - startMs) : [];
  return { startMs, endMs, folds, at: mapping(startMs, endMs, folds) };
}

/** Between the first and the last time in the period. All, when no time is in it. */
function clipped(all: readonly SpanNode[], nowMs: number, period: Period): readonly SpanNode[] {
  let [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { startMs, endMs = nowMs } of all)
    for (const ms of [startMs, endMs]) {
      if (ms < period.startMs || ms > period.endMs) continue;
      first = Math.min(first, ms);
      last = Math.max(last, ms);
    }
  if (first > last) return all;
  return all
    .filter((row) => row.startMs <= last && (row.endMs ?? nowMs) >= first)
    .map((row) => ({
      ...row,
      startMs: Math.max(row.startMs, first),
      endMs: row.endMs === undefined ? undefined : Math.min(row.endMs, last),
    }));
}

/** Times in which no agent worked, nothing without children was open, and nothing began or ended. */
function idleTimes(rows: readonly SpanNode[], nowMs: number, wholeMs: number): readonly Fold[] {
  const busy = rows
    .flatMap(({ kind, children, startMs, endMs = nowMs }): readonly (readonly [number, number])[] =>
      children.length === 0 || kind === 'agent'
        ? [[startMs, endMs]]
        : [
            [startMs, startMs],
            [endMs, endMs],
          ],
    )
    .sort((a, b) => a[0] - b[0]);
  const least = Math.max(FOLD_MS_MIN, wholeMs * FOLD_PART);
  const folds: Fold[] = [];
  let until = busy[0]?.[0] ?? 0;
  for (const [from, to] of busy) {
    if (from - until >= least) folds.push({ startMs: until, endMs: from });
    until = Math.max(until, to);
  }
  return folds;
}

function mapping(startMs: number, endMs: number, folds: readonly Fold[]): (ms: number) => number {
  const folded = folds.reduce((sum, fold) => sum + fold.endMs - fold.startMs, 0);
  const perMs = (1 - folds.length * FOLD_WIDTH) / Math.max(1, endMs - startMs - folded);
  return (ms) => {
    let [at, from] = [0, startMs];
    for (const fold of folds) {
      if (ms <= fold.startMs) break;
      at += (fold.startMs - from) * perMs;
      from = fold.endMs;
      if (ms < fold.endMs) return at + ((ms - fold.startMs) / (fold.endMs - fold.startMs)) * FOLD_WIDTH;
      at += FOLD_WIDTH;
    }
    return Math.min(1, Math.max(0, at + (ms - from) * perMs));
  };
}

/** About `count` round times since the start. */
export function ticksOf({ startMs, endMs, folds, at }: TimeScale, count: number): readonly number[] {
  const shown = endMs - startMs - folds.reduce((sum, fold) => sum + fold.endMs - fold.startMs, 0);
  const step = roundStep(shown / count);
  const ticks: number[] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (let ms = 0; ms <= endMs - startMs && ticks.length < 200; ms += step) {
    const fold = folds.find((one) => startMs + ms > one.startMs && startMs + ms < one.endMs);
    if (fold !== undefined) {
      ms = Math.ceil((fold.endMs - startMs) / step) * step - step;
      continue;
    }
    const place = at(startMs + ms);
    if (place - last >= 0.6 / count) {
      ticks.push(ms);
      last = place;
    }
  }
  return ticks;
}

/** The time of a tick since the start, as exactly as the ticks are apart. */
export function tickLabel(ms: number, ticks: readonly number[]): string {
  if (ms === 0) return '0';
  const [first = 0, second = 0] = ticks.slice(-2);
  const step = Math.abs(second - first);
  if (step >= 60_000 || ms < 1_000) return duration(ms / 1_000);
  const digits = step >= 1_000 ? 0 : step >= 100 ? 1 : step >= 10 ? 2 : 3;
  const minutes = Math.floor(ms / 60_000);
  const seconds = ((ms % 60_000) / 1_000).toFixed(digits);
  return minutes === 0 ? `${seconds} s` : `${minutes} m ${seconds} s`;
}

const STEPS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5,
];

function roundStep(ms: number): number {
  return STEPS.find((step) => step >= ms) ?? Math.ceil(ms / 36e5) * 36e5;
}
