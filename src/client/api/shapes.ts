// Made by `npm run docs:rest` from the definitions in `src/serve/contract`. Changes here are lost.

type Books = {
  readonly recorded: number;
  readonly delivered: Readonly<Record<string, number>>;
  readonly accepted: number;
  readonly duplicates: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly skippedLines: number;
  readonly unattributed: Readonly<Record<string, number>>;
  readonly unsent?: Readonly<Record<string, number>>;
  readonly failedSyncs?: number;
  readonly threadRestarts?: number;
  readonly claimed?: Readonly<Record<string, number>>;
  readonly left?: Readonly<Record<string, number>>;
  readonly lost?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly pending?: Readonly<Record<string, number>>;
  readonly received?: number;
  readonly rejected?: Readonly<Record<string, number>>;
  readonly passed?: Readonly<Record<string, number>>;
  readonly notifications?: Readonly<Record<string, {
    readonly due: number;
    readonly delivered: number;
    readonly pending: number;
    readonly dropped: Readonly<Record<string, number>>;
  }>>;
};

type ComparedDifference = {
  readonly difference: 'status' | 'result' | 'error' | 'seconds' | 'cost_usd' | 'input_tokens' | 'output_tokens' | 'artifacts' | 'calls' | 'failed_calls';
  readonly a: number | string | null;
  readonly b: number | string | null;
  readonly b_minus_a?: number | null;
  readonly phase?: string | null;
  readonly step?: string;
  readonly tool?: string;
  readonly artifact?: string;
};

type ComparedEntry = {
  readonly number: number;
  readonly kind: 'phase' | 'step' | 'tool';
  readonly name: string;
  readonly phase?: string | null;
  readonly at: string;
  readonly seconds: number | null;
  readonly failed: boolean;
  readonly event_id?: string;
};

type ComparedRow = {
  readonly number: number;
  readonly differs: readonly ('entry' | 'input' | 'result' | 'outcome')[];
  readonly a: ComparedEntry | null;
  readonly b: ComparedEntry | null;
};

type ComparedSide = {
  readonly task_id: string;
  readonly attempt: number;
  readonly status: string | null;
  readonly entries: number;
  readonly amounts_from: 'result' | 'spans';
};

type Comparison = {
  readonly a: ComparedSide;
  readonly b: ComparedSide;
  readonly first_divergence: ComparedRow | null;
  readonly differences: readonly ComparedDifference[];
  readonly differences_left_out: number;
  readonly rows: readonly ComparedRow[];
  readonly rows_left_out: number;
  readonly cut: { readonly a: number; readonly b: number } | null;
};

type Completeness = {
  readonly missing_phase: boolean;
  readonly missing_step: boolean;
  readonly success_without_children: boolean;
  readonly failed_child: boolean;
  readonly no_end: boolean;
  readonly approval_missing: boolean;
  readonly time_reversed: boolean;
  readonly disagrees: boolean;
};

type Delivery = {
  readonly timestamp: string;
  readonly event_id: string;
  readonly provider: string;
  readonly delivery_id: string | null;
  readonly event_type: string | null;
  readonly outcome: 'accepted' | 'unmatched' | 'rejected' | 'duplicate';
  readonly reason: string | null;
  readonly task_ids: readonly string[];
  readonly trace_id: string | null;
  readonly stages: readonly unknown[];
  readonly subject?: string | null;
  readonly tries?: number;
  readonly count?: number;
  readonly reasons?: Readonly<Record<string, number>>;
  readonly received_at?: string;
  readonly sender?: 'agent' | 'anonymous';
  readonly links: { readonly tasks: Readonly<Record<string, string>> };
  readonly [more: string]: unknown;
};

type DeliveryPage = {
  readonly items: readonly Delivery[];
  readonly next_cursor: string | null;
};

type Facets = {
  readonly facets: readonly ({
    readonly field: 'status' | 'agent' | 'repo' | 'model' | 'command' | 'provider' | 'source' | 'error_type';
    readonly values: readonly ({ readonly value: string | null; readonly count: number })[];
    readonly left_out: number;
  })[];
};

type FinalResult = {
  readonly success: boolean;
  readonly result: string | null;
  readonly error: string | null;
  readonly metrics: {
    readonly cost_usd?: number | null;
    readonly input_tokens?: number | null;
    readonly output_tokens?: number | null;
    readonly duration_seconds?: number | null;
    readonly cache_read_input_tokens?: number | null;
    readonly cache_creation_input_tokens?: number | null;
    readonly cost_basis?: {
      readonly source: 'result' | 'telemetry' | 'spans' | 'none' | 'stream';
      readonly verdict: string;
      readonly [more: string]: unknown;
    };
    readonly [more: string]: unknown;
  };
  readonly completed_at: string;
  readonly status: 'completed' | 'failed' | 'cancelled' | 'abandoned';
  readonly error_type?: string | null;
  readonly exit_code?: number | null;
  readonly signal?: string | null;
  readonly [more: string]: unknown;
};

type FullTask = {
  readonly metadata?: TaskMetadata;
  readonly input?: TaskInput;
  readonly webhook_flow?: readonly StageLine[];
  readonly agent_output?: readonly OutputLine[];
  readonly final_result?: FinalResult;
};

type Health = { readonly status: 'ok'; readonly version?: string };

type HealthReport = {
  readonly status: 'ready' | 'not_ready';
  readonly reasons?: Readonly<Record<string, string>>;
  readonly notices?: Readonly<Record<string, string>>;
  readonly books?: Books;
  readonly store?: StoreState;
  readonly version?: string;
  readonly queue: {
    readonly name: string;
    readonly system: string;
    readonly problem: string | null;
    readonly waiting: number | null;
    readonly running: number | null;
    readonly delayed: number | null;
    readonly oldest: { readonly task_id: string; readonly created_at: string | null } | null;
  } | null;
  readonly disk: {
    readonly path: string;
    readonly free_bytes: number;
    readonly bytes: number;
    readonly journal_bytes: number | null;
  } | null;
};

type ListReset = { readonly reason: string };

type Measured = {
  readonly duration_ms: number | null;
  readonly phases: number;
  readonly steps: number;
  readonly artifacts: number;
  readonly retries: number;
};

type Notification = {
  readonly receiver: string;
  readonly webhook_id: string;
  readonly type: 'task.completed' | 'task.failed' | 'task.cancelled' | 'task.abandoned' | 'task.waiting_input' | 'task.budget_warning' | 'task.budget_exceeded' | 'workflow.completed' | 'workflow.failed' | 'workflow.cancelled' | 'workflow.approval_requested';
  readonly task_id: string | null;
  readonly workflow_id: string | null;
  readonly state: 'pending' | 'delivered' | 'dropped';
  readonly queued_at: string;
  readonly attempts: number;
  readonly last_at: string | null;
  readonly last_status: number | null;
  readonly last_failure: string | null;
  readonly next_at: string | null;
  readonly reason: string | null;
  readonly links: NotificationLinks;
};

type NotificationLinks = { readonly task?: string; readonly workflow?: string };

type NotificationPage = {
  readonly items: readonly Notification[];
  readonly next_cursor: string | null;
};

type NotificationReceiver = {
  readonly receiver: string;
  readonly origin: string | null;
  readonly is_configured: boolean;
  readonly due: number;
  readonly delivered: number;
  readonly pending: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly gone_at: string | null;
  readonly trouble: string | null;
};

type NotificationReceiverPage = {
  readonly items: readonly NotificationReceiver[];
  readonly next_cursor: null;
};

type OutputLine = {
  readonly timestamp: string;
  readonly type: 'system' | 'thinking' | 'output' | 'tool_call' | 'tool_result' | 'error' | 'result';
  readonly content: string;
  readonly event_id?: string;
  readonly attempt?: number;
  readonly tool_name?: string | null;
  readonly tool_input?: unknown;
  readonly tool_use_id?: string | null;
  readonly is_error?: boolean;
  readonly stream?: string | null;
  readonly truncated?: boolean;
  readonly original_bytes?: number;
  readonly error_type?: string | null;
  readonly sender?: 'agent' | 'anonymous';
  readonly [more: string]: unknown;
};

type Problem = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly position?: number;
};

type Readiness = {
  readonly status: 'ready' | 'not_ready';
  readonly reasons?: Readonly<Record<string, string>>;
  readonly notices?: Readonly<Record<string, string>>;
  readonly books?: Books;
  readonly store?: StoreState;
  readonly version?: string;
};

type Span = {
  readonly trace_id: string;
  readonly span_id: string;
  readonly parent_span_id: string | null;
  readonly name: string;
  readonly kind: 'unspecified' | 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  readonly start_time: string;
  readonly end_time: string;
  readonly duration_ms: number;
  readonly status: 'unset' | 'ok' | 'error';
  readonly status_message: string | null;
  readonly service: unknown;
  readonly scope: unknown;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly {
    readonly time: string;
    readonly name: string;
    readonly attributes: Readonly<Record<string, unknown>>;
  }[];
  readonly links: readonly {
    readonly trace_id: unknown;
    readonly span_id: unknown;
    readonly attributes: Readonly<Record<string, unknown>>;
  }[];
};

type StageLine = {
  readonly timestamp: string;
  readonly stage: string;
  readonly event_id?: string;
  readonly sender?: 'agent' | 'anonymous';
  readonly [more: string]: unknown;
};

type Stats = {
  readonly group_by: readonly ('day' | 'agent' | 'model' | 'provider' | 'status' | 'repo' | 'command' | 'workflow' | 'phase' | 'step' | 'tool')[];
  readonly rows: readonly StatsRow[];
  readonly left_out: number;
};

type StatsRow = {
  readonly day?: string | null;
  readonly agent?: string | null;
  readonly model?: string | null;
  readonly provider?: string | null;
  readonly status?: string | null;
  readonly repo?: string | null;
  readonly command?: string | null;
  readonly workflow?: string | null;
  readonly phase?: string | null;
  readonly step?: string | null;
  readonly tool?: string | null;
  readonly count: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly open: number;
  readonly success_rate: number | null;
  readonly cost_usd: number | null;
  readonly cost_known: number;
  readonly cost_sources: Readonly<Record<string, number>>;
  readonly cost_verdicts: Readonly<Record<string, number>>;
  readonly input_tokens: number | null;
  readonly output_tokens: number | null;
  readonly retries: number;
  readonly duration_seconds: {
    readonly p50: number;
    readonly p90: number;
    readonly p95: number;
    readonly p99: number;
    readonly max: number;
    readonly total: number;
  } | null;
  readonly calls?: number;
};

type StoreState = {
  readonly system: string;
  readonly address: string;
  readonly tenant: string;
  readonly problem: string | null;
  readonly version: string | null;
  readonly free_bytes: number | null;
  readonly is_read_only: boolean | null;
  readonly waiting: number;
  readonly index: {
    readonly is_complete: boolean;
    readonly tasks: number;
    readonly waiting: number;
    readonly problem: string | null;
  } | null;
  readonly lease: {
    readonly is_held: boolean;
    readonly holder: string | null;
    readonly since: string | null;
    readonly problem: string | null;
  } | null;
};

type StreamReset = {
  readonly reason: string;
  readonly task_id?: string;
  readonly removed?: boolean;
};

type Task = {
  readonly task_id: string;
  readonly source: string | null;
  readonly provider: string | null;
  readonly created_at: string | null;
  readonly started_at: string | null;
  readonly completed_at: string | null;
  readonly status: 'queued' | 'running' | 'waiting_input' | 'abandoned' | 'completed' | 'failed' | 'cancelled';
  readonly assigned_agent: string | null;
  readonly agent_type: string | null;
  readonly model: string | null;
  readonly trace_id: string | null;
  readonly attempt: number;
  readonly workflow_ids: readonly string[];
  readonly schema_version: number;
  readonly command?: string | null;
  readonly requested_agent?: string | null;
  readonly webhook_id?: string | null;
  readonly stops?: number;
  readonly opened_by?: 'agent' | 'anonymous';
  readonly settled?: boolean;
  readonly cost_basis: {
    readonly source: 'result' | 'telemetry' | 'spans' | 'none' | 'stream';
    readonly verdict: string;
    readonly [more: string]: unknown;
  } | null;
  readonly activity: TaskActivity | null;
  readonly links: {
    readonly metadata: string;
    readonly input: string;
    readonly webhook_flow: string;
    readonly agent_output: string;
    readonly final_result: string;
    readonly full: string;
    readonly workflows: Readonly<Record<string, string>>;
    readonly trace?: string;
    readonly traces?: readonly string[];
  };
  readonly [more: string]: unknown;
};

type TaskAccepted = { readonly status: 'accepted'; readonly task_ids: readonly string[] };

type TaskActivity = {
  readonly heartbeat_age_seconds?: number | null;
  readonly last_line_age_seconds?: number | null;
  readonly waits_for: {
    readonly kind: 'tool' | 'model' | 'agent' | 'exit' | 'approval' | 'queue';
    readonly name: string | null;
    readonly since?: string | null;
    readonly tool_use_id?: string;
    readonly others?: number;
    readonly retries?: boolean;
    readonly place?: number;
    readonly of?: number;
  };
};

type TaskCancelled = {
  readonly task_id: string;
  readonly status: 'cancelled' | 'cancelling';
};

type TaskEnd = {
  readonly task_id: string;
  readonly status: 'queued' | 'running' | 'waiting_input' | 'abandoned' | 'completed' | 'failed' | 'cancelled';
};

type TaskInput = {
  readonly message: string;
  readonly source_metadata: {
    readonly provider?: string | null;
    readonly [more: string]: unknown;
  };
  readonly [more: string]: unknown;
};

type TaskItem = {
  readonly task_id: string;
  readonly source: string | null;
  readonly provider: string | null;
  readonly created_at: string | null;
  readonly started_at: string | null;
  readonly completed_at: string | null;
  readonly status: 'queued' | 'running' | 'waiting_input' | 'abandoned' | 'completed' | 'failed' | 'cancelled';
  readonly assigned_agent: string | null;
  readonly agent_type: string | null;
  readonly model: string | null;
  readonly trace_id: string | null;
  readonly attempt: number;
  readonly workflow_ids: readonly string[];
  readonly schema_version: number;
  readonly command?: string | null;
  readonly requested_agent?: string | null;
  readonly webhook_id?: string | null;
  readonly stops?: number;
  readonly opened_by?: 'agent' | 'anonymous';
  readonly settled?: boolean;
  readonly message: string | null;
  readonly repo: string | null;
  readonly success: boolean | null;
  readonly error: string | null;
  readonly error_type: string | null;
  readonly cost_usd: number | null;
  readonly input_tokens: number | null;
  readonly output_tokens: number | null;
  readonly duration_seconds: number | null;
  readonly cost_basis: {
    readonly source: 'result' | 'telemetry' | 'spans' | 'none' | 'stream';
    readonly verdict: 'agrees' | 'differs' | 'incomplete' | 'unknown';
  } | null;
  readonly activity?: TaskActivity | null;
  readonly [more: string]: unknown;
};

type TaskMetadata = {
  readonly task_id: string;
  readonly source: string | null;
  readonly provider: string | null;
  readonly created_at: string | null;
  readonly started_at: string | null;
  readonly completed_at: string | null;
  readonly status: 'queued' | 'running' | 'waiting_input' | 'abandoned' | 'completed' | 'failed' | 'cancelled';
  readonly assigned_agent: string | null;
  readonly agent_type: string | null;
  readonly model: string | null;
  readonly trace_id: string | null;
  readonly attempt: number;
  readonly workflow_ids: readonly string[];
  readonly schema_version: number;
  readonly command?: string | null;
  readonly requested_agent?: string | null;
  readonly webhook_id?: string | null;
  readonly stops?: number;
  readonly opened_by?: 'agent' | 'anonymous';
  readonly settled?: boolean;
  readonly [more: string]: unknown;
};

type TaskPage = {
  readonly items: readonly TaskItem[];
  readonly next_cursor: string | null;
};

type Upload = {
  readonly status: 'pending' | 'verified';
  readonly url: string | null;
  readonly revision: number | null;
  readonly verified_at: string | null;
};

type WebhookAnswer = {
  readonly status?: string;
  readonly task_ids?: readonly string[];
  readonly [more: string]: unknown;
};

type Workflow = {
  readonly event_type?: string;
  readonly workflow_id: string;
  readonly timestamp?: string;
  readonly project: string | null;
  readonly environment: string | null;
  readonly payload?: unknown;
  readonly event_id?: string;
  readonly task_id?: string;
  readonly trace_id: string | null;
  readonly attempt: number;
  readonly schema_version?: number;
  readonly key?: string;
  readonly phases?: readonly string[];
  readonly sender?: 'agent' | 'anonymous';
  readonly name: string | null;
  readonly work_item_id: string | null;
  readonly status: string;
  readonly started_at: string | null;
  readonly completed_at: string | null;
  readonly updated_at: string;
  readonly task_ids: readonly string[];
  readonly phase: string | null;
  readonly step: string | null;
  readonly measured: Measured;
  readonly completeness: Completeness;
  readonly opened_by?: 'agent' | 'anonymous';
  readonly levels: readonly WorkflowLevel[];
  readonly revision?: number;
  readonly waits_for: WorkflowWait | null;
  readonly events: readonly WorkflowEvent[];
  readonly upload?: Upload;
  readonly links: WorkflowLinks;
  readonly [more: string]: unknown;
};

type WorkflowEnd = { readonly workflow_id: string; readonly status: string };

type WorkflowEvent = {
  readonly event_type: string;
  readonly workflow_id: string;
  readonly timestamp: string;
  readonly project: string | null;
  readonly environment: string | null;
  readonly payload: unknown;
  readonly event_id: string;
  readonly task_id?: string;
  readonly trace_id: string | null;
  readonly attempt: number;
  readonly schema_version: number;
  readonly key?: string;
  readonly phases?: readonly string[];
  readonly sender?: 'agent' | 'anonymous';
  readonly [more: string]: unknown;
};

type WorkflowEventPage = {
  readonly items: readonly WorkflowEvent[];
  readonly next_cursor: string;
};

type WorkflowItem = {
  readonly workflow_id: string;
  readonly name: string | null;
  readonly work_item_id: string | null;
  readonly status: string;
  readonly project: string | null;
  readonly environment: string | null;
  readonly started_at: string | null;
  readonly completed_at: string | null;
  readonly updated_at: string;
  readonly attempt: number;
  readonly task_ids: readonly string[];
  readonly trace_id: string | null;
  readonly phase: string | null;
  readonly step: string | null;
  readonly measured: Measured;
  readonly completeness: Completeness;
  readonly opened_by?: 'agent' | 'anonymous';
  readonly waits_for: WorkflowWait | null;
  readonly upload?: Upload;
  readonly links: WorkflowLinks;
};

type WorkflowLevel = {
  readonly phase: string | null;
  readonly step: string | null;
  readonly attempt: number;
  readonly started_at: string | null;
  readonly completed_at: string | null;
  readonly status: string | null;
  readonly trace_id: string | null;
  readonly span_id: string | null;
  readonly sender?: 'agent' | 'anonymous';
};

type WorkflowLinks = {
  readonly self: string;
  readonly events: string;
  readonly tasks: Readonly<Record<string, string>>;
  readonly trace?: string;
  readonly traces?: readonly string[];
};

type WorkflowPage = {
  readonly items: readonly WorkflowItem[];
  readonly next_cursor: string | null;
};

type WorkflowState = {
  readonly workflow_id: string;
  readonly name: string | null;
  readonly work_item_id: string | null;
  readonly status: string;
  readonly project: string | null;
  readonly environment: string | null;
  readonly started_at: string | null;
  readonly completed_at: string | null;
  readonly updated_at: string;
  readonly attempt: number;
  readonly task_ids: readonly string[];
  readonly trace_id: string | null;
  readonly phase: string | null;
  readonly step: string | null;
  readonly measured: Measured;
  readonly completeness: Completeness;
  readonly opened_by?: 'agent' | 'anonymous';
  readonly levels: readonly WorkflowLevel[];
};

type WorkflowWait = {
  readonly kind: 'approval' | 'input';
  readonly name: string | null;
  readonly since: string | null;
};

export type {
  Books,
  ComparedDifference,
  ComparedEntry,
  ComparedRow,
  ComparedSide,
  Comparison,
  Completeness,
  Delivery,
  DeliveryPage,
  Facets,
  FinalResult,
  FullTask,
  Health,
  HealthReport,
  ListReset,
  Measured,
  Notification,
  NotificationLinks,
  NotificationPage,
  NotificationReceiver,
  NotificationReceiverPage,
  OutputLine,
  Problem,
  Readiness,
  Span,
  StageLine,
  Stats,
  StatsRow,
  StoreState,
  StreamReset,
  Task,
  TaskAccepted,
  TaskActivity,
  TaskCancelled,
  TaskEnd,
  TaskInput,
  TaskItem,
  TaskMetadata,
  TaskPage,
  Upload,
  WebhookAnswer,
  Workflow,
  WorkflowEnd,
  WorkflowEvent,
  WorkflowEventPage,
  WorkflowItem,
  WorkflowLevel,
  WorkflowLinks,
  WorkflowPage,
  WorkflowState,
  WorkflowWait,
};
