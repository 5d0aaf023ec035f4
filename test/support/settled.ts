import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { parseObject } from '../../src/model/json.ts';
import { keyValuesFromPlain, type ReceivedLog } from '../../src/model/otlp.ts';
import { documentOf, filesIn, newStore, type TestStore } from './log-dir.ts';
import { eventId, log, outputLog, span, spanId } from './records.ts';

export const TASK_FILES = [
  'metadata.json',
  '01-input.json',
  '02-webhook-flow.jsonl',
  '03-agent-output.jsonl',
  '04-final-result.json',
  'trace.jsonl',
  'facts.jsonl',
] as const;

function record(number: number, event: string, body: ReceivedLog['record']['body']): ReceivedLog {
  const attributes = { 'tasktrail.task.id': 'task-1', 'tasktrail.task.attempt': 2 };
  return log({
    event: `tasktrail.${event}`,
    id: eventId(number),
    atMs: number,
    body: body ?? null,
    attributes,
  });
}

function stage(number: number, name: string): ReceivedLog {
  const attributes = { 'tasktrail.task.id': 'task-1', 'tasktrail.webhook.stage': name };
  return log({ event: `tasktrail.webhook.${name}`, id: eventId(number), atMs: number, attributes });
}

/** A model call, which only telemetry reports. */
const CALL = span({
  id: spanId(7),
  attributes: {
    'tasktrail.task.id': 'task-1',
    'tasktrail.task.attempt': 2,
    'gen_ai.operation.name': 'chat',
    'gen_ai.request.model': 'm-9',
    'gen_ai.response.model': 'm-9',
    'gen_ai.usage.input_tokens': 120,
    'gen_ai.usage.output_tokens': 30,
  },
  resource: keyValuesFromPlain({ 'service.name': 'agent' }),
});

/** What is settled, its folder, and its files in the middle. */
export interface Settled {
  readonly store: TestStore;
  readonly dir: string;
  readonly older: Readonly<Record<string, string>>;
}

/** A settled task of two attempts, and its files while the first one ran. */
export async function settledTask(): Promise<Settled> {
  const store = await newStore();
  const dir = join(store.dir, 'task-1');
  await store.logs(
    stage(1, 'received'),
    log({
      event: 'tasktrail.task.metadata',
      id: eventId(2),
      atMs: 2,
      body: { status: 'running', source: 'webhook', provider: 'github', created_at: '2026-01-02T03:04:04Z' },
    }),
    outputLog(4),
  );
  const older = filesIn(dir);
  await store.logs(
    stage(5, 'queue_push'),
    record(6, 'task.input', { message: 'review it', source_metadata: { repo: 'acme/shop' } }),
    record(7, 'task.metadata', {
      status: 'running',
      started_at: '2026-01-02T03:04:05Z',
      own: { field: [1] },
    }),
    outputLog(8),
    outputLog(9),
    record(10, 'task.result', {
      ...{ success: true, status: 'completed', result: 'looks good', exit_code: 0, own_result: 'x' },
      completed_at: '2026-01-02T03:04:05.020Z',
      metrics: { cost_usd: 0.25, duration_seconds: 3 },
    }),
  );
  await store.sendSpans(span({ id: spanId(1) }), CALL, span({ id: spanId(2) }));
  await store.pass(12_000);
  expect(parseObject(readFileSync(join(dir, 'metadata.json'), 'utf8'))).toMatchObject({
    ...{ status: 'completed', settled: true, model: 'm-9', attempt: 2 },
  });
  return { store, dir, older };
}

export const WORKFLOW = 'workflow-199-20260102T030405Z-ab12';
export const MONTH: string = join('_workflow', '2026', '01');
export const WORKFLOW_FILES = ['.jsonl', '.json', '.facts', '.trace.jsonl', '.uploaded'] as const;

export function workflowEvent(
  number: number,
  type: string,
  body: ReceivedLog['record']['body'] = {},
): ReceivedLog {
  const attributes = { 'tasktrail.workflow.id': WORKFLOW };
  return log({ event: `tasktrail.${type}`, id: eventId(number), atMs: number, body, attributes });
}

/** A settled workflow whose document has two revisions, and its files in the middle. */
export async function settledWorkflow(): Promise<Settled> {
  const store = await newStore();
  const dir = join(store.dir, MONTH);
  await store.logs(
    workflowEvent(0, 'workflow_start'),
    workflowEvent(1, 'phase_start', { phase: 'build', steps: ['test'] }),
  );
  const older = filesIn(dir);
  await store.logs(
    workflowEvent(2, 'step_start', { phase: 'build', step: { name: 'test' } }),
    workflowEvent(3, 'step_complete', { phase: 'build', step: { name: 'test', status: 'success' } }),
    workflowEvent(4, 'phase_complete', { phase: 'build', status: 'success' }),
    workflowEvent(6, 'workflow_complete', { status: 'success' }),
  );
  await store.sendSpans(
    ...[1, 2].map((id) => span({ id: spanId(id), attributes: { 'tasktrail.workflow.id': WORKFLOW } })),
  );
  await store.pass(12_000);
  await store.logs(
    workflowEvent(5, 'artifact_create', { artifact: { type: 'spec', path: '/x.md' }, step: 'test' }),
  );
  await store.pass(12_000);
  await store.pass(60_000);
  const mark = {
    bucket: 'b',
    key: `k/${WORKFLOW}.json`,
    revision: 2,
    verified_at: '2026-01-02T04:00:00.000Z',
  };
  writeFileSync(join(dir, `${WORKFLOW}.uploaded`), `${JSON.stringify({ ...mark, schema_version: 1 })}\n`);
  expect(documentOf(dir, `${WORKFLOW}.json`)).toMatchObject({ revision: 2 });
  return { store, dir, older };
}
