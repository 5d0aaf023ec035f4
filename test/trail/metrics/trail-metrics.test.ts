import { metrics } from '@opentelemetry/api';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Books } from '../../../src/books.ts';
import { createMetricReaders, type MetricReaders } from '../../../src/export/metric-readers.ts';
import type { DeliveryLine, FinalResult, Metadata, ResultMetrics } from '../../../src/model/documents.ts';
import type { JsonValue } from '../../../src/model/json.ts';
import type { CompletenessFlag, WorkflowDocument } from '../../../src/model/workflow.ts';
import { Liveness, type TaskState } from '../../../src/store/write/liveness.ts';
import type { TaskEnd } from '../../../src/store/write/observer.ts';
import { openTasksOf } from '../../../src/trail/metrics/open-tasks.ts';
import { TrailMetrics } from '../../../src/trail/metrics/trail-metrics.ts';
import { parseMetrics, type Sample, sumOf } from '../../support/metrics-text.ts';

let trail: TrailMetrics;
let readers: MetricReaders;
let provider: MeterProvider;

beforeEach(() => {
  readers = createMetricReaders({
    readGauges: async () => trail.readGauges(),
    push: undefined,
    onNotice: () => {},
  });
  provider = new MeterProvider({ readers: readers.readers });
  metrics.setGlobalMeterProvider(provider);
  trail = new TrailMetrics();
});

afterEach(async () => {
  trail.close();
  metrics.disable();
  await provider.shutdown();
});

async function read(): Promise<Sample[]> {
  return parseMetrics(await readers.readText());
}

const valuesOf = (samples: readonly Sample[], name: string, label: string): Record<string, number> =>
  Object.fromEntries(
    samples
      .filter((sample) => sample.name === name)
      .map(({ labels, value }) => [labels[label] ?? '?', value]),
  );

const NOTHING: ResultMetrics = {
  cost_usd: null,
  input_tokens: null,
  output_tokens: null,
  duration_seconds: null,
  cache_read_input_tokens: null,
  cache_creation_input_tokens: null,
};

type Used = Readonly<Record<string, JsonValue>>;

function resultOf(used: Used, more: Partial<FinalResult> = {}): FinalResult {
  const base = { success: true, result: null, error: null, completed_at: '2026-01-02T03:04:05.000Z' };
  return { ...base, status: 'completed', ...more, metrics: { ...NOTHING, ...used } };
}

function endOf(result: FinalResult, before?: FinalResult, more: Partial<Metadata> = {}): TaskEnd {
  const metadata: Metadata = {
    task_id: 'task-1',
    source: 'webhook',
    provider: 'github',
    created_at: null,
    started_at: null,
    completed_at: result.completed_at,
    status: result.status,
    assigned_agent: 'claude',
    agent_type: null,
    model: 'opus',
    trace_id: 'a'.repeat(32),
    attempt: 1,
    workflow_ids: [],
    schema_version: 1,
    ...more,
  };
  return { metadata, result, before };
}

test('cost and tokens of a task are counted by kind, model, agent and source', async () => {
  trail.taskEnded(
    endOf(resultOf({ cost_usd: 0.25, input_tokens: 100, output_tokens: 7, cache_read_input_tokens: 60 })),
  );
  const samples = await read();
  const labels = {
    gen_ai_agent_name: 'claude',
    gen_ai_request_model: 'opus',
    tasktrail_webhook_provider: 'github',
    tasktrail_task_source: 'webhook',
  };
  expect(samples).toContainEqual({ name: 'tasktrail_cost_total', labels, value: 0.25 });
  expect(valuesOf(samples, 'tasktrail_tokens_total', 'gen_ai_token_type')).toEqual({
    input: 100,
    output: 7,
    cache_read_input: 60,
  });
  expect(sumOf(samples, 'tasktrail_tokens_total', labels)).toBe(167);
});

test('amounts are split by model, and the rest belongs to the model of the task', async () => {
  const models = { haiku: { cost_usd: 0.1, input_tokens: 30 }, opus: { cost_usd: 0.5, input_tokens: 50 } };
  trail.taskEnded(endOf(resultOf({ cost_usd: 0.7, input_tokens: 80, models })));
  const samples = await read();
  const cost = valuesOf(samples, 'tasktrail_cost_total', 'gen_ai_request_model');
  expect(cost.haiku).toBeCloseTo(0.1, 9);
  expect(cost.opus).toBeCloseTo(0.6, 9);
  expect(valuesOf(samples, 'tasktrail_tokens_total', 'gen_ai_request_model')).toEqual({
    haiku: 30,
    opus: 50,
  });
});

test('amounts that no task has, and negative ones, rule no sum', async () => {
  for (const cost_usd of [1e15, -5, Number.NaN, 0.25])
    trail.taskEnded(endOf(resultOf({ cost_usd, input_tokens: cost_usd * 1e9 })));
  const samples = await read();
  expect(sumOf(samples, 'tasktrail_cost_total')).toBeCloseTo(0.25, 9);
  expect(sumOf(samples, 'tasktrail_tokens_total')).toBe(250_000_000);
});

test.each<[string, Used, number]>([
  ['says nothing more', { cost_usd: 0.5 }, 0.5],
  ['says more', { cost_usd: 0.8 }, 0.8],
  ['says less', { cost_usd: 0.3 }, 0.5],
  ['splits the same by model', { cost_usd: 0.5, models: { haiku: { cost_usd: 0.5 } } }, 0.5],
])('a later result of an attempt that %s does not count twice', async (_what, used, cost) => {
  const before = resultOf({ cost_usd: 0.5 }, { status: 'abandoned' });
  trail.taskEnded(endOf(before));
  trail.taskEnded(endOf(resultOf(used), before));
  const samples = await read();
  expect(sumOf(samples, 'tasktrail_cost_total')).toBeCloseTo(cost, 9);
  expect(valuesOf(samples, 'tasktrail_tasks_ended_total', 'tasktrail_task_status')).toEqual({
    abandoned: 1,
    completed: 1,
  });
});

test('a repeated end with the same status counts once', async () => {
  const before = resultOf({}, { status: 'failed', error_type: 'exit_code' });
  trail.taskEnded(endOf(before));
  trail.taskEnded(endOf(resultOf({ cost_usd: 1 }, { status: 'failed', error_type: 'exit_code' }), before));
  const samples = await read();
  expect(sumOf(samples, 'tasktrail_tasks_ended_total', { error_type: 'exit_code' })).toBe(1);
  expect(sumOf(samples, 'tasktrail_cost_total')).toBe(1);
});

test('values of senders are truncated, masked, and "other" after two hundred of an attribute', async () => {
  const secret = `ghp_${'a1B2'.repeat(9)}`;
  for (const agent of [`${'x'.repeat(99)}😀`, `by ${secret}`, 'a"b\\c\nd', null]) {
    trail.taskEnded(endOf(resultOf({}), undefined, { assigned_agent: agent }));
  }
  for (let n = 0; n < 1_000; n += 1) {
    trail.taskEnded(endOf(resultOf({}), undefined, { assigned_agent: `agent ${n}` }));
  }
  const found = valuesOf(await read(), 'tasktrail_tasks_ended_total', 'gen_ai_agent_name');
  expect(Object.keys(found)).toHaveLength(202);
  expect(found).toMatchObject({ ['x'.repeat(99)]: 1, 'a"b\\c\nd': 1, '': 1, 'agent 0': 1, other: 803 });
  expect(JSON.stringify(found)).not.toContain(secret);
});

test('the twenty most recent failures are listed, without tasks that succeeded later', async () => {
  const at = (n: number): string => new Date(n * 1_000).toISOString();
  for (let n = 0; n < 30; n += 1) {
    const result = resultOf({}, { status: 'failed', error_type: 'exit_code', completed_at: at(n) });
    trail.watchStore(async () => openTasksOf([]));
    trail.taskEnded(endOf(result, undefined, { task_id: `task-${n}` }));
  }
  const before = resultOf({}, { status: 'failed' });
  trail.taskEnded(endOf(resultOf({}), before, { task_id: 'task-29' }));
  const samples = await read();
  const found = valuesOf(samples, 'tasktrail_task_failed', 'tasktrail_task_id');
  expect(Object.keys(found).sort()).toEqual(Array.from({ length: 19 }, (_, n) => `task-${n + 10}`));
  expect(found['task-12']).toBe(12);
  expect(samples.find(({ name }) => name === 'tasktrail_task_failed')?.labels).toMatchObject({
    tasktrail_trace_id: 'a'.repeat(32),
    gen_ai_agent_name: 'claude',
    error_type: 'exit_code',
    tasktrail_task_status: 'failed',
  });
});

function stateOf(n: number, status: TaskState['status'] = 'running'): TaskState {
  const about = { source: 'api', agent: 'claude', startedAt: new Date(n * 1_000).toISOString() };
  return { taskId: `task-${n}`, status, attempt: 1, heartbeatSeconds: undefined, about };
}

test('the fifty newest running tasks are listed, also after thousands of others', async () => {
  const liveness = new Liveness();
  trail.watchStore(async () => openTasksOf(liveness.all()));
  for (let n = 0; n < 3_000; n += 1) {
    liveness.found(stateOf(n), 5_000_000);
    // Each is seen by a scrape, as in a service that runs for months.
    if (n % 50 === 0) await read();
    liveness.forget(`task-${n}`);
  }
  for (let n = 3_000; n < 3_060; n += 1) liveness.found(stateOf(n), 5_000_000);
  liveness.found(stateOf(4_000, 'waiting_input'), 5_000_000);
  const samples = await read();
  const found = valuesOf(samples, 'tasktrail_task_running', 'tasktrail_task_id');
  expect(Object.keys(found).sort()).toEqual(Array.from({ length: 50 }, (_, n) => `task-${n + 3_010}`));
  expect(found['task-3059']).toBe(3_059);
  expect(valuesOf(samples, 'tasktrail_tasks_open', 'tasktrail_task_status')).toEqual({
    running: 60,
    waiting_input: 1,
  });
});

function documentOf(
  attempt: number,
  { retries, flags }: { readonly retries: number; readonly flags: readonly CompletenessFlag[] },
): WorkflowDocument {
  const isSet = (flag: CompletenessFlag): boolean => flags.includes(flag);
  return {
    event_type: 'workflow_complete',
    workflow_id: 'workflow-1',
    timestamp: '',
    project: null,
    environment: null,
    payload: { status: 'success' },
    event_id: `end-${attempt}`,
    trace_id: null,
    attempt,
    schema_version: 1,
    events: [],
    measured: { duration_ms: 1, phases: 1, steps: 1, artifacts: 0, retries },
    completeness: {
      missing_phase: isSet('missing_phase'),
      missing_step: isSet('missing_step'),
      success_without_children: isSet('success_without_children'),
      failed_child: isSet('failed_child'),
      no_end: isSet('no_end'),
      approval_missing: isSet('approval_missing'),
      time_reversed: isSet('time_reversed'),
      disagrees: isSet('disagrees'),
    },
    revision: 1,
  };
}

test('a workflow counts once for each of its attempts, its flags and retries as they are added', async () => {
  const one = documentOf(1, { retries: 1, flags: ['missing_step'] });
  const revised = documentOf(1, { retries: 3, flags: ['missing_step', 'disagrees'] });
  const again = documentOf(2, { retries: 4, flags: ['disagrees'] });
  trail.workflowEnded({ name: 'review', document: one, before: undefined });
  trail.workflowEnded({ name: 'review', document: revised, before: one });
  trail.workflowEnded({ name: 'review', document: again, before: revised });
  const samples = await read();
  const of = { gen_ai_workflow_name: 'review' };
  expect(
    sumOf(samples, 'tasktrail_workflows_ended_total', { ...of, tasktrail_workflow_status: 'success' }),
  ).toBe(2);
  expect(sumOf(samples, 'tasktrail_workflow_retries_total', of)).toBe(4);
  expect(valuesOf(samples, 'tasktrail_workflow_flags_total', 'tasktrail_workflow_flag')).toEqual({
    missing_step: 1,
    disagrees: 2,
  });
});

const DELIVERY: DeliveryLine = {
  timestamp: '',
  event_id: '',
  provider: 'github',
  delivery_id: null,
  event_type: null,
  outcome: 'rejected',
  reason: 'flood',
  task_ids: [],
  trace_id: null,
  stages: [],
};

test('a line that summarises many deliveries counts each of them, by reason', async () => {
  trail.deliveryStored({ ...DELIVERY, count: 7, reasons: { wrong_signature: 5, 'what <is> this': 2 } });
  trail.deliveryStored({ ...DELIVERY, reason: 'too_large' });
  trail.deliveryStored({ ...DELIVERY, outcome: 'made up', reason: null });
  const samples = await read();
  expect(valuesOf(samples, 'tasktrail_webhook_deliveries_total', 'tasktrail_webhook_reason')).toEqual({
    wrong_signature: 5,
    other: 2,
    too_large: 1,
    '': 1,
  });
  expect(sumOf(samples, 'tasktrail_webhook_deliveries_total', { tasktrail_webhook_outcome: 'other' })).toBe(
    1,
  );
});

test('the counters and the journal are read at each scrape', async () => {
  const books = new Books();
  books.setDestinations(['holder']);
  trail.watchProcess(books);
  books.countRecorded(7);
  books.countReceived(6, 4, 2);
  books.countSkippedLines(1);
  books.countDelivered('holder', 4);
  books.countDropped('rejected', 1);
  books.countUnattributed('some service');
  books.setReason('queue', 'Redis is away');
  const samples = await read();
  expect(sumOf(samples, 'tasktrail_records_recorded_total')).toBe(7);
  expect(sumOf(samples, 'tasktrail_records_accepted_total')).toBe(4);
  expect(sumOf(samples, 'tasktrail_records_duplicate_total')).toBe(2);
  expect(sumOf(samples, 'tasktrail_lines_skipped_total')).toBe(1);
  expect(valuesOf(samples, 'tasktrail_records_delivered_total', 'tasktrail_destination')).toEqual({
    holder: 4,
  });
  expect(valuesOf(samples, 'tasktrail_records_dropped_total', 'tasktrail_reason')).toEqual({ rejected: 1 });
  expect(valuesOf(samples, 'tasktrail_records_unattributed_total', 'tasktrail_sender')).toEqual({
    'some service': 1,
  });
  expect(sumOf(samples, 'tasktrail_journal_pending', { tasktrail_destination: 'holder' })).toBe(3);
  expect(valuesOf(samples, 'tasktrail_unready', 'tasktrail_part')).toEqual({ queue: 1 });
  books.setReason('queue', undefined);
  expect(sumOf(await read(), 'tasktrail_unready')).toBeUndefined();
});

test('pending approvals are summed over all workflows', async () => {
  trail.watchStore(async () => openTasksOf([]));
  trail.approvalsWait('workflow-1', 2);
  trail.approvalsWait('workflow-2', 1);
  trail.approvalsWait('workflow-1', 1);
  expect(sumOf(await read(), 'tasktrail_approvals_waiting')).toBe(2);
  trail.approvalsWait('workflow-1', 0);
  trail.approvalsWait('workflow-2', 0);
  expect(sumOf(await read(), 'tasktrail_approvals_waiting')).toBe(0);
});

test('invalid numbers of a sender are ignored', async () => {
  const used = { cost_usd: -1, input_tokens: Number.NaN, output_tokens: Number.POSITIVE_INFINITY };
  trail.taskEnded(endOf(resultOf({ ...used, models: { a: { cost_usd: -5 }, b: 7, c: null } })));
  const samples = await read();
  expect(sumOf(samples, 'tasktrail_cost_total')).toBeUndefined();
  expect(sumOf(samples, 'tasktrail_tokens_total')).toBeUndefined();
  expect(sumOf(samples, 'tasktrail_tasks_ended_total')).toBe(1);
});
