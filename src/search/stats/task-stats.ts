import type { JsonObject } from '../../model/json.ts';
import type { StatsGroup, StatsPage, StatsQuery } from '../../model/task-reading.ts';
import type { CountedRow, RowNeeds } from '../index/task-index.ts';
import type { UseIndex } from '../list/index-list.ts';
import { scanRows } from '../list/scan-list.ts';
import type { AskIndex } from '../list/task-lists.ts';
import { toolsOf } from '../list/text-check.ts';
import { type TaskSearch, taskSearch } from '../query/task-search.ts';
import type { TaskFiles, WorkflowSummary } from '../searched-files.ts';
import { addIndexRows } from './index-rows.ts';
import { countedLevels, countedTask, countsLevels, needsWorkflows } from './stats-groups.ts';
import { Tally } from './tally.ts';

/** Plain data: it passes between threads. */
export interface StatsRequest {
  readonly search: TaskSearch;
  readonly groupBy: readonly StatsGroup[];
}

export interface StatsRows {
  readonly rows: readonly JsonObject[];
  /** Groups that are not in the rows. */
  readonly leftOut: number;
}

export interface TaskStatsOptions {
  readonly files: TaskFiles;
  readonly askIndex?: AskIndex<StatsRequest, StatsRows> | undefined;
  readonly now?: () => number;
}

/** Counts tasks: by the index when it answers, else by the files. Throws `ERR_INPUT_INVALID` for `q`. */
export function createTaskStats(
  options: TaskStatsOptions,
): (query: StatsQuery, signal?: AbortSignal) => Promise<StatsPage> {
  const { files, askIndex, now = Date.now } = options;
  return async (query, signal) => {
    const request = { search: taskSearch(query, now()), groupBy: query.groupBy };
    return (await askIndex?.(request)) ?? (await countByScan(files, request, signal));
  };
}

/** Undefined when there is no index at the moment. */
export async function countByIndex(
  use: UseIndex,
  files: TaskFiles,
  { search, groupBy }: StatsRequest,
): Promise<StatsRows | undefined> {
  const counter = new Counter(files, groupBy);
  const isWhole = await addIndexRows(use, files, {
    search,
    needs: needsOf(groupBy),
    add: (row) => counter.add(row),
  });
  return isWhole ? counter.rows() : undefined;
}

function needsOf(groupBy: readonly StatsGroup[]): RowNeeds {
  const texts = ['status', 'provider', 'agent', 'model', 'command', 'repo'] as const;
  return {
    texts: texts.filter((name) => groupBy.includes(name)),
    tools: groupBy.includes('tool'),
    workflows: needsWorkflows(groupBy),
  };
}

async function countByScan(
  files: TaskFiles,
  { search, groupBy }: StatsRequest,
  signal: AbortSignal | undefined,
): Promise<StatsRows> {
  const counter = new Counter(files, groupBy);
  for await (const row of scanRows(files, search, { signal })) {
    const tools = groupBy.includes('tool') ? await toolsOf(files, row.id) : new Map<string, number>();
    await counter.add({ ...row, tools });
  }
  return counter.rows();
}

class Counter {
  readonly #files: TaskFiles;
  readonly #groupBy: readonly StatsGroup[];
  readonly #tally: Tally;
  readonly #workflows = new Map<string, CountedWorkflow>();

  constructor(files: TaskFiles, groupBy: readonly StatsGroup[]) {
    this.#files = files;
    this.#groupBy = groupBy;
    this.#tally = new Tally(groupBy);
  }

  /** A promise where files have to be read. */
  add(row: CountedRow): Promise<void> | undefined {
    if (needsWorkflows(this.#groupBy)) return this.#addWithWorkflows(row);
    this.#tally.add(countedTask(row, row.tools, []));
    return undefined;
  }

  async #addWithWorkflows(row: CountedRow): Promise<void> {
    const workflows: WorkflowSummary[] = [];
    for (const id of row.workflow_ids) {
      const known = this.#workflows.get(id);
      const summary = known === undefined ? await this.#files.workflow(id) : known.summary;
      if (known === undefined || isEarlier(row, known.task)) this.#workflows.set(id, { summary, task: row });
      if (summary !== undefined) workflows.push(summary);
    }
    if (!countsLevels(this.#groupBy)) this.#tally.add(countedTask(row, row.tools, workflows));
  }

  /** Call it once, when all rows were added. */
  rows(): StatsRows {
    if (countsLevels(this.#groupBy))
      for (const { summary, task } of this.#workflows.values())
        if (summary !== undefined)
          for (const level of countedLevels(summary, task, this.#groupBy)) this.#tally.add(level);
    return this.#tally.rows();
  }
}

/** Its phases and steps are counted once. Of its tasks they have the fields of the earliest one. */
interface CountedWorkflow {
  readonly summary: WorkflowSummary | undefined;
  readonly task: CountedRow;
}

function isEarlier(a: CountedRow, b: CountedRow): boolean {
  return a.at === b.at ? a.id < b.id : a.at < b.at;
}
