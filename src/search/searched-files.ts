import type { JsonObject } from '../model/json.ts';
import type { WorkflowLevel } from '../model/workflow.ts';

/** A task as a list of the log directory has it. */
export interface ListedTask {
  readonly id: string;
  /** ISO 8601: its place in the order of creation; empty for none. */
  readonly at: string;
  readonly metadata: JsonObject;
}

/** Texts that change with the files of a task. */
export interface TaskVersions {
  /** The folder: documents are replaced in it, and lines that are put in order. */
  readonly folder: string;
  /** The agent's output, to which lines are appended; empty when there is none. */
  readonly output: string;
}

/** What is counted of a workflow. */
export interface WorkflowSummary {
  readonly id: string;
  readonly name: string | null;
  readonly levels: readonly WorkflowLevel[];
}

export interface ListFilter {
  readonly status?: string | undefined;
  readonly source?: string | undefined;
  readonly provider?: string | undefined;
  readonly agent?: string | undefined;
  /** ISO 8601, inclusive. */
  readonly since?: string | undefined;
  /** ISO 8601, exclusive. */
  readonly until?: string | undefined;
  /** Only tasks that come after this place. */
  readonly after?: { readonly at: string; readonly id: string } | undefined;
}

/** What the search reads of a log directory. What is damaged or unreadable counts as missing. */
export interface TaskFiles {
  /** The ids of all task folders. */
  names(): Promise<readonly string[]>;
  /** Undefined when there is no such folder. */
  versions(taskId: string): Promise<TaskVersions | undefined>;
  read(taskId: string): Promise<ListedTask | undefined>;
  readDocument(taskId: string, document: 'input' | 'final-result'): Promise<JsonObject | undefined>;
  /** Lines of the agent's output as JSON texts. */
  outputLines(taskId: string): AsyncIterable<readonly string[]>;
  /** Newest first. */
  list(filter: ListFilter): AsyncIterable<ListedTask>;
  /** What a running task does; undefined for another one. */
  activity?(metadata: JsonObject, nowMs: number): Promise<JsonObject | undefined>;
  /** Undefined for a workflow that is gone. */
  workflow(workflowId: string): Promise<WorkflowSummary | undefined>;
}
