import type { DeliveryPage, DeliveryQuery } from '../model/delivery.ts';
import type { EventStream, TasksToFollow } from '../model/event-stream.ts';
import type { JsonObject } from '../model/json.ts';
import type { NotificationPage, NotificationQuery } from '../model/notification.ts';
import type {
  FacetCounts,
  FacetsQuery,
  Flow,
  FlowWindow,
  StatsPage,
  StatsQuery,
  TaskDocument,
  TaskFlow,
  TaskPage,
  TaskQuery,
  WindowQuery,
} from '../model/task-reading.ts';
import type { FeedPage, FeedQuery, StoredWorkflow, WorkflowPage, WorkflowQuery } from '../model/workflow.ts';

/** What the REST API reads. Throws `ERR_ID_INVALID` for an id that cannot be part of a path. */
export interface Reader {
  hasTask(taskId: string): Promise<boolean>;
  /** Undefined when the task or the file is missing; `ERR_STORE_UNAVAILABLE` when it is damaged or unreadable. */
  readDocument(taskId: string, document: TaskDocument): Promise<JsonObject | undefined>;
  /** Undefined when the task or the file is missing. */
  openFlow(taskId: string, flow: TaskFlow): Promise<Flow | undefined>;
  /** As `openFlow`, a part of the file; `ERR_GONE` when it has no line of the given id. */
  openWindow(taskId: string, flow: TaskFlow, query: WindowQuery): Promise<FlowWindow | undefined>;
  /** The text of `manifest.json`. Undefined before the task has settled. Absent: there are no manifests. */
  readManifest?(taskId: string): Promise<string | undefined>;
  /** The spans of a task as JSON texts. Undefined without the task. */
  openTrace(taskId: string): Promise<Flow | undefined>;
  /** `ERR_INPUT_INVALID` for an invalid cursor. Rejects with the reason of `signal` once it is aborted. */
  listTasks(query: TaskQuery, signal?: AbortSignal): Promise<TaskPage>;
  /** What a task waits for that is not over, by its metadata; null for one that is. Absent: it is not known. */
  activityOf?(metadata: JsonObject): Promise<JsonObject | null>;
  /** Numbers of tasks by group. Without it there are none: `ERR_NOT_CONFIGURED`. */
  countTasks?(query: StatsQuery, signal?: AbortSignal): Promise<StatsPage>;
  /** The values of fields, as `countTasks`. */
  countFacets?(query: FacetsQuery, signal?: AbortSignal): Promise<readonly FacetCounts[]>;
  /** `ERR_INPUT_INVALID` for an invalid cursor. */
  listDeliveries(query: DeliveryQuery): Promise<DeliveryPage>;
  /** Without it there are none: `ERR_NOT_CONFIGURED`. `ERR_INPUT_INVALID` for an invalid cursor. */
  listNotifications?(query: NotificationQuery): Promise<NotificationPage>;
  /** Each receiver with its counts and what is wrong with it. */
  listReceivers?(): Promise<readonly JsonObject[]>;
  /** Undefined when there is no such workflow; `ERR_STORE_UNAVAILABLE` when its files are unreadable. */
  readWorkflow(workflowId: string): Promise<StoredWorkflow | undefined>;
  /** `ERR_INPUT_INVALID` for an invalid cursor. */
  listWorkflows(query: WorkflowQuery): Promise<WorkflowPage>;
  /** As `listWorkflows`; `ERR_GONE` for a cursor whose events are no longer kept. */
  readFeed(query: FeedQuery): Promise<FeedPage>;
  /**
   * The events of a task after an id; undefined: all; `now`: the documents, and the lines that come. `ERR_INPUT_INVALID` for
   * what is no id of such a stream, as in the others. Undefined without the task.
   */
  followTask(taskId: string, after: string | undefined): Promise<EventStream | undefined>;
  /** Undefined when one of the tasks is missing. */
  followTasks(tasks: TasksToFollow, after: string | undefined): Promise<EventStream | undefined>;
  /** Undefined without the workflow. */
  followWorkflow(workflowId: string, after: string | undefined): Promise<EventStream | undefined>;
  /** `after`: an id, `now` for what comes next, or undefined for the oldest event. */
  followFeed(after: string | undefined, type: string | undefined): Promise<EventStream>;
}
