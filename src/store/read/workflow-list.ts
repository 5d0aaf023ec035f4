import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { TasktrailError } from '../../errors.ts';
import { isWorkflowId } from '../../model/ids.ts';
import type { JsonObject } from '../../model/json.ts';
import type { WorkflowPage, WorkflowQuery, WorkflowState } from '../../model/workflow.ts';
import { WORKFLOW_FILES } from '../layout.ts';
import { isMissing, isOwnFolder, unreadable } from '../stored-file.ts';
import type { WorkflowPlaces } from '../workflow-place.ts';
import { createWindow, mapBounded, type Place, readVersion, takePage } from './listing.ts';
import { foldWorkflow, readUpload, type WorkflowPlace } from './workflow-reader.ts';

type Summary = Omit<WorkflowState, 'levels'>;

interface CachedSummary {
  /** What the file looked like from outside when it was read. */
  readonly version: string;
  readonly summary: Summary | undefined;
}

/** A workflow by the time of its start. */
interface Listed extends Place {
  readonly place: WorkflowPlace;
  readonly summary: Summary;
}

/** A file that tells of a workflow, the facts or else the events. */
interface Source extends WorkflowPlace {
  readonly path: string;
}

/** About 1,500 bytes each: 30 MB at the most. */
const SUMMARIES_MAX = 20_000;

/** Lists the workflows of a directory; only what changed since the last call is read again. */
export function createWorkflowList(
  places: WorkflowPlaces,
  expectsUploads: boolean,
): (query: WorkflowQuery) => Promise<WorkflowPage> {
  const cache = new LRUCache<string, CachedSummary>({ max: SUMMARIES_MAX });
  return async (query) => {
    const accepts = createFilter(query);
    const listed = await mapBounded(await readSources(places), (source) => summarize(source, cache));
    const found = listed.filter((one) => one !== undefined).filter(accepts);
    const { page, nextCursor } = takePage(found, query.limit);
    return { items: await mapBounded(page, (one) => itemOf(one, expectsUploads)), nextCursor };
  };
}

async function readSources(places: WorkflowPlaces): Promise<readonly Source[]> {
  const sources = new Map<string, Source>();
  for (const month of await places.months()) {
    if (!(await isOwnFolder(month, 'a folder of workflows'))) continue;
    const names = await readFileNames(month);
    // Facts first, which say more; of an id that stands in two months the earlier one is found by that id.
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

async function readFileNames(month: string): Promise<string[]> {
  try {
    const entries = await readdir(month, { withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
  } catch (error) {
    if (isMissing(error)) return [];
    throw unreadable('a folder of workflows', error);
  }
}

async function summarize(
  { path, month, id }: Source,
  cache: LRUCache<string, CachedSummary>,
): Promise<Listed | undefined> {
  const version = await readVersion(path);
  if (version === undefined) return undefined;
  const cached = cache.get(path);
  const summary = cached?.version === version ? cached.summary : await readSummary({ month, id });
  cache.set(path, { version, summary });
  return summary && { at: summary.started_at ?? '', id, place: { month, id }, summary };
}

/** A workflow that cannot be read is not listed; its own address says what is wrong with it. */
async function readSummary(place: WorkflowPlace): Promise<Summary | undefined> {
  try {
    const fold = await foldWorkflow(place);
    if (fold === undefined) return undefined;
    const { levels: _levels, ...summary } = fold.state;
    return summary;
  } catch (error) {
    if (error instanceof TasktrailError && !error.retryable) return undefined;
    throw error;
  }
}

async function itemOf({ place, summary }: Listed, expectsUploads: boolean): Promise<JsonObject> {
  const upload = await readUpload(place, expectsUploads);
  return {
    ...summary,
    measured: { ...summary.measured },
    ...(upload !== undefined && { upload: { ...upload } }),
  };
}

function createFilter(query: WorkflowQuery): (listed: Listed) => boolean {
  const isInWindow = createWindow(query);
  return (listed) => {
    const { work_item_id, status, project, environment } = listed.summary;
    return (
      (query.work_item_id === undefined || work_item_id === query.work_item_id) &&
      (query.status === undefined || status === query.status) &&
      (query.project === undefined || project === query.project) &&
      (query.environment === undefined || environment === query.environment) &&
      isInWindow(listed)
    );
  };
}
