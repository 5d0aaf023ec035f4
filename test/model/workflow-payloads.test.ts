import { expect, test } from 'vitest';
import { z } from 'zod';
import { WORKFLOW_EVENT_TYPES, type WorkflowEventType } from '../../src/model/events.ts';
import { JSON_DEPTH_MAX } from '../../src/model/json.ts';
import { checkPayload, eventSchema, PAYLOAD_BYTES_MAX } from '../../src/model/workflow-payloads.ts';

const ENVELOPE = {
  workflow_id: 'workflow-199-20251202T150000Z',
  timestamp: '2025-12-02T15:00:00Z',
  project: 'claude-plugins',
  environment: 'development',
};

/** The examples of the workflow event specification. Two of its types have no example. */
const EXAMPLES: Readonly<Record<string, object>> = {
  workflow_start: { context: { work_item_id: '199', branch: null, autonomy_level: 'guarded' } },
  phase_start: { phase: 'architect', steps: ['generate-spec'] },
  step_start: { phase: 'architect', step: { name: 'generate-spec', skill: null } },
  step_complete: {
    phase: 'architect',
    step: {
      name: 'generate-spec',
      skill: 'fractary-spec:spec-generator',
      status: 'success',
      duration_ms: 45000,
      error: null,
    },
    artifacts: [{ type: 'spec', path: '/specs/WORK-00199-automatic-manager-workflow-logging.md' }],
  },
  artifact_create: {
    artifact: {
      type: 'spec',
      path: '/specs/WORK-00199-automatic-manager-workflow-logging.md',
      metadata: { template: 'feature', work_id: '199' },
    },
    step: 'generate-spec',
  },
  phase_complete: {
    phase: 'architect',
    status: 'success',
    duration_ms: 60000,
    steps_completed: 1,
    artifacts_created: 1,
  },
  workflow_complete: {
    status: 'success',
    duration_ms: 3600000,
    summary: { phases_executed: 5, steps_executed: 8, artifacts_created: 4, retries_used: 0 },
    artifacts: [
      { type: 'branch', path: 'feat/199-automatic-manager-workflow-logging' },
      { type: 'spec', path: '/specs/WORK-00199-automatic-manager-workflow-logging.md' },
      { type: 'commit', count: 3 },
      { type: 'pr', url: 'https://github.com/fractary/claude-plugins/pull/200' },
    ],
  },
};

/** Further valid payloads: minimal and common ones. */
const GOOD: readonly (readonly [WorkflowEventType, object])[] = [
  ['workflow_start', {}],
  ['workflow_start', { context: { work_item_id: 199, more: true }, more: [1] }],
  ['workflow_start', { context: {} }],
  ['phase_start', { phase: 'a' }],
  ['step_complete', { phase: 'a', step: { name: 'b', status: 'pending_input', error: { code: 1 } } }],
  ['step_complete', { phase: 'a', step: { name: 'b', status: 'failure', error: 'no' } }],
  ['artifact_create', { artifact: { type: 'pr', url: 'https://x' }, step: null }],
  ['phase_complete', { phase: 'a', status: 'a status of the caller' }],
  ['workflow_complete', { status: 'cancelled' }],
  ['workflow_resumed', {}],
  ['step_retry', { phase: 'a', step: 'b' }],
  ['step_retry', { phase: 'a', step: { name: 'b' }, attempt: 2 }],
  ['phase_skip', { phase: 'a' }],
  ['step_skip', { phase: 'a', step: { name: 'b' } }],
  ['decision_point', {}],
  ['approval_request', { question: 'go?' }],
  ['approval_granted', {}],
  ['approval_denied', { by: 'me' }],
  ['error', { message: 'broken' }],
];

const BAD: readonly (readonly [WorkflowEventType, unknown, readonly string[]])[] = [
  ['workflow_start', [], ['payload: must be a JSON object']],
  ['workflow_start', null, ['payload: must be a JSON object']],
  ['workflow_start', { context: 1 }, ['payload.context: expected object, received number']],
  [
    'workflow_start',
    { context: { work_item_id: true } },
    ['payload.context.work_item_id: use a text, a number or null'],
  ],
  ['phase_start', {}, ['payload.phase: is missing']],
  ['phase_start', { phase: '' }, ['payload.phase: must not be empty']],
  ['phase_start', { phase: 'a', steps: ['b', 1] }, ['payload.steps.1: expected string, received number']],
  ['step_start', { phase: 'a' }, ['payload.step: is missing']],
  ['step_start', { phase: 'a', step: 'b' }, ['payload.step: expected object, received string']],
  ['step_start', { step: { name: 'b' } }, ['payload.phase: is missing']],
  [
    'step_complete',
    { phase: 'a', step: { name: 'b', status: 'done' } },
    ['payload.step.status: expected one of "success"|"warning"|"failure"|"pending_input"'],
  ],
  ['step_complete', { phase: 'a', step: { name: 'b' } }, ['payload.step.status: is missing']],
  [
    'step_complete',
    { phase: 'a', step: { name: 'b', status: 'success', duration_ms: -1, error: 5 }, artifacts: ['x'] },
    [
      'payload.step.duration_ms: Too small: expected number to be >=0',
      'payload.step.error: use a text, an object or null',
      'payload.artifacts.0: expected object, received string',
    ],
  ],
  ['artifact_create', {}, ['payload.artifact: is missing']],
  ['artifact_create', { artifact: { path: 'x' } }, ['payload.artifact.type: is missing']],
  ['phase_complete', { phase: 'a' }, ['payload.status: is missing']],
  ['workflow_complete', {}, ['payload.status: is missing']],
  [
    'workflow_complete',
    { status: 'success', summary: { retries_used: '0' } },
    ['payload.summary.retries_used: expected number, received string'],
  ],
  ['phase_skip', {}, ['payload.phase: is missing']],
  ['step_skip', { phase: 'a' }, ['payload.step: use a name, or an object with a "name"']],
  ['step_retry', { phase: 'a', step: {} }, ['payload.step: use a name, or an object with a "name"']],
  ['error', { message: 1 }, ['payload.message: expected string, received number']],
];

test.each(Object.entries(EXAMPLES))('the example of %s in the specification is valid', (type, payload) => {
  const [known] = WORKFLOW_EVENT_TYPES.filter((name) => name === type);
  if (known === undefined) throw new Error(type);
  expect(checkPayload(known, payload)).toEqual([]);
  const schema = z.fromJSONSchema(eventSchema(known) as Parameters<typeof z.fromJSONSchema>[0]);
  expect(schema.safeParse({ event_type: type, ...ENVELOPE, payload }).error?.issues).toBeUndefined();
});

test.each(GOOD)('%s accepts %j', (type, payload) => {
  expect(checkPayload(type, payload)).toEqual([]);
});

test.each(BAD)('%s rejects %j and names the field', (type, payload, problems) => {
  expect(checkPayload(type, payload)).toEqual(problems);
});

test('the published schema of every type has the required fields and rejects the same payloads as the check', () => {
  for (const type of WORKFLOW_EVENT_TYPES) {
    const schema = eventSchema(type);
    expect(schema, type).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      title: type,
      type: 'object',
      properties: { event_type: { const: type }, schema_version: { const: 1 } },
      required: ['event_type', 'workflow_id', 'timestamp', 'project', 'environment', 'payload'],
    });
  }
  for (const [type, payload] of BAD) {
    const schema = z.fromJSONSchema(eventSchema(type) as Parameters<typeof z.fromJSONSchema>[0]);
    const event = { event_type: type, ...ENVELOPE, payload };
    expect(schema.safeParse(event).success, `${type} ${JSON.stringify(payload)}`).toBe(false);
  }
});

test('a payload that exceeds the limit of a stored line is rejected', () => {
  const long = { context: {}, text: 'x'.repeat(PAYLOAD_BYTES_MAX - 30) };
  expect(checkPayload('workflow_start', long)).toEqual([]);
  // The limit counts the bytes of the JSON text.
  expect(checkPayload('workflow_start', { text: 'é'.repeat(PAYLOAD_BYTES_MAX / 2) })).toEqual([
    `payload: must be at most ${PAYLOAD_BYTES_MAX} bytes of JSON (it has ${PAYLOAD_BYTES_MAX + 11})`,
  ]);
  const many = { list: Array.from({ length: 1_000_001 }, () => []) };
  expect(checkPayload('workflow_start', many)).toEqual(['payload: holds more than 1000000 values']);
});

test('a payload may nest up to JSON_DEPTH_MAX levels', () => {
  const nested = (depth: number): object =>
    JSON.parse(`${'{"a":'.repeat(depth - 1)}{}${'}'.repeat(depth - 1)}`) as object;
  expect(checkPayload('workflow_start', nested(JSON_DEPTH_MAX))).toEqual([]);
  const problem = [`payload: nests deeper than ${JSON_DEPTH_MAX} levels`];
  expect(checkPayload('workflow_start', nested(JSON_DEPTH_MAX + 1))).toEqual(problem);
  expect(checkPayload('workflow_start', nested(100_000))).toEqual(problem);
});
