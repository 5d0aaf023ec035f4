import { z } from 'zod';
import { count, shape, text, textOrNull } from './shape.ts';

const amount = (): z.ZodType => z.number().nullable();

const side = shape(
  'ComparedSide',
  z.object({
    task_id: text(),
    attempt: z.int().min(1),
    status: textOrNull(),
    entries: count(),
    amounts_from: z.enum(['result', 'spans']),
  }),
);

const entry = shape(
  'ComparedEntry',
  z.object({
    number: z.int().min(1),
    kind: z.enum(['phase', 'step', 'tool']),
    name: text(),
    phase: textOrNull().optional(),
    at: text(),
    seconds: amount(),
    failed: z.boolean(),
    event_id: text().optional(),
  }),
);

const row = shape(
  'ComparedRow',
  z.object({
    number: z.int().min(1),
    differs: z.array(z.enum(['entry', 'input', 'result', 'outcome'])),
    a: entry.nullable(),
    b: entry.nullable(),
  }),
);

const value = (): z.ZodType => z.union([z.number(), z.string()]).nullable();

const difference = shape(
  'ComparedDifference',
  z.object({
    difference: z.enum([
      ...(['status', 'result', 'error', 'seconds', 'cost_usd', 'input_tokens', 'output_tokens'] as const),
      ...(['artifacts', 'calls', 'failed_calls'] as const),
    ]),
    a: value(),
    b: value(),
    b_minus_a: amount().optional(),
    phase: textOrNull().optional(),
    step: text().optional(),
    tool: text().optional(),
    artifact: text().optional(),
  }),
);

const comparison: z.ZodType = shape(
  'Comparison',
  z.object({
    a: side,
    b: side,
    first_divergence: row.nullable(),
    differences: z.array(difference),
    differences_left_out: count(),
    rows: z.array(row),
    rows_left_out: count(),
    cut: z.object({ a: count(), b: count() }).nullable(),
  }),
);

export { comparison };
