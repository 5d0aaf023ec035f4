import { exactly } from '../../model/field-values.ts';
import { comparePlaces, type ListPlace } from '../../model/list-place.ts';
import { readDocuments } from '../index/read-task.ts';
import type { FieldClause, TextClause } from '../query/clauses.ts';
import { isOfDocuments, matchesFields } from '../query/field-match.ts';
import type { TaskSearch } from '../query/task-search.ts';
import type { ListedTask, ListFilter, TaskFiles } from '../searched-files.ts';
import { type TaskRow, taskRow } from '../task-row.ts';
import { placeOf } from './list-cursor.ts';
import { type ListRequest, LOOK_MS, type PlacePage, pageOf } from './places.ts';
import { hasTerms, hasTools } from './text-check.ts';

/** Filters that the list of the files has itself. */
const LISTED = ['status', 'source', 'provider', 'agent'] as const;

/** Whether a list of the files has all that the search asks for, so that it needs no index. */
export function isListed({ fields, terms }: TaskSearch): boolean {
  const names = fields.map(({ field }) => field);
  return terms.length === 0 && new Set(names).size === names.length && fields.every(isListedClause);
}

/** A page of a list by the files alone: the same answer as by the index, and slower the more tasks there are. */
export async function listByScan(
  files: TaskFiles,
  request: ListRequest,
  signal?: AbortSignal,
): Promise<PlacePage> {
  return request.sort === 'created' ? scanNewest(files, request) : scanSorted(files, request, signal);
}

/** The rows of all tasks of a search. Throws the reason of the signal once it is aborted. */
export async function* scanRows(
  files: TaskFiles,
  search: TaskSearch,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<TaskRow> {
  for await (const task of files.list(listFilter(search))) {
    signal?.throwIfAborted();
    const row = await matchingRow(files, task, search);
    if (row !== undefined) yield row;
  }
}

async function scanNewest(files: TaskFiles, { search, after, limit }: ListRequest): Promise<PlacePage> {
  const isSimple = isListed(search);
  // What a list of the files answers is compared as fast as it is listed.
  let untilMs: number | undefined;
  const found: ListPlace[] = [];
  const from = after && { at: String(after.value), id: after.id };
  for await (const task of files.list({ ...listFilter(search), after: from })) {
    untilMs ??= isSimple ? Number.POSITIVE_INFINITY : performance.now() + LOOK_MS;
    const isFound = isSimple || (await matchingRow(files, task, search)) !== undefined;
    if (isFound) found.push({ value: task.at, id: task.id });
    if (found.length > limit) break;
    // The next page goes on behind what was looked at, whether it was of the search or not.
    if (performance.now() >= untilMs) return { places: found, next: { value: task.at, id: task.id } };
  }
  return pageOf(found, limit);
}

async function scanSorted(
  files: TaskFiles,
  { search, sort, after, limit }: ListRequest,
  signal: AbortSignal | undefined,
): Promise<PlacePage> {
  let best: ListPlace[] = [];
  for await (const row of scanRows(files, search, { signal })) {
    const place = placeOf(row, sort);
    if (after !== undefined && comparePlaces(after, place) >= 0) continue;
    best.push(place);
    if (best.length > 4 * (limit + 1)) best = firstOf(best, limit + 1);
  }
  return pageOf(firstOf(best, limit + 1), limit);
}

function firstOf(places: readonly ListPlace[], count: number): ListPlace[] {
  return [...places].sort(comparePlaces).slice(0, count);
}

/** Undefined for a task that is not of the search, whenever it was made. Reads as few files as it needs. */
export async function matchingRow(
  files: TaskFiles,
  task: ListedTask,
  search: TaskSearch,
): Promise<TaskRow | undefined> {
  const documents = await readDocuments(files, task.id);
  const row = taskRow(task, documents);
  const [ofDocuments, ofOutput] = [
    search.fields.filter(isOfDocuments),
    search.fields.filter((one) => !isOfDocuments(one)),
  ];
  if (!matchesFields(row, ofDocuments)) return undefined;
  if (!(await hasTools(files, row, ofOutput))) return undefined;
  if (search.terms.length > 0 && !(await hasTerms(files, task.id, { documents, terms: search.terms })))
    return undefined;
  return row;
}

function listFilter({ fields, since, until }: TaskSearch): ListFilter {
  const filter: Record<string, string> = {};
  for (const clause of fields)
    if (isListedClause(clause)) filter[clause.field] ??= exactly(clause.values[0]?.text ?? '');
  return { ...filter, since, until };
}

/** One value of a field that the list of the files compares. */
function isListedClause(clause: FieldClause): clause is TextClause {
  if (clause.kind !== 'text' || clause.isNegated || clause.values.length !== 1) return false;
  return LISTED.some((name) => name === clause.field) && clause.values[0]?.isPrefix === false;
}
