import { setTimeout as delay } from 'node:timers/promises';
import { TasktrailError } from '../errors.ts';
import { groupsOf, inMoveOrder, type ListedUnit } from './move-order.ts';
import type { MoveReport } from './move-report.ts';
import { UNIT_KINDS, type UnitKind } from './unit.ts';

/** Between two attempts. Each wait doubles, up to the longest one. */
const WAIT_MS = 500;
const WAIT_MAX_MS = 15_000;

export interface GroupOptions {
  /** The units of one side. */
  units(kind: UnitKind): Promise<readonly ListedUnit[]>;
  /** Works on units of one part. It is called again after an error that is retryable. */
  work(kind: UnitKind, ids: readonly string[]): Promise<void>;
  /** How long VictoriaLogs may be away, in milliseconds. */
  readonly patienceMs: number;
  /** Ends the work behind the group that it is at. */
  readonly signal: AbortSignal;
  readonly report: MoveReport;
  onProgress(kind: UnitKind, done: number, of: number): void;
  /** VictoriaLogs is away, and is asked again. */
  onWait(reason: string): void;
}

/** Works on all tasks, then workflows, then days, some at a time. Returns false when it was stopped. */
export async function inGroups(options: GroupOptions): Promise<boolean> {
  const { units, work, signal, report, onProgress } = options;
  for (const kind of UNIT_KINDS) {
    const listed = inMoveOrder(await retrying(options, () => units(kind)));
    let done = 0;
    for (const ids of groupsOf(listed)) {
      if (signal.aborted) return false;
      await retrying(options, () => work(kind, ids));
      done += ids.length;
      report.units[kind] += ids.length;
      onProgress(kind, done, listed.length);
    }
  }
  return true;
}

/** Calls again what an absent VictoriaLogs has ended. Throws the last error when it is away for too long, or on a signal. */
export async function retrying<T>(
  { patienceMs, signal, onWait }: Pick<GroupOptions, 'patienceMs' | 'signal' | 'onWait'>,
  work: () => Promise<T>,
): Promise<T> {
  let untilMs: number | undefined;
  for (let waitMs = WAIT_MS; ; waitMs = Math.min(2 * waitMs, WAIT_MAX_MS)) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof TasktrailError) || !error.retryable || signal.aborted) throw error;
      untilMs ??= performance.now() + patienceMs;
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) throw error;
      onWait(error.message);
      await delay(Math.min(waitMs, leftMs), undefined, { signal }).catch(() => undefined);
    }
  }
}
