export type { ListTasksQuery, SubmitTaskBody } from './client/api/queries.ts';
export type {
  Delivery,
  DeliveryPage,
  FinalResult,
  FullTask,
  OutputLine,
  Problem,
  Readiness,
  Span,
  StageLine,
  Stats,
  StatsRow,
  Task,
  TaskInput,
  TaskItem,
  TaskMetadata,
  TaskPage,
  Workflow,
  WorkflowEvent,
  WorkflowItem,
  WorkflowPage,
} from './client/api/shapes.ts';
export { type Client, createClient } from './client/create-client.ts';
export type { CallOptions, StreamOptions } from './client/operation.ts';
export { ApiProblem } from './client/problem.ts';
export type { ClientOptions } from './client/send.ts';
