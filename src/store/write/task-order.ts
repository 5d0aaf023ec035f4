import { LINE_FILES, type TaskLineFiles } from './task-files.ts';

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
