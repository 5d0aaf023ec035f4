import { checkId, checkWorkflowId } from '../../model/ids.ts';
import { createTaskActivity } from '../../search/list/task-activity.ts';
import { createTaskLists, readItem } from '../../search/list/task-lists.ts';
import { createTaskMatch } from '../../search/list/task-match.ts';
import type { RecordFiles } from '../../search/record/record-files.ts';
import { createRecordLists } from '../../search/record/record-lists.ts';
import type { TaskFiles } from '../../search/searched-files.ts';
import { createTaskFacets } from '../../search/stats/task-facets.ts';
import { createTaskStats } from '../../search/stats/task-stats.ts';
import { VictoriaLogs } from '../../warehouse/client.ts';
import { createRowStreams } from '../../warehouse/follow/row-streams.ts';
import { RecordRows } from '../../warehouse/read/record-rows.ts';
import { createRowReader } from '../../warehouse/read/row-reader.ts';
import { RowVersions } from '../../warehouse/read/row-versions.ts';
import type { SharedState } from '../../warehouse/read/shared-state.ts';
import { TaskCatalog } from '../../warehouse/read/task-catalog.ts';
import { createTaskRows } from '../../warehouse/read/task-rows.ts';
import { TaskViews } from '../../warehouse/read/task-view.ts';
import { WorkflowCatalog } from '../../warehouse/read/workflow-catalog.ts';
import type { CountingReader } from './partial-reader.ts';
import type { AskedIndex } from './searching-reader.ts';

export interface WarehouseReaderOptions {
  readonly logs: VictoriaLogs;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** How long a folded task is used again, in milliseconds. */
  readonly keepMs?: number;
  /** Without it searches read the tasks that they look at. */
  readonly index?: AskedIndex | undefined;
  readonly shared?: SharedState | undefined;
}

/** Tasks that are read for the index at the same time, and for how long at the most, in milliseconds. */
const INDEX_READS = 256;
const INDEX_GROUPS = 2;
const READ_MS = 60_000;

/** Tasks of a page that are read at the same time: they share their queries. */
const READS = 64;

/** A reader of VictoriaLogs, with the same search as files. */
export function warehouseReader({
  logs,
  now = Date.now,
  keepMs,
  index,
  shared,
}: WarehouseReaderOptions): CountingReader {
  const views = new TaskViews(logs, now, { keepMs });
  const workflows = new WorkflowCatalog(logs, now, shared);
  const catalog = new TaskCatalog(logs, views);
  const files = createTaskRows({ logs, views, catalog, workflows, shared });
  const activityOf = createTaskActivity(files, now);
  const listTasks = createTaskLists({
    ...{ files, now, reads: READS },
    askIndex: async (request) => {
      const { sort, search } = request;
      // A page is read from its place, and starts no index. A filter that matches few would read all tasks.
      const isPage = sort === 'created' && search.fields.length === 0 && search.terms.length === 0;
      return isPage ? undefined : index?.list(request);
    },
  });
  const search = {
    list: listTasks,
    item: (taskId: string) => readItem(files, taskId),
    match: createTaskMatch(files, now),
  };
  const live = createRowStreams({ logs, views, catalog, workflows, search, now });
  return {
    ...createRowReader({ logs, views }),
    listTasks,
    activityOf: (metadata) => {
      checkId('task id', metadata.task_id);
      return activityOf(metadata);
    },
    countFacets: createTaskFacets({ files, now, askIndex: async (request) => index?.facets(request) }),
    countTasks: createTaskStats({ files, now, askIndex: async (request) => index?.stats(request) }),
    ...createRecordLists({ files: recordFiles(new RecordRows(logs, workflows)), now }),
    readWorkflow: (workflowId) => workflows.read(checkWorkflowId(workflowId)),
    ...live,
  };
}

/** What the thread of the index reads. */
export function warehouseSource(storeUrl: string): {
  readonly files: TaskFiles;
  /** Tasks to read at the same time. */
  readonly reads: number;
  readonly groups: number;
  changed(): Promise<readonly string[]>;
} {
  const logs = new VictoriaLogs(storeUrl);
  const versions = new RowVersions(logs, Date.now);
  const timeOf = (taskIds: readonly string[]): string => versions.timeOf(taskIds);
  // A task that changes is forgotten, so one is kept for as long as it is read.
  const views = new TaskViews(logs, Date.now, {
    keepMs: READ_MS,
    viewsMax: 2 * INDEX_GROUPS * INDEX_READS,
    timeOf,
  });
  const workflows = new WorkflowCatalog(logs, Date.now);
  const files = createTaskRows({ logs, views, catalog: new TaskCatalog(logs, views), workflows, timeOf });
  return {
    reads: INDEX_READS,
    groups: INDEX_GROUPS,
    files: {
      ...files,
      names: () => versions.names(),
      versions: async (taskId) => {
        const version = await versions.of(taskId);
        return version === undefined ? undefined : { folder: version, output: version };
      },
    },
    changed: async () => {
      const changed = await versions.changed();
      for (const taskId of changed) views.forget(taskId);
      return changed;
    },
  };
}

/** Lists alone: no index is made of them. */
function recordFiles(rows: RecordRows): RecordFiles {
  return {
    keys: async () => [],
    source: async () => undefined,
    keyOf: async () => undefined,
    parts: async function* () {},
    read: async () => undefined,
    item: (kind, ref) => rows.item(kind, ref),
    scan: (kind, scan) => rows.scan(kind, scan),
  };
}
