// Made by `npm run docs:rest` from the definitions in `src/serve/contract`. Changes here are lost.
import type { CallOptions, Operation, StreamOptions } from '../operation.ts';
import type {
  CompareTaskQuery,
  GetAgentOutputQuery,
  GetFacetsQuery,
  GetStatsQuery,
  GetWebhookFlowQuery,
  GetWorkflowEventsQuery,
  ListDeliveriesQuery,
  ListEventsQuery,
  ListNotificationsQuery,
  ListTasksQuery,
  ListWorkflowsQuery,
  StreamEventsQuery,
  StreamQuery,
  StreamTaskQuery,
  StreamWorkflowQuery,
  SubmitTaskBody,
} from './queries.ts';
import type {
  Comparison,
  Delivery,
  DeliveryPage,
  Facets,
  FinalResult,
  FullTask,
  Health,
  HealthReport,
  ListReset,
  Notification,
  NotificationPage,
  NotificationReceiverPage,
  OutputLine,
  Readiness,
  Span,
  StageLine,
  Stats,
  StreamReset,
  Task,
  TaskAccepted,
  TaskCancelled,
  TaskEnd,
  TaskInput,
  TaskItem,
  TaskMetadata,
  TaskPage,
  Workflow,
  WorkflowEnd,
  WorkflowEvent,
  WorkflowEventPage,
  WorkflowItem,
  WorkflowPage,
  WorkflowState,
} from './shapes.ts';

/** A method for each request of the REST API. */
export interface Operations {
  /** List and search tasks: `GET /api/tasks`. */
  listTasks(query?: ListTasksQuery, options?: CallOptions): Promise<TaskPage>;
  /** Numbers of tasks by group: `GET /api/stats`. */
  getStats(query?: GetStatsQuery, options?: CallOptions): Promise<Stats>;
  /** The values of fields, each with its number of tasks: `GET /api/facets`. */
  getFacets(query: GetFacetsQuery, options?: CallOptions): Promise<Facets>;
  /** Queue a task: `POST /api/tasks`. */
  submitTask(body: SubmitTaskBody, options?: CallOptions): Promise<TaskAccepted>;
  /** One task: `GET /api/tasks/{id}`. */
  getTask(id: string, options?: CallOptions): Promise<Task>;
  /** Cancel a task: `POST /api/tasks/{id}/cancel`. */
  cancelTask(id: string, options?: CallOptions): Promise<TaskCancelled>;
  /** The metadata of a task: `GET /api/tasks/{id}/logs/metadata`. */
  getMetadata(id: string, options?: CallOptions): Promise<TaskMetadata>;
  /** The input of a task: `GET /api/tasks/{id}/logs/input`. */
  getInput(id: string, options?: CallOptions): Promise<TaskInput>;
  /** Follow a task: `GET /api/tasks/{id}/stream`. */
  streamTask(id: string, query?: StreamTaskQuery, options?: StreamOptions): AsyncGenerator<
    | { readonly event: 'metadata'; readonly data: TaskMetadata; readonly id: string | undefined }
    | { readonly event: 'stage'; readonly data: StageLine; readonly id: string | undefined }
    | { readonly event: 'line'; readonly data: OutputLine; readonly id: string | undefined }
    | { readonly event: 'span'; readonly data: Span; readonly id: string | undefined }
    | { readonly event: 'result'; readonly data: FinalResult; readonly id: string | undefined }
    | { readonly event: 'end'; readonly data: TaskEnd; readonly id: string | undefined }
    | { readonly event: 'reset'; readonly data: StreamReset; readonly id: string | undefined }
  >;
  /** The spans of a task: `GET /api/tasks/{id}/trace`. */
  getTrace(id: string, options?: CallOptions): Promise<readonly Span[]>;
  /** Compare two attempts or two tasks: `GET /api/tasks/{id}/compare`. */
  compareTask(id: string, query: CompareTaskQuery, options?: CallOptions): Promise<Comparison>;
  /** The stages of the webhook of a task: `GET /api/tasks/{id}/logs/webhook-flow`. */
  getWebhookFlow(id: string, query?: GetWebhookFlowQuery, options?: CallOptions): Promise<readonly StageLine[]>;
  /** The output of the agent of a task: `GET /api/tasks/{id}/logs/agent-output`. */
  getAgentOutput(id: string, query?: GetAgentOutputQuery, options?: CallOptions): Promise<readonly OutputLine[]>;
  /** The result of a task: `GET /api/tasks/{id}/logs/final-result`. */
  getFinalResult(id: string, options?: CallOptions): Promise<FinalResult>;
  /** All files of a task: `GET /api/tasks/{id}/logs/full`. */
  getFullTask(id: string, options?: CallOptions): Promise<FullTask>;
  /** Follow the list of tasks, or several tasks: `GET /api/stream`. */
  stream(query?: StreamQuery, options?: StreamOptions): AsyncGenerator<
    | { readonly event: 'task'; readonly data: TaskItem; readonly id: string | undefined }
    | { readonly event: 'removed'; readonly data: { readonly task_id: string }; readonly id: string | undefined }
    | { readonly event: 'metadata'; readonly data: { readonly task_id: string; readonly data: TaskMetadata }; readonly id: string | undefined }
    | { readonly event: 'stage'; readonly data: { readonly task_id: string; readonly data: StageLine }; readonly id: string | undefined }
    | { readonly event: 'line'; readonly data: { readonly task_id: string; readonly data: OutputLine }; readonly id: string | undefined }
    | { readonly event: 'span'; readonly data: { readonly task_id: string; readonly data: Span }; readonly id: string | undefined }
    | { readonly event: 'result'; readonly data: { readonly task_id: string; readonly data: FinalResult }; readonly id: string | undefined }
    | { readonly event: 'end'; readonly data: { readonly task_id: string; readonly data: TaskEnd }; readonly id: string | undefined }
    | { readonly event: 'reset'; readonly data: ListReset | { readonly task_id: string; readonly data: StreamReset }; readonly id: string | undefined }
  >;
  /** List deliveries of webhooks: `GET /api/webhooks`. */
  listDeliveries(query?: ListDeliveriesQuery, options?: CallOptions): Promise<DeliveryPage>;
  /** List workflows: `GET /api/workflows`. */
  listWorkflows(query?: ListWorkflowsQuery, options?: CallOptions): Promise<WorkflowPage>;
  /** One workflow: `GET /api/workflows/{id}`. */
  getWorkflow(id: string, options?: CallOptions): Promise<Workflow>;
  /** The events of a workflow: `GET /api/workflows/{id}/events`. */
  getWorkflowEvents(id: string, query?: GetWorkflowEventsQuery, options?: CallOptions): Promise<readonly WorkflowEvent[]>;
  /** Follow a workflow: `GET /api/workflows/{id}/stream`. */
  streamWorkflow(id: string, query?: StreamWorkflowQuery, options?: StreamOptions): AsyncGenerator<
    | { readonly event: 'metadata'; readonly data: WorkflowState; readonly id: string | undefined }
    | { readonly event: 'event'; readonly data: WorkflowEvent; readonly id: string | undefined }
    | { readonly event: 'end'; readonly data: WorkflowEnd; readonly id: string | undefined }
    | { readonly event: 'reset'; readonly data: StreamReset; readonly id: string | undefined }
  >;
  /** Follow the events of all workflows: `GET /api/events/stream`. */
  streamEvents(query?: StreamEventsQuery, options?: StreamOptions): AsyncGenerator<
    | { readonly event: 'event'; readonly data: WorkflowEvent; readonly id: string | undefined }
    | { readonly event: 'reset'; readonly data: StreamReset; readonly id: string | undefined }
  >;
  /** The events of all workflows: `GET /api/events`. */
  listEvents(query?: ListEventsQuery, options?: CallOptions): Promise<WorkflowEventPage>;
  /** List notifications: `GET /api/notifications`. */
  listNotifications(query?: ListNotificationsQuery, options?: CallOptions): Promise<NotificationPage>;
  /** List the receivers of notifications: `GET /api/notifications/receivers`. */
  listNotificationReceivers(options?: CallOptions): Promise<NotificationReceiverPage>;
  /** Readiness, counters, queue and disk: `GET /api/health`. */
  getHealthReport(options?: CallOptions): Promise<HealthReport>;
  /** This document: `GET /api/openapi.json`. */
  getOpenApi(options?: CallOptions): Promise<{ readonly openapi: string; readonly [more: string]: unknown }>;
  /** Whether the process answers: `GET /healthz`. */
  getHealth(options?: CallOptions): Promise<Health>;
  /** Whether the process is ready, and its counters: `GET /readyz`. */
  getReadiness(options?: CallOptions): Promise<Readiness>;
  /** Counters and gauges: `GET /metrics`. */
  getMetrics(options?: CallOptions): Promise<string>;
}

/** The items of all pages, one after the other. */
export interface PagedOperations {
  /** List and search tasks: `GET /api/tasks`. */
  listTasks(query?: ListTasksQuery, options?: CallOptions): AsyncGenerator<TaskItem>;
  /** The stages of the webhook of a task: `GET /api/tasks/{id}/logs/webhook-flow`. */
  getWebhookFlow(id: string, query?: GetWebhookFlowQuery, options?: CallOptions): AsyncGenerator<StageLine>;
  /** The output of the agent of a task: `GET /api/tasks/{id}/logs/agent-output`. */
  getAgentOutput(id: string, query?: GetAgentOutputQuery, options?: CallOptions): AsyncGenerator<OutputLine>;
  /** List deliveries of webhooks: `GET /api/webhooks`. */
  listDeliveries(query?: ListDeliveriesQuery, options?: CallOptions): AsyncGenerator<Delivery>;
  /** List workflows: `GET /api/workflows`. */
  listWorkflows(query?: ListWorkflowsQuery, options?: CallOptions): AsyncGenerator<WorkflowItem>;
  /** The events of all workflows: `GET /api/events`. */
  listEvents(query?: ListEventsQuery, options?: CallOptions): AsyncGenerator<WorkflowEvent>;
  /** List notifications: `GET /api/notifications`. */
  listNotifications(query?: ListNotificationsQuery, options?: CallOptions): AsyncGenerator<Notification>;
}

export const OPERATIONS: Readonly<Record<keyof Operations, Operation>> = {
  listTasks: { method: 'GET', path: '/api/tasks', answer: 'json', hasQuery: true, paging: 'cursor' },
  getStats: { method: 'GET', path: '/api/stats', answer: 'json', hasQuery: true },
  getFacets: { method: 'GET', path: '/api/facets', answer: 'json', hasQuery: true },
  submitTask: { method: 'POST', path: '/api/tasks', answer: 'json', hasBody: true },
  getTask: { method: 'GET', path: '/api/tasks/{id}', answer: 'json' },
  cancelTask: { method: 'POST', path: '/api/tasks/{id}/cancel', answer: 'json' },
  getMetadata: { method: 'GET', path: '/api/tasks/{id}/logs/metadata', answer: 'json' },
  getInput: { method: 'GET', path: '/api/tasks/{id}/logs/input', answer: 'json' },
  streamTask: { method: 'GET', path: '/api/tasks/{id}/stream', answer: 'events', hasQuery: true },
  getTrace: { method: 'GET', path: '/api/tasks/{id}/trace', answer: 'json' },
  compareTask: { method: 'GET', path: '/api/tasks/{id}/compare', answer: 'json', hasQuery: true },
  getWebhookFlow: { method: 'GET', path: '/api/tasks/{id}/logs/webhook-flow', answer: 'json', hasQuery: true, paging: 'link' },
  getAgentOutput: { method: 'GET', path: '/api/tasks/{id}/logs/agent-output', answer: 'json', hasQuery: true, paging: 'link' },
  getFinalResult: { method: 'GET', path: '/api/tasks/{id}/logs/final-result', answer: 'json' },
  getFullTask: { method: 'GET', path: '/api/tasks/{id}/logs/full', answer: 'json' },
  stream: { method: 'GET', path: '/api/stream', answer: 'events', hasQuery: true },
  listDeliveries: { method: 'GET', path: '/api/webhooks', answer: 'json', hasQuery: true, paging: 'cursor' },
  listWorkflows: { method: 'GET', path: '/api/workflows', answer: 'json', hasQuery: true, paging: 'cursor' },
  getWorkflow: { method: 'GET', path: '/api/workflows/{id}', answer: 'json' },
  getWorkflowEvents: { method: 'GET', path: '/api/workflows/{id}/events', answer: 'json', hasQuery: true },
  streamWorkflow: { method: 'GET', path: '/api/workflows/{id}/stream', answer: 'events', hasQuery: true },
  streamEvents: { method: 'GET', path: '/api/events/stream', answer: 'events', hasQuery: true },
  listEvents: { method: 'GET', path: '/api/events', answer: 'json', hasQuery: true, paging: 'after' },
  listNotifications: { method: 'GET', path: '/api/notifications', answer: 'json', hasQuery: true, paging: 'cursor' },
  listNotificationReceivers: { method: 'GET', path: '/api/notifications/receivers', answer: 'json' },
  getHealthReport: { method: 'GET', path: '/api/health', answer: 'json' },
  getOpenApi: { method: 'GET', path: '/api/openapi.json', answer: 'json' },
  getHealth: { method: 'GET', path: '/healthz', answer: 'json' },
  getReadiness: { method: 'GET', path: '/readyz', answer: 'json', alsoAnswers: [503] },
  getMetrics: { method: 'GET', path: '/metrics', answer: 'text' },
};
