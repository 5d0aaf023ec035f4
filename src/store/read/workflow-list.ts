import type { Dirent } from 'node:fs';
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { TasktrailError } from '../../errors.ts';
import { accepts } from '../../model/field-values.ts';
import { isWorkflowId } from '../../model/ids.ts';
import type { JsonObject } from '../../model/json.ts';
import {
  isUnknownStatus,
  WORKFLOW_STATUSES,
  type WorkflowPage,
  type WorkflowQuery,
} from '../../model/workflow.ts';
import { waitOf } from '../../project/activity/waiting-approval.ts';
import { mapBounded } from '../../system/files/map-bounded.ts';
import { unlessUnreadable } from '../file-errors.ts';
import { WORKFLOW_FILES } from '../layout.ts';
import { isOwnFolder } from '../stored-file.ts';
import { monthLevels, type WorkflowPlaces } from '../workflow-place.ts';
import { readEntries } from './folder-entries.ts';
import { createWindow, placeInTime, readVersion, type SortKey, takePage } from './listing.ts';
import { summaryOf, type WorkflowSummary } from './records/workflow-summary.ts';
import { foldWorkflow, readUpload, type WorkflowPlace } from './workflow-reader.ts';

interface CachedSummary {
  /** Version of the file when it was read. */
  readonly version: string;
  readonly summary: WorkflowSummary | undefined;
}

/** A workflow, sorted by its start time. */
export interface ListedWorkflow extends SortKey {
  readonly place: WorkflowPlace;
  readonly summary: WorkflowSummary;
}

/** The file that a workflow is read from: its facts, otherwise its events. */
export interface WorkflowFileSource extends WorkflowPlace {
  readonly path: string;
}

/** About 1,500 bytes each, so at most 30 MB. */
const SUMMARIES_MAX = 20_000;

/** Lists the workflows of a directory. Reads only files that changed since the last call. */
export function createWorkflowList(
  places: WorkflowPlaces,
  expectsUploads: boolean,
): (query: WorkflowQuery) => Promise<WorkflowPage> {
  const list = createWorkflowSummaries(places);
  return async (query) => {
    const isWanted = createFilter(query);
    const found = await list();
    checkStatus(query.status, found);
    const matching = found.filter(isWanted);
    const { page, nextCursor } = takePage(matching, query.limit, query.asked);
    return { items: await mapBounded(page, (item) => workflowItem(item, expectsUploads)), nextCursor };
  };
}

/** All workflows of a directory, in no order. Reads only files that changed since the last call. */
export function createWorkflowSummaries(places: WorkflowPlaces): () => Promise<readonly ListedWorkflow[]> {
  const cache = new LRUCache<string, CachedSummary>({ max: SUMMARIES_MAX });
  return async () => {
    const listed = await mapBounded(await readSources(places), (source) => summarize(source, cache));
    return listed.filter((item) => item !== undefined);
  };
}

/** The file of each workflow. */
export async function readSources(places: WorkflowPlaces): Promise<readonly WorkflowFileSource[]> {
  const sources = new Map<string, WorkflowFileSource>();
  for (const month of await places.months()) {
    const what = 'a folder of workflows';
    const entries = await unlessUnreadable(entriesOf(month, what));
    if (entries === undefined) continue;
    const names = entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
    // Facts first, because they are more complete. An id in two months is the one in the earlier month, as in a
    // lookup by id.
    for (const suffix of [WORKFLOW_FILES.facts, WORKFLOW_FILES.events]) {
      for (const name of names) {
        const id = name.slice(0, -suffix.length);
        if (!name.endsWith(suffix) || !isWorkflowId(id) || sources.has(id)) continue;
        sources.set(id, { month, id, path: join(month, name) });
      }
    }
  }
  return [...sources.values()];
}

/** Undefined when the path leads to another directory. */
async function entriesOf(path: string, what: string): Promise<readonly Dirent[] | undefined> {
  return (await isOwnFolder(path, what, monthLevels(path))) ? readEntries({ path, what }) : undefined;
}

async function summarize(
  { path, month, id }: WorkflowFileSource,
  cache: LRUCache<string, CachedSummary>,
): Promise<ListedWorkflow | undefined> {
  const version = await unlessUnreadable(readVersion(path));
  if (version === undefined) return undefined;
  const cached = cache.get(path);
  const summary = cached?.version === version.text ? cached.summary : await readSummary({ month, id });
  cache.set(path, { version: version.text, summary });
  return summary && { at: placeInTime(summary.started_at, version), id, place: { month, id }, summary };
}

/** An unreadable workflow is not listed; reading it by its id gives the error. */
async function readSummary(place: WorkflowPlace): Promise<WorkflowSummary | undefined> {
  const fold = await unlessUnreadable(foldWorkflow(place));
  if (fold === undefined) return undefined;
  return summaryOf(fold.state);
}

/** The item of a list. */
export async function workflowItem(
  {
    place,
    summary: { phases: _phases, steps: _steps, ...summary },
  }: Pick<ListedWorkflow, 'place' | 'summary'>,
  expectsUploads: boolean,
): Promise<JsonObject> {
  const upload = await unlessUnreadable(readUpload(place, expectsUploads));
  // Few wait, and the summary of all would be longer with it.
  const fold = summary.status === 'waiting' ? await unlessUnreadable(foldWorkflow(place)) : undefined;
  const wait = fold && waitOf(fold);
  return {
    ...summary,
    measured: { ...summary.measured },
    waits_for: wait ? { ...wait } : null,
    ...(upload !== undefined && { upload: { ...upload } }),
  };
}

/** A word that neither has a meaning nor stands in a workflow is a mistake, and no filter that matches nothing. */
function checkStatus(status: string | undefined, found: readonly ListedWorkflow[]): void {
  if (!isUnknownStatus(status)) return;
  if (found.some(({ summary }) => accepts(status, summary.status))) return;
  throw new TasktrailError(
    'ERR_INPUT_INVALID',
    `status: must be one of ${WORKFLOW_STATUSES.join(', ')}, or the status of a stored workflow`,
  );
}

function createFilter(query: WorkflowQuery): (listed: ListedWorkflow) => boolean {
  const isInWindow = createWindow(query);
  return (listed) => {
    const { work_item_id, status, project, environment } = listed.summary;
    return (
      accepts(query.work_item_id, work_item_id) &&
      accepts(query.status, status) &&
      accepts(query.project, project) &&
      accepts(query.environment, environment) &&
      isInWindow(listed)
    );
  };
}
