import type { FinalResult, Metadata } from '../../../src/model/documents.ts';
import type { JsonValue } from '../../../src/model/json.ts';
import { keyValuesFromPlain, type ReceivedSpan } from '../../../src/model/otlp.ts';
import { T0, TRACE_ID } from '../../support/records.ts';

export interface Given {
  readonly id: number;
  readonly parent?: number | undefined;
  readonly attributes: Readonly<Record<string, JsonValue | undefined>>;
  readonly scope?: string;
  /** Start and end in milliseconds. */
  readonly at?: readonly [number, number];
  /** Made by tasktrail. */
  readonly own?: boolean;
}

const idOf = (number: number): string => number.toString(16).padStart(16, '0');

export function given({ id, parent, attributes, scope = 'test', at = [0, 10] }: Given): ReceivedSpan {
  return {
    resource: { attributes: keyValuesFromPlain({ 'service.name': 'agent', 'tasktrail.task.id': 'task-1' }) },
    scope: { name: scope },
    span: {
      traceId: TRACE_ID,
      spanId: idOf(id),
      ...(parent !== undefined && { parentSpanId: idOf(parent) }),
      name: 'span',
      kind: 3,
      startTimeUnixNano: `${T0 + at[0]}000000`,
      endTimeUnixNano: `${T0 + at[1]}000000`,
      attributes: keyValuesFromPlain(attributes),
    },
  };
}

export const METADATA: Metadata = {
  task_id: 'task-1',
  source: null,
  provider: null,
  created_at: null,
  started_at: null,
  completed_at: null,
  status: 'running',
  assigned_agent: null,
  agent_type: null,
  model: null,
  trace_id: null,
  attempt: 1,
  workflow_ids: [],
  schema_version: 1,
};

export const RESULT: FinalResult = {
  success: true,
  result: 'done',
  error: null,
  metrics: {
    cost_usd: null,
    input_tokens: null,
    output_tokens: null,
    duration_seconds: 2,
    cache_read_input_tokens: null,
    cache_creation_input_tokens: null,
  },
  completed_at: '2026-01-02T03:04:05.000Z',
  status: 'completed',
};
