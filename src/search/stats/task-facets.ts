import type { FacetCounts, FacetsQuery, TaskFacet } from '../../model/task-reading.ts';
import type { UseIndex } from '../list/index-list.ts';
import { scanRows } from '../list/scan-list.ts';
import type { AskIndex } from '../list/task-lists.ts';
import type { FieldClause, TextClause } from '../query/clauses.ts';
import { matchesFields } from '../query/field-match.ts';
import { type TaskSearch, taskSearch } from '../query/task-search.ts';
import type { TaskFiles } from '../searched-files.ts';
import type { TaskRow } from '../task-row.ts';
import { addIndexRows } from './index-rows.ts';

/** Values of a facet in an answer: more than a person reads. Those that count least are left out. */
const VALUES_MAX = 1_000;

/** Plain data: it passes between threads. */
export interface FacetsRequest {
  readonly search: TaskSearch;
  readonly of: readonly TaskFacet[];
}

export interface TaskFacetsOptions {
  readonly files: TaskFiles;
  readonly askIndex?: AskIndex<FacetsRequest, readonly FacetCounts[]> | undefined;
  readonly now?: () => number;
}

/** Counts the values of fields: by the index when it answers, else by the files. Throws `ERR_INPUT_INVALID` for `q`. */
export function createTaskFacets(
  options: TaskFacetsOptions,
): (query: FacetsQuery, signal?: AbortSignal) => Promise<readonly FacetCounts[]> {
  const { files, askIndex, now = Date.now } = options;
  return async (query, signal) => {
    const request = { search: taskSearch(query, now()), of: query.of };
    return (await askIndex?.(request)) ?? (await facetsByScan(files, request, signal));
  };
}

/** Undefined when there is no index at the moment. */
export async function facetsByIndex(
  use: UseIndex,
  files: TaskFiles,
  request: FacetsRequest,
): Promise<readonly FacetCounts[] | undefined> {
  const tally = new FacetTally(request);
  const isWhole = await addIndexRows(use, files, {
    search: tally.search,
    needs: { texts: request.of, tools: false, workflows: false },
    isWanted: (row) => tally.countsIn(row).length > 0,
    add: (row) => tally.add(row),
  });
  return isWhole ? tally.counts() : undefined;
}

async function facetsByScan(
  files: TaskFiles,
  request: FacetsRequest,
  signal: AbortSignal | undefined,
): Promise<readonly FacetCounts[]> {
  const tally = new FacetTally(request);
  for await (const row of scanRows(files, tally.search, { signal })) tally.add(row);
  return tally.counts();
}

/**
 * Counts each field as if the search named no values of it: so each value says how many tasks there are when it is chosen in
 * place of another. All fields are counted in one pass over the tasks of what the search asks of other fields.
 */
class FacetTally {
  /** Without the values of the counted fields. */
  readonly search: TaskSearch;
  readonly #of: readonly TaskFacet[];
  /** The clauses of each counted field that has any. */
  readonly #own: readonly (readonly [TaskFacet, readonly FieldClause[]])[];
  readonly #counts: ReadonlyMap<TaskFacet, Map<string | null, number>>;

  constructor({ search, of }: FacetsRequest) {
    const isOwn = (clause: FieldClause): boolean =>
      isValueOf(clause) && of.some((one) => one === clause.field);
    this.search = { ...search, fields: search.fields.filter((clause) => !isOwn(clause)) };
    this.#of = of;
    this.#own = of
      .map((field) => [field, search.fields.filter((one) => isOwn(one) && one.field === field)] as const)
      .filter(([, clauses]) => clauses.length > 0);
    this.#counts = new Map(of.map((field) => [field, new Map()]));
  }

  /** The fields in which a task counts: it must be as the search asks in all others. */
  countsIn(row: TaskRow): readonly TaskFacet[] {
    const missed = this.#own.filter(([, clauses]) => !matchesFields(row, clauses)).map(([field]) => field);
    return missed.length === 0 ? this.#of : missed.length === 1 ? missed : [];
  }

  add(row: TaskRow): undefined {
    for (const field of this.countsIn(row)) {
      const counts = this.#counts.get(field);
      counts?.set(row[field], (counts.get(row[field]) ?? 0) + 1);
    }
  }

  counts(): readonly FacetCounts[] {
    return [...this.#counts].map(([field, counts]) => {
      const all = [...counts].map(([value, count]) => ({ value, count }));
      all.sort((a, b) => b.count - a.count || compareValues(a.value, b.value));
      return { field, values: all.slice(0, VALUES_MAX), left_out: Math.max(0, all.length - VALUES_MAX) };
    });
  }
}

/** What is not wanted stays out of the counts of its own field too. */
function isValueOf(clause: FieldClause): clause is TextClause {
  return clause.kind === 'text' && !clause.isNegated;
}

/** Null last. */
function compareValues(a: string | null, b: string | null): number {
  if (a === b) return 0;
  if (a === null) return 1;
  if (b === null) return -1;
  return a < b ? -1 : 1;
}
