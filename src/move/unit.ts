import type { LineKind } from '../warehouse/write/stored-lines.ts';

/** What is moved as a whole: a task, a workflow, or the deliveries of a day. */
export interface Unit {
  readonly kind: 'task' | 'workflow' | 'day';
  readonly id: string;
}

export type UnitKind = Unit['kind'];

export const UNIT_KINDS: readonly UnitKind[] = ['task', 'workflow', 'day'];

/** The lines of each, in the order in which they are stored: whose a task is, its facts show. */
export const LINES_OF: Readonly<Record<UnitKind, readonly LineKind[]>> = {
  task: ['fact', 'stage', 'output', 'span'],
  workflow: ['event', 'workflow-span'],
  day: ['delivery'],
};

export function nameOf({ kind, id }: Unit): string {
  return kind === 'day' ? `the deliveries of ${id}` : `${kind} ${id}`;
}
