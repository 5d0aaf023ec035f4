import { checkId, checkWorkflowId } from '../../model/ids.ts';
import { createTaskActivity } from '../../search/list/task-activity.ts';
import { createTaskLists, readItem } from '../../search/list/task-lists.ts';
import { createTaskMatch } from '../../search/list/task-match.ts';
import type { RecordFiles } from '../../search/record/record-files.ts';
import { createRecordLists } from '../../search/record/record-lists.ts';
import { createTaskFacets } from '../../search/stats/task-facets.ts';
import { createTaskStats } from '../../search/stats/task-stats.ts';
import type { Reader } from '../../serve/reader.ts';
import type { VictoriaLogs } from '../../warehouse/client.ts';
import { createRowStreams } from '../../warehouse/follow/row-streams.ts';
import { RecordRows } from '../../warehouse/read/record-rows.ts';
import { createRowReader } from '../../warehouse/read/row-reader.ts';
import { TaskCatalog } from '../../warehouse/read/task-catalog.ts';
import { createTaskRows } from '../../warehouse/read/task-rows.ts';
import { TaskViews } from '../../warehouse/read/task-view.ts';
import { WorkflowCatalog } from '../../warehouse/read/workflow-catalog.ts';

export interface WarehouseReaderOptions {
  readonly logs: VictoriaLogs;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** How long a folded task is used again, in milliseconds. */
  readonly keepMs?: number;
}

/** A reader of VictoriaLogs, with the search that files have without an index. */
export function warehouseReader({ logs, now = Date.now, keepMs }: WarehouseReaderOptions): Reader {
  const views = new TaskViews(logs, now, keepMs);
  const workflows = new WorkflowCatalog(logs, now);
  const catalog = new TaskCatalog(logs, views);
  const files = createTaskRows({ logs, views, catalog, workflows });
  const activityOf = createTaskActivity(files, now);
  const listTasks = createTaskLists({ files, now });
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
    countFacets: createTaskFacets({ files, now }),
    countTasks: createTaskStats({ files, now }),
    ...createRecordLists({ files: recordFiles(new RecordRows(logs, workflows)), now }),
    readWorkflow: (workflowId) => workflows.read(checkWorkflowId(workflowId)),
    ...live,
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
