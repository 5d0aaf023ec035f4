import type { StatsGroup } from '../../model/task-reading.ts';
import type { WorkflowSummary } from '../searched-files.ts';
import type { TaskRow } from '../task-row.ts';

/** What is counted once: a task, or a phase or step of a workflow. */
export interface Counted {
  /** The values of a group in which it counts; null where it has none. */
  valuesOf(group: StatsGroup): readonly (string | null)[];
  readonly success: boolean | null;
  /** Null for a phase or step: cost and tokens are known of the whole task. */
  readonly task: TaskRow | null;
  /** In seconds. */
  readonly duration: number | null;
  /** Starts after the first. */
  readonly retries: number;
  /** By tool. */
  readonly calls: ReadonlyMap<string, number>;
}

/** Whether phases and steps are counted, and not tasks. */
export function countsLevels(groupBy: readonly StatsGroup[]): boolean {
  return groupBy.includes('phase') || groupBy.includes('step');
}

/** Whether a group is known from the workflows alone. */
export function needsWorkflows(groupBy: readonly StatsGroup[]): boolean {
  return countsLevels(groupBy) || groupBy.includes('workflow');
}

export function countedTask(
  row: TaskRow,
  tools: ReadonlyMap<string, number>,
  workflows: readonly WorkflowSummary[],
): Counted {
  return {
    valuesOf: (group) => {
      if (group === 'tool') return orNull([...tools.keys()]);
      return group === 'workflow' ? orNull(workflows.map(nameOf)) : [valueOfTask(row, group)];
    },
    success: row.success,
    task: row,
    duration: row.duration,
    retries: Math.max(0, row.attempt - 1),
    calls: tools,
  };
}

/** The phases of a workflow; with `step` its steps. `row` is a task of the workflow. */
export function countedLevels(
  workflow: WorkflowSummary,
  row: TaskRow,
  groupBy: readonly StatsGroup[],
): readonly Counted[] {
  const isOfSteps = groupBy.includes('step');
  return workflow.levels
    .filter(({ phase, step }) => phase !== null && (step !== null) === isOfSteps)
    .map(({ phase, step, status, started_at: started, completed_at: completed, attempt }) => ({
      valuesOf: (group) => {
        const own: Readonly<Partial<Record<StatsGroup, string | null>>> = {
          workflow: nameOf(workflow),
          phase,
          step,
          status: status ?? 'running',
        };
        return [own[group] ?? valueOfTask(row, group)];
      },
      success: status === null || status === 'skipped' ? null : status === 'success',
      task: null,
      duration: secondsBetween(started, completed),
      retries: Math.max(0, attempt - 1),
      calls: new Map(),
    }));
}

function valueOfTask(row: TaskRow, group: StatsGroup): string | null {
  switch (group) {
    case 'day':
      return row.at === '' ? null : row.at.slice(0, 10);
    case 'agent':
    case 'model':
    case 'provider':
    case 'status':
    case 'repo':
    case 'command':
      return row[group];
    default:
      return null;
  }
}

function nameOf({ id, name }: WorkflowSummary): string {
  return name ?? id;
}

function orNull(values: readonly string[]): readonly (string | null)[] {
  return values.length === 0 ? [null] : [...new Set(values)];
}

function secondsBetween(from: string | null, to: string | null): number | null {
  if (from === null || to === null) return null;
  const seconds = (Date.parse(to) - Date.parse(from)) / 1_000;
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : null;
}
