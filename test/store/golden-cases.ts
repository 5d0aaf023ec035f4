import type { JsonValue } from '../../src/model/json.ts';
import { keyValuesFromPlain, type ReceivedLog, type TelemetryBatch } from '../../src/model/otlp.ts';
import { eventId, type LogOptions, log, span, spanId, T0 } from '../support/records.ts';

const TASK = { 'tasktrail.task.id': 'task-1', 'tasktrail.task.attempt': 1 };
const WORKFLOW_ID = 'workflow-42-20260102T030405Z-ab12';

/** Directories below `test/golden` and the batches that produce them. */
export const GOLDEN_CASES: readonly (readonly [string, () => readonly TelemetryBatch[]])[] = [
  ['webhook-task', () => [webhookTask()]],
  ['foreign-records', () => [foreignRecords(), foreignRecords()]],
  ['retried-task', () => [retriedTask()]],
  ['mixed-requests', () => [mixedRequest()]],
];

function at(number: number, event: string, more: Partial<LogOptions> = {}): ReceivedLog {
  const attributes = { ...TASK, ...more.attributes };
  const named = { event: `tasktrail.${event}`, id: eventId(number), atMs: number * 10, spanId: spanId(1) };
  return log({ ...named, ...more, attributes });
}

function stage(number: number, name: string, fields: Record<string, JsonValue>): ReceivedLog {
  const attributes: Record<string, JsonValue> = {
    'tasktrail.webhook.provider': 'github',
    'tasktrail.webhook.delivery_id': 'd-1',
    'tasktrail.webhook.stage': name,
  };
  for (const [key, value] of Object.entries(fields)) attributes[`tasktrail.webhook.${key}`] = value;
  return at(number, `webhook.${name}`, { attributes });
}

function output(
  number: number,
  type: string,
  body: string,
  more: Record<string, JsonValue> = {},
): ReceivedLog {
  return at(number, 'agent.output', { body, attributes: { 'tasktrail.agent.output.type': type, ...more } });
}

function webhookTask(): TelemetryBatch {
  const tool = { 'gen_ai.tool.name': 'Read', 'gen_ai.tool.call.id': 'call-1' };
  const logs = [
    stage(1, 'received', { event_type: 'issue_comment.created' }),
    stage(2, 'validation', { status: 'passed' }),
    stage(3, 'command_matching', { command: 'review', matched: true }),
    stage(4, 'immediate_response', { type: 'reaction', content: 'eyes' }),
    stage(5, 'task_created', { task_id: 'task-1', agent: 'claude' }),
    at(6, 'task.metadata', {
      body: {
        ...{ source: 'webhook', provider: 'github', created_at: '2026-01-02T04:04:05+01:00' },
        ...{ status: 'queued', assigned_agent: 'claude', agent_type: 'coding', model: null },
        ...{ trace_id: '0af7651916cd43dd8448eb211c80319c', command: 'review' },
      },
    }),
    at(7, 'task.input', {
      body: {
        message: 'please review',
        source_metadata: { provider: 'github', repo: 'owner/repo', issue_number: 42, webhook_id: 'd-1' },
      },
    }),
    stage(8, 'queue_push', { queue: 'agent', job_id: '1' }),
    at(9, 'webhook.delivery', {
      body: {
        ...{ event_type: 'issue_comment.created', outcome: 'accepted', reason: null, task_ids: ['task-1'] },
        stages: [{ timestamp: '2026-01-02T03:04:05.010Z', stage: 'received' }],
      },
      attributes: { 'tasktrail.webhook.provider': 'github', 'tasktrail.webhook.delivery_id': 'd-1' },
    }),
    at(10, 'task.metadata', {
      body: { status: 'running', started_at: '2026-01-02T03:04:06Z' },
      spanId: spanId(2),
      attributes: {
        ...{ 'tasktrail.span.name': 'process agent', 'tasktrail.span.kind': 5 },
        'tasktrail.span.parent_id': spanId(1),
      },
    }),
    at(11, 'task.heartbeat'),
    at(12, 'workflow_start', {
      body: { phases: ['build'] },
      attributes: { 'tasktrail.workflow.id': WORKFLOW_ID, 'tasktrail.project': 'shop' },
    }),
    at(13, 'task.metadata', { body: { workflow_ids: [WORKFLOW_ID], model: 'claude-opus' } }),
    output(14, 'system', 'session started', { 'tasktrail.agent.output.session_id': 's-1' }),
    output(15, 'thinking', 'let me see'),
    output(16, 'tool_call', 'Using Read\n', { ...tool, 'gen_ai.tool.call.arguments': { path: 'a.ts' } }),
    output(17, 'tool_result', 'const a = 1;', { ...tool, 'tasktrail.tool.is_error': false }),
    output(18, 'output', 'Looks good.\n'),
    output(19, 'error', 'a warning'),
    output(20, 'result', 'Looks good.'),
    at(21, 'workflow_complete', {
      body: { status: 'success' },
      attributes: { 'tasktrail.workflow.id': WORKFLOW_ID, 'tasktrail.project': 'shop' },
    }),
    at(22, 'task.result', {
      body: {
        ...{ success: true, result: 'Looks good.', error: null, status: 'completed' },
        metrics: { cost_usd: 0.0234, input_tokens: 1500, output_tokens: 800, duration_seconds: 45.2 },
        completed_at: '2026-01-02T03:04:50Z',
      },
    }),
  ];
  const attributes = { 'tasktrail.task.id': 'task-1' };
  const spans = [span({ id: spanId(1), attributes }), span({ id: spanId(2), attributes })];
  return { logs, spans };
}

function foreignRecords(): TelemetryBatch {
  const named = {
    event: 'codex.tool_decision',
    attributes: { 'tasktrail.task.id': 'task-1', tool: 'shell' },
  };
  const resource = { 'service.name': 'agent', 'tasktrail.task.id': 'task-1' };
  const logs = [
    log({ ...named, body: 'approved' }),
    log({ ...named, body: 'approved' }),
    log({ attributes: { level: 3, nested: { a: [1, null] } }, resource, body: { text: 'data' }, atMs: 2 }),
    log({ attributes: {}, resource: { 'service.name': 'stray' }, body: 'whose?' }),
  ];
  return { logs, spans: [span({ id: spanId(3), attributes: {}, resource: keyValuesFromPlain(resource) })] };
}

function retriedTask(): TelemetryBatch {
  const second = { 'tasktrail.task.attempt': 2 };
  const logs = [
    at(1, 'task.metadata', { body: { source: 'api', status: 'queued', created_at: T0 } }),
    at(2, 'task.metadata', { body: { status: 'running', started_at: '2026-01-02T03:04:05.020Z' } }),
    output(3, 'error', 'exit code 1', { 'tasktrail.agent.output.error_type': 'exit_code' }),
    at(4, 'task.metadata', { body: { status: 'queued', attempt: 2 }, attributes: second }),
    at(5, 'task.metadata', {
      body: { status: 'running', started_at: '2026-01-02T03:04:05.050Z' },
      attributes: second,
    }),
    at(6, 'task.result', {
      body: { success: false, result: null, error: 'timed out', status: 'failed' },
      attributes: second,
    }),
  ];
  return { logs, spans: [] };
}

function mixedRequest(): TelemetryBatch {
  const logs = [
    output(1, 'output', 'kept\n'),
    at(2, 'agent.output', { body: 'lost', attributes: { 'tasktrail.task.id': '../up' } }),
    at(3, 'task.input', { body: { no: 'message' } }),
    at(4, 'task.heartbeat', { attributes: { 'tasktrail.task.id': 'task-of-a-heartbeat' } }),
    at(5, 'step_start', { body: {}, attributes: { 'tasktrail.workflow.id': 'no-stamp' } }),
    at(6, 'agent.output', { body: 'TOKEN ghp_012345678901234567890123456789012345\n' }),
  ];
  return { logs, spans: [] };
}
