import { expect, test } from 'vitest';
import { packEnvelope, readEnvelope } from '../../src/queue/envelope.ts';

const TASK = { taskId: 'task-1', message: 'm', sourceMetadata: { repo: 'acme/app' } };
const CARRIER = {
  traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
  tracestate: 'vendor=1',
  source: 'webhook',
  provider: 'github',
  assigned_agent: 'claude',
  model: 'opus',
};

test('an envelope holds the fields of its task and the trace context', () => {
  const { metadata } = packEnvelope({ ...TASK, carrier: CARRIER });
  expect(readEnvelope(metadata)).toEqual({ ...TASK, carrier: CARRIER });
});

test('fields of a carrier that are no strings are dropped', () => {
  const rubbish = { source: 1, provider: { a: 1 }, assigned_agent: null, model: ['x'], traceparent: false };
  const metadata = JSON.stringify({ task_id: 'task-1', message: 'm', ...rubbish, other: 'x' });
  expect(readEnvelope(metadata)?.carrier).toEqual({});
});
