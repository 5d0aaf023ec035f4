// Made by `npm run docs:rest` from the definitions in `src/serve/contract`. Changes here are lost.

type ListTasksQuery = {
  readonly status?: string | undefined;
  readonly source?: string | undefined;
  readonly provider?: string | undefined;
  readonly agent?: string | undefined;
  readonly model?: string | undefined;
  readonly command?: string | undefined;
  readonly repo?: string | undefined;
  readonly workflow_id?: string | undefined;
  readonly error_type?: string | undefined;
  readonly cost_min?: number | undefined;
  readonly cost_max?: number | undefined;
  readonly duration_min?: number | undefined;
  readonly duration_max?: number | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly q?: string | undefined;
  readonly sort?: 'created' | 'cost' | 'duration' | 'tokens' | undefined;
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
};

type GetStatsQuery = {
  readonly status?: string | undefined;
  readonly source?: string | undefined;
  readonly provider?: string | undefined;
  readonly agent?: string | undefined;
  readonly model?: string | undefined;
  readonly command?: string | undefined;
  readonly repo?: string | undefined;
  readonly workflow_id?: string | undefined;
  readonly error_type?: string | undefined;
  readonly cost_min?: number | undefined;
  readonly cost_max?: number | undefined;
  readonly duration_min?: number | undefined;
  readonly duration_max?: number | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly q?: string | undefined;
  readonly group_by?: string | undefined;
};

type GetFacetsQuery = {
  readonly status?: string | undefined;
  readonly source?: string | undefined;
  readonly provider?: string | undefined;
  readonly agent?: string | undefined;
  readonly model?: string | undefined;
  readonly command?: string | undefined;
  readonly repo?: string | undefined;
  readonly workflow_id?: string | undefined;
  readonly error_type?: string | undefined;
  readonly cost_min?: number | undefined;
  readonly cost_max?: number | undefined;
  readonly duration_min?: number | undefined;
  readonly duration_max?: number | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly q?: string | undefined;
  readonly of: string;
};

type SubmitTaskBody = {
  readonly message: string;
  readonly agent?: string;
  readonly command?: string;
  readonly budget?: {
    readonly usd?: number;
    readonly tokens?: number;
    readonly seconds?: number;
  };
};

type StreamTaskQuery = { readonly after?: string | undefined };

type CompareTaskQuery = {
  readonly with: string;
  readonly attempt?: number | undefined;
  readonly with_attempt?: number | undefined;
  readonly rows?: 'different' | 'all' | undefined;
};

type GetWebhookFlowQuery = {
  readonly after?: string | undefined;
  readonly before?: string | undefined;
  readonly tail?: number | undefined;
  readonly limit?: number | undefined;
};

type GetAgentOutputQuery = {
  readonly after?: string | undefined;
  readonly before?: string | undefined;
  readonly tail?: number | undefined;
  readonly limit?: number | undefined;
};

type StreamQuery = {
  readonly task?: readonly string[] | undefined;
  readonly after?: string | undefined;
  readonly list?: 'true' | 'false' | undefined;
  readonly status?: string | undefined;
  readonly source?: string | undefined;
  readonly provider?: string | undefined;
  readonly agent?: string | undefined;
  readonly model?: string | undefined;
  readonly command?: string | undefined;
  readonly repo?: string | undefined;
  readonly workflow_id?: string | undefined;
  readonly error_type?: string | undefined;
  readonly cost_min?: number | undefined;
  readonly cost_max?: number | undefined;
  readonly duration_min?: number | undefined;
  readonly duration_max?: number | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly q?: string | undefined;
  readonly limit?: number | undefined;
};

type ListDeliveriesQuery = {
  readonly provider?: string | undefined;
  readonly outcome?: string | undefined;
  readonly event_type?: string | undefined;
  readonly task_id?: string | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly q?: string | undefined;
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
};

type ListWorkflowsQuery = {
  readonly work_item_id?: string | undefined;
  readonly status?: string | undefined;
  readonly name?: string | undefined;
  readonly task_id?: string | undefined;
  readonly project?: string | undefined;
  readonly environment?: string | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly duration_min?: number | undefined;
  readonly duration_max?: number | undefined;
  readonly q?: string | undefined;
  readonly sort?: 'created' | 'duration' | undefined;
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
};

type GetWorkflowEventsQuery = {
  readonly type?: 'workflow_start' | 'phase_start' | 'step_start' | 'step_complete' | 'artifact_create' | 'phase_complete' | 'workflow_complete' | 'workflow_resumed' | 'step_retry' | 'phase_skip' | 'step_skip' | 'decision_point' | 'approval_request' | 'approval_granted' | 'approval_denied' | 'error' | undefined;
};

type StreamWorkflowQuery = { readonly after?: string | undefined };

type StreamEventsQuery = {
  readonly after?: string | undefined;
  readonly type?: 'workflow_start' | 'phase_start' | 'step_start' | 'step_complete' | 'artifact_create' | 'phase_complete' | 'workflow_complete' | 'workflow_resumed' | 'step_retry' | 'phase_skip' | 'step_skip' | 'decision_point' | 'approval_request' | 'approval_granted' | 'approval_denied' | 'error' | undefined;
};

type ListEventsQuery = {
  readonly after?: string | undefined;
  readonly type?: 'workflow_start' | 'phase_start' | 'step_start' | 'step_complete' | 'artifact_create' | 'phase_complete' | 'workflow_complete' | 'workflow_resumed' | 'step_retry' | 'phase_skip' | 'step_skip' | 'decision_point' | 'approval_request' | 'approval_granted' | 'approval_denied' | 'error' | undefined;
  readonly limit?: number | undefined;
};

type ListNotificationsQuery = {
  readonly receiver?: string | undefined;
  readonly state?: 'pending' | 'delivered' | 'dropped' | undefined;
  readonly type?: 'task.completed' | 'task.failed' | 'task.cancelled' | 'task.abandoned' | 'task.waiting_input' | 'task.budget_warning' | 'task.budget_exceeded' | 'workflow.completed' | 'workflow.failed' | 'workflow.cancelled' | 'workflow.approval_requested' | undefined;
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
};

export type {
  ListTasksQuery,
  GetStatsQuery,
  GetFacetsQuery,
  SubmitTaskBody,
  StreamTaskQuery,
  CompareTaskQuery,
  GetWebhookFlowQuery,
  GetAgentOutputQuery,
  StreamQuery,
  ListDeliveriesQuery,
  ListWorkflowsQuery,
  GetWorkflowEventsQuery,
  StreamWorkflowQuery,
  StreamEventsQuery,
  ListEventsQuery,
  ListNotificationsQuery,
};
