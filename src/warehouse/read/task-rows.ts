import { type JsonObject, type JsonValue, parseObject } from '../../model/json.ts';
import type { WorkflowLevel } from '../../model/workflow.ts';
import { isRunning, runningActivity, saidWait } from '../../project/activity/running-task.ts';
import { type Approval, waitOf } from '../../project/activity/waiting-approval.ts';
import type { VictoriaLogs } from '../client.ts';
import { rowsOfUnit } from '../logsql.ts';
import { FlowView } from './flow/flow-view.ts';
import type { SharedState } from './shared-state.ts';
import type { CatalogFilter, CatalogItem, TaskCatalog } from './task-catalog.ts';
import { TaskOutputs } from './task-outputs.ts';
import type { TaskViews } from './task-view.ts';
import type { WorkflowCatalog } from './workflow-catalog.ts';

/** Workflows of a task that are looked at: those that run, as a rule one. */
const WORKFLOWS_MAX = 4;

/** The end of an output that is read: dozens of lines. */
const TAIL_LINES = 200;
const TAIL_BYTES = 65_536;

export interface TaskRowsOptions {
  readonly logs: VictoriaLogs;
  readonly views: TaskViews;
  readonly catalog: TaskCatalog;
  readonly workflows: WorkflowCatalog;
  /** Without it each fact is a sign of life, and nothing else. */
  readonly shared?: Pick<SharedState, 'heartbeatAgeMs'> | undefined;
  /** LogsQL that all rows of these tasks match: their time. */
  timeOf?(taskIds: readonly string[]): string;
}

/** What the search reads of the tasks of a VictoriaLogs: each query is answered by their lines, as by files without an index. */
export interface TaskRows {
  names(): Promise<readonly string[]>;
  versions(taskId: string): Promise<{ readonly folder: string; readonly output: string } | undefined>;
  read(taskId: string): Promise<CatalogItem | undefined>;
  readDocument(taskId: string, document: 'input' | 'final-result'): Promise<JsonObject | undefined>;
  outputLines(taskId: string): AsyncGenerator<readonly string[]>;
  list(filter: CatalogFilter): AsyncGenerator<CatalogItem>;
  activity(metadata: JsonObject, nowMs: number): Promise<JsonObject | undefined>;
  workflow(workflowId: string): Promise<
    | {
        readonly id: string;
        readonly name: string | null;
        readonly levels: readonly WorkflowLevel[];
      }
    | undefined
  >;
}

export function createTaskRows({
  logs,
  views,
  catalog,
  workflows,
  shared,
  timeOf = () => '',
}: TaskRowsOptions): TaskRows {
  const outputs = new TaskOutputs({
    ...{ logs, timeOf },
    sizeOf: async (taskId) => (await views.read(taskId))?.summary.kinds.get('output'),
  });
  const approvalIn = async (ids: JsonValue | undefined): Promise<Approval | undefined> => {
    if (!Array.isArray(ids)) return undefined;
    for (const id of ids.filter((one) => typeof one === 'string').slice(-WORKFLOWS_MAX)) {
      const fold = await workflows.fold(id);
      const approval = fold && waitOf(fold);
      if (approval !== undefined) return approval;
    }
    return undefined;
  };
  return {
    names: () => catalog.names(),
    versions: async (taskId) => {
      const view = await views.read(taskId);
      return view && { folder: `${view.summary.rows} ${view.summary.latest}`, output: view.summary.latest };
    },
    read: (taskId) => catalog.read(taskId),
    readDocument: async (taskId, document) => (await views.read(taskId))?.document(document),
    outputLines: (taskId) => outputs.lines(taskId),
    list: (filter) => catalog.list(filter),
    activity: async (metadata, nowMs) => {
      const { task_id: id, status, workflow_ids: ids } = metadata;
      if (typeof id !== 'string' || !isRunning(metadata)) return undefined;
      const wait =
        (await approvalIn(ids)) ?? (status === 'waiting_input' ? await readWait(views, id) : undefined);
      const [factMs = 0, ageMs = nowMs, lines] = await Promise.all([
        lastFactMs(logs, id),
        shared?.heartbeatAgeMs(id),
        readTail(logs, id),
      ]);
      // Whatever is later.
      const heardMs = Math.max(factMs, nowMs - ageMs) || undefined;
      return runningActivity({ metadata, nowMs, heardMs, lines, wait });
    },
    workflow: async (workflowId) => {
      const state = (await workflows.fold(workflowId))?.state;
      return state && { id: workflowId, name: state.name, levels: state.levels };
    },
  };
}

async function readWait(views: TaskViews, taskId: string): Promise<Approval> {
  return saidWait((await views.read(taskId))?.facts ?? []);
}

/** Heartbeats are not stored: each fact is a sign of life, too. */
async function lastFactMs(logs: VictoriaLogs, taskId: string): Promise<number | undefined> {
  const [row] = await logs.rows(`${rowsOfUnit(['fact'], taskId)} | stats max(_time) latest`);
  const ms = Date.parse(row?.latest ?? '');
  return Number.isFinite(ms) ? ms : undefined;
}

async function readTail(logs: VictoriaLogs, taskId: string): Promise<readonly JsonObject[]> {
  const view = await FlowView.open({ logs, kind: 'output', unit: taskId });
  const page = await view?.page({ isBackward: true, lines: TAIL_LINES, bytes: TAIL_BYTES });
  return (page?.lines ?? []).map(({ text }) => parseObject(text)).filter((line) => line !== undefined);
}
