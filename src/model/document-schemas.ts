import { z } from 'zod';
import { TASK_STATUSES } from './documents.ts';
import type { JsonObject } from './json.ts';
import { readIso } from './time.ts';

const time = z
  .string()
  .refine((text) => readIso(text) === text, 'must be a time as 2026-01-02T03:04:05.000Z');
const text = z.string();
const amount = z.number().nullable();

/** Fields that every document of its kind has; others are kept. */
const metadata = z.looseObject({
  task_id: text,
  source: text.nullable(),
  provider: text.nullable(),
  created_at: time.nullable(),
  started_at: time.nullable(),
  completed_at: time.nullable(),
  status: z.enum(TASK_STATUSES),
  assigned_agent: text.nullable(),
  agent_type: text.nullable(),
  model: text.nullable(),
  trace_id: text.nullable(),
  attempt: z.int().min(1),
  workflow_ids: z.array(text),
  schema_version: z.int(),
});

const input = z.looseObject({ message: text, source_metadata: z.looseObject({}) });

const finalResult = z.looseObject({
  success: z.boolean(),
  result: text.nullable(),
  error: text.nullable(),
  metrics: z.looseObject({
    cost_usd: amount,
    input_tokens: amount,
    output_tokens: amount,
    duration_seconds: amount,
  }),
  completed_at: time,
  status: z.enum(['completed', 'failed', 'cancelled', 'abandoned']),
});

/** The first thing that is wrong with a document; undefined when it has the form of its kind. */
export function documentProblem(
  kind: 'metadata' | 'input' | 'finalResult',
  document: JsonObject,
): string | undefined {
  const parsed = { metadata, input, finalResult }[kind].safeParse(document);
  if (parsed.success) return undefined;
  const [issue] = parsed.error.issues;
  return [issue?.path.join('.'), issue?.message].filter(Boolean).join(': ');
}
