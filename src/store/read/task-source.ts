import type { Stats } from 'node:fs';
import { join } from 'node:path';
import { TasktrailError } from '../../errors.ts';
import { isWorkflowId } from '../../model/ids.ts';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import type { WorkflowLevel } from '../../model/workflow.ts';
import { type Approval, waitOf } from '../../project/activity/waiting-approval.ts';
import { gzipPath } from '../compress.ts';
import { unlessUnreadable } from '../file-errors.ts';
import { OWN_NAMES, taskDir, taskFile } from '../layout.ts';
import { lstatStored } from '../stored-file.ts';
import { openTaskLines, readTaskDocument } from '../task-file.ts';
import { WorkflowPlaces } from '../workflow-place.ts';
import { readActivity } from './activity.ts';
import { createTaskListing, type ListedTask, type TaskListing, type TaskScan } from './task-list.ts';
import { foldWorkflow } from './workflow-reader.ts';

/** Reads all tasks of a log directory, for an index of them. What is damaged or unreadable counts as missing. */
export interface TaskSource {
  /** The ids of all task folders. */
  names(): Promise<readonly string[]>;
  /** Texts that change with the folder and with the agent's output. Undefined when there is no folder. */
  versions(taskId: string): Promise<{ readonly folder: string; readonly output: string } | undefined>;
  read(taskId: string): Promise<ListedTask | undefined>;
  readDocument(taskId: string, document: 'input' | 'final-result'): Promise<JsonObject | undefined>;
  /** Lines of the agent's output, in batches; they may be torn. Copies of a line are not left out. */
  outputLines(taskId: string): AsyncGenerator<readonly string[]>;
  /** What a running task does; undefined for another one. */
  activity(metadata: JsonObject, nowMs: number): Promise<JsonObject | undefined>;
  /** Undefined for a workflow that is gone. */
  workflow(workflowId: string): Promise<WorkflowSummary | undefined>;
  /** Newest first. */
  list(scan: TaskScan): AsyncGenerator<ListedTask>;
}

interface WorkflowSummary {
  readonly id: string;
  readonly name: string | null;
  readonly levels: readonly WorkflowLevel[];
}

const DOCUMENTS = { input: 'input', 'final-result': 'finalResult' } as const;

/** `workflowDir`: default `_workflow` in the log directory. */
export function createTaskSource(
  logDir: string,
  workflowDir: string = join(logDir, OWN_NAMES.workflows),
  tasks: TaskListing = createTaskListing(logDir),
): TaskSource {
  const places = new WorkflowPlaces(workflowDir);
  return {
    names: tasks.names,
    versions: (taskId) => readVersions(logDir, taskId),
    read: tasks.read,
    readDocument: (taskId, document) =>
      unlessUnreadable(readTaskDocument(logDir, taskId, DOCUMENTS[document])),
    outputLines: (taskId) => readOutput(logDir, taskId),
    activity: async (metadata, nowMs) =>
      readActivity(logDir, metadata, {
        nowMs,
        approval: await approvalIn(places, metadata.workflow_ids),
      }),
    workflow: (workflowId) => unlessUnreadable(readSummary(places, workflowId)),
    list: tasks.scan,
  };
}

/** Workflows of a task that are looked at: those that run, as a rule one. */
const WORKFLOWS_MAX = 4;

async function approvalIn(places: WorkflowPlaces, ids: JsonValue | undefined): Promise<Approval | undefined> {
  if (!Array.isArray(ids)) return undefined;
  for (const id of ids.filter(isWorkflowId).slice(-WORKFLOWS_MAX)) {
    const month = await unlessUnreadable(places.find(id));
    const fold = month === undefined ? undefined : await unlessUnreadable(foldWorkflow({ month, id }));
    const wait = fold && waitOf(fold);
    if (wait !== undefined) return wait;
  }
  return undefined;
}

async function readSummary(places: WorkflowPlaces, id: string): Promise<WorkflowSummary | undefined> {
  if (!isWorkflowId(id)) return undefined;
  const month = await places.find(id);
  const state = month === undefined ? undefined : (await foldWorkflow({ month, id }))?.state;
  return state && { id, name: state.name, levels: state.levels };
}

async function readVersions(
  logDir: string,
  taskId: string,
): Promise<{ readonly folder: string; readonly output: string } | undefined> {
  const folder = await versionOf(taskDir(logDir, taskId));
  if (folder === undefined) return undefined;
  const path = taskFile(logDir, taskId, 'agentOutput');
  return { folder, output: (await versionOf(path)) ?? (await versionOf(gzipPath(path))) ?? '' };
}

async function versionOf(path: string): Promise<string | undefined> {
  const stats = await unlessUnreadable(lstatStored({ path, what: 'a task' }));
  return stats && versionText(stats);
}

/** The size of a folder says nothing, and differs between file systems. */
export function versionText(stats: Stats): string {
  return `${stats.ino}:${stats.mtimeMs}${stats.isFile() ? `:${stats.size}` : ''}`;
}

async function* readOutput(logDir: string, taskId: string): AsyncGenerator<readonly string[]> {
  const opened = await unlessUnreadable(openTaskLines(logDir, taskId, 'agentOutput'));
  if (opened === undefined) return;
  try {
    for await (const batch of opened.lines()) {
      yield batch.flatMap(({ bytes }) => (bytes === undefined ? [] : [bytes.toString('utf8')]));
    }
  } catch (error) {
    // What was read before the damage counts.
    if (error instanceof TasktrailError && error.retryable) throw error;
  } finally {
    await opened.close();
  }
}
