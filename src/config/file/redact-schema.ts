import { z } from 'zod';
import { patternProblem } from '../values/rule-pattern.ts';
import type { Strict } from './schema-shapes.ts';

/** One entry of `redact.rules`. */
export const redactRuleSchema: Strict<{ name: z.ZodString; pattern: z.ZodString }> = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,59}$/, 'must be lower-case letters, digits and hyphens')
    .describe('What the mask says: `[redacted:<name>]`.'),
  pattern: z
    .string()
    .min(1)
    .max(1_000)
    .superRefine((source, context) => {
      const problem = patternProblem(source);
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
    })
    .describe('A JavaScript regular expression. All that it matches is masked.'),
});

export type RedactRule = z.output<typeof redactRuleSchema>;
