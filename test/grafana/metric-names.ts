const COUNTED: readonly string[] = [
  'gen_ai_agent_name',
  'gen_ai_request_model',
  'tasktrail_webhook_provider',
  'tasktrail_task_source',
];

const SPAN: readonly string[] = [
  'service_name',
  'span_name',
  'span_kind',
  'status_code',
  'gen_ai_operation_name',
  'gen_ai_workflow_name',
  'tasktrail_phase_name',
  'tasktrail_step_name',
  'tasktrail_step_status',
  'gen_ai_agent_name',
  'gen_ai_request_model',
  'tasktrail_task_source',
  'tasktrail_webhook_provider',
  'error_type',
  'http_response_status_code',
  'messaging_destination_name',
];

/** All metrics by their Prometheus name, with their labels. `job` and `instance` are on every metric. */
export const METRICS: Readonly<Record<string, readonly string[]>> = {
  tasktrail_tasks_ended_total: [
    'tasktrail_task_status',
    'tasktrail_task_source',
    'tasktrail_webhook_provider',
    'gen_ai_agent_name',
    'error_type',
  ],
  tasktrail_cost_total: COUNTED,
  tasktrail_tokens_total: [...COUNTED, 'gen_ai_token_type'],
  tasktrail_tasks_open: ['tasktrail_task_status'],
  tasktrail_task_running: ['tasktrail_task_id', 'gen_ai_agent_name', 'tasktrail_task_source'],
  tasktrail_task_failed: [
    'tasktrail_task_id',
    'tasktrail_trace_id',
    'gen_ai_agent_name',
    'error_type',
    'tasktrail_task_status',
  ],
  tasktrail_workflows_ended_total: ['gen_ai_workflow_name', 'tasktrail_workflow_status'],
  tasktrail_workflow_flags_total: ['tasktrail_workflow_flag', 'gen_ai_workflow_name'],
  tasktrail_workflow_retries_total: ['gen_ai_workflow_name'],
  tasktrail_approvals_waiting: [],
  tasktrail_webhook_deliveries_total: [
    'tasktrail_webhook_provider',
    'tasktrail_webhook_outcome',
    'tasktrail_webhook_reason',
  ],
  tasktrail_queue_jobs: ['messaging_destination_name', 'messaging_system', 'tasktrail_queue_state'],
  tasktrail_records_recorded_total: [],
  tasktrail_records_delivered_total: ['tasktrail_destination'],
  tasktrail_records_unsent_total: ['tasktrail_destination'],
  tasktrail_records_accepted_total: [],
  tasktrail_records_duplicate_total: [],
  tasktrail_records_dropped_total: ['tasktrail_reason'],
  tasktrail_records_unattributed_total: ['tasktrail_sender'],
  tasktrail_lines_skipped_total: [],
  tasktrail_syncs_failed_total: [],
  tasktrail_holder_restarts_total: [],
  tasktrail_journal_pending: ['tasktrail_destination'],
  tasktrail_journal_claimed_total: ['tasktrail_destination'],
  tasktrail_journal_left_total: ['tasktrail_destination'],
  tasktrail_journal_dropped_total: ['tasktrail_destination', 'tasktrail_reason'],
  tasktrail_store_received_total: [],
  tasktrail_store_rejected_total: ['tasktrail_reason'],
  tasktrail_store_passed_total: ['tasktrail_kind'],
  tasktrail_unready: ['tasktrail_part'],
  // The collector's span metrics, and its count of webhook stages.
  traces_span_metrics_calls_total: SPAN,
  traces_span_metrics_duration_seconds_bucket: [...SPAN, 'le'],
  traces_span_metrics_duration_seconds_count: SPAN,
  tasktrail_webhook_stages_total: ['tasktrail_webhook_stage', 'tasktrail_webhook_provider'],
  // The collector's own metrics.
  otelcol_exporter_queue_size: ['exporter', 'data_type'],
  otelcol_exporter_queue_capacity: ['exporter', 'data_type'],
  otelcol_exporter_sent_spans: ['exporter'],
  otelcol_exporter_sent_log_records: ['exporter'],
  otelcol_exporter_sent_metric_points: ['exporter'],
  otelcol_exporter_send_failed_spans: ['exporter'],
  otelcol_exporter_send_failed_log_records: ['exporter'],
  otelcol_exporter_send_failed_metric_points: ['exporter'],
  otelcol_receiver_accepted_spans: [],
  otelcol_receiver_accepted_log_records: [],
  otelcol_receiver_accepted_metric_points: [],
  otelcol_receiver_refused_spans: [],
  otelcol_receiver_refused_log_records: [],
  otelcol_receiver_refused_metric_points: [],
  otelcol_process_memory_rss: [],
  // Prometheus' own metric.
  up: [],
};

/** The names in a query: each metric with the labels of its matchers, and the labels of `by` and `on`. */
export interface Asked {
  readonly metrics: ReadonlyMap<string, ReadonlySet<string>>;
  readonly groups: ReadonlySet<string>;
}

const WORDS: ReadonlySet<string> = new Set(
  'sum max min count by on or and unless offset rate increase max_over_time min_over_time histogram_quantile label_replace vector absent'.split(
    ' ',
  ),
);

/** Extracts the names from a query. Does not check its syntax; promtool does. */
export function namesIn(expr: string): Asked {
  const metrics = new Map<string, Set<string>>();
  const groups = new Set<string>();
  let rest = expr.replaceAll(/\b(?:by|on) \(([^)]*)\)/g, (_, list: string) => {
    for (const label of list.split(',').map((name) => name.trim())) if (label !== '') groups.add(label);
    return '';
  });
  rest = rest.replaceAll(/(\w*)\{([^}]*)\}/g, (_, name: string, matchers: string) => {
    // The suffix _total of the collector's counters depends on its version and settings.
    const metric = name === '' ? /__name__=~"(\w+)\(_total\)\?"/.exec(matchers)?.[1] : name;
    const labels = [...matchers.matchAll(/(\w+)(?:=~|!~|!=|=)"/g)].map(([, label = '']) => label);
    const known = metrics.get(metric ?? expr) ?? new Set();
    for (const label of labels) if (label !== '__name__') known.add(label);
    metrics.set(metric ?? expr, known);
    return '';
  });
  for (const [name] of rest.replaceAll(/"[^"]*"|\[[^\]]*\]|\b[\d.]+[smhd]?\b/g, '').matchAll(/\w+/g))
    if (!WORDS.has(name)) metrics.set(name, metrics.get(name) ?? new Set());
  return { metrics, groups };
}
