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

test('what an attempt says of its task travels with the trace context', () => {
  const { metadata } = packEnvelope({ ...TASK, carrier: CARRIER });
  expect(readEnvelope(metadata)).toEqual({ ...TASK, carrier: CARRIER });
});

test('of a carrier that was edited by hand only text is taken', () => {
  const rubbish = { source: 1, provider: { a: 1 }, assigned_agent: null, model: ['x'], traceparent: false };
  const metadata = JSON.stringify({ task_id: 'task-1', message: 'm', ...rubbish, other: 'x' });
  expect(readEnvelope(metadata)?.carrier).toEqual({});
});
