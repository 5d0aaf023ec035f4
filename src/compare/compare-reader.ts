import type { JsonObject } from '../model/json.ts';
import type { Flow, TaskDocument, TaskFlow } from '../model/task-reading.ts';
import type { StoredWorkflow } from '../model/workflow.ts';

/** What a comparison reads. */
export interface CompareReader {
  hasTask(taskId: string): Promise<boolean>;
  readDocument(taskId: string, document: TaskDocument): Promise<JsonObject | undefined>;
  openFlow(taskId: string, flow: TaskFlow): Promise<Flow | undefined>;
  openTrace(taskId: string): Promise<Flow | undefined>;
  readWorkflow(workflowId: string): Promise<StoredWorkflow | undefined>;
}
