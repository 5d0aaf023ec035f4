import type { StatsGroup } from '../../model/task-reading.ts';
import type { WorkflowSummary } from '../searched-files.ts';
import type { TaskRow } from '../task-row.ts';

/** What is counted once: a task, or a phase or step of a workflow. */
export interface Counted {
  /** By group: the values in which it counts. Null where it has none. */
  readonly values: Readonly<Partial<Record<StatsGroup, readonly (string | null)[]>>>;
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
    values: {
      ...valuesOfTask(row),
      tool: orNull([...tools.keys()]),
      workflow: orNull(workflows.map(nameOf)),
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
      values: {
        ...valuesOfTask(row),
        tool: [null],
        workflow: [nameOf(workflow)],
        phase: [phase],
        step: [step],
        status: [status ?? 'running'],
      },
      success: status === null || status === 'skipped' ? null : status === 'success',
      task: null,
      duration: secondsBetween(started, completed),
      retries: Math.max(0, attempt - 1),
      calls: new Map(),
    }));
}

function valuesOfTask(row: TaskRow): Counted['values'] {
  const { at, agent, model, provider, status, repo, command } = row;
  return {
    day: [at === '' ? null : at.slice(0, 10)],
    agent: [agent],
    model: [model],
    provider: [provider],
    status: [status],
    repo: [repo],
    command: [command],
  };
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
