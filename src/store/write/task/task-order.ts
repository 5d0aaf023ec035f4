import { EVENT } from '../../../model/events.ts';
import type { FactLine } from '../../../project/change.ts';
import type { NewLine } from '../lines/line-file.ts';
import { LINE_FILES, type LineFileName, type TaskLineFiles } from './task-files.ts';

/** The facts show whose the lines are, so they are written before them. */
export const APPEND_ORDER: readonly LineFileName[] = ['facts', 'webhookFlow', 'agentOutput', 'trace'];

/** Lines for each file of a task. */
export type NewLines = Record<LineFileName, NewLine[]>;

/** Takes out the facts from the first end on, which are to be written behind the lines of the same batch. */
export function takeEnds(lines: NewLines, facts: ReadonlyMap<string, FactLine>): readonly NewLine[] {
  const hasOthers = LINE_FILES.some((name) => name !== 'facts' && lines[name].length > 0);
  if (!hasOthers) return [];
  const first = [...facts.values()].findIndex(({ event }) => event === EVENT.result);
  return first < 0 ? [] : lines.facts.splice(first);
}

/** The earliest time of a line; null without lines. */
export function firstTimestampOf(files: TaskLineFiles): string | null {
  const times = LINE_FILES.map((name) => files[name].firstTimestamp).filter((time) => time !== undefined);
  return times.sort()[0] ?? null;
}

/** The latest time of a fact or a line; empty without them. */
export function lastTimestampOf({ webhookFlow, agentOutput, facts }: TaskLineFiles): string {
  const times = [webhookFlow, agentOutput, facts].map(({ lastTimestamp }) => lastTimestamp ?? '');
  return times.sort().at(-1) ?? '';
}

export function isOutOfOrder(files: TaskLineFiles): boolean {
  return LINE_FILES.some((name) => !files[name].isOrdered);
}

/**
 * Orders the lines, and removes repeats: the same records make the same bytes, in whatever order they came. Returns whether
 * the order of lines that people follow has changed.
 */
export async function sortFiles({ webhookFlow, agentOutput, facts, trace }: TaskLineFiles): Promise<boolean> {
  const isReordered = [await webhookFlow.settle(), await agentOutput.settle()].includes(true);
  await facts.settle();
  await trace.settle();
  return isReordered;
}
