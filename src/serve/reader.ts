import type { JsonObject } from '../model/json.ts';
import type { Flow, TaskDocument, TaskFlow, TaskPage, TaskQuery } from '../model/task-reading.ts';

/** Everything that the REST API needs to read. Ids that could not be a path throw `ERR_ID_INVALID`. */
export interface Reader {
  hasTask(taskId: string): Promise<boolean>;
  /** Undefined when the task or the file is missing; `ERR_STORE_UNAVAILABLE` when it is damaged or unreadable. */
  readDocument(taskId: string, document: TaskDocument): Promise<JsonObject | undefined>;
  /** Undefined when the task or the file is missing. */
  openFlow(taskId: string, flow: TaskFlow): Promise<Flow | undefined>;
  /** `ERR_INPUT_INVALID` for a cursor that is not one of ours. */
  listTasks(query: TaskQuery): Promise<TaskPage>;
}
