import { z } from 'zod';
import type { Frozen, Optional, Strict, Texts } from './schema-shapes.ts';

const path: z.ZodString = z
  .string()
  .regex(/^[^.\s][^.]*(?:\.[^.]+)*$/, 'use names with dots between them: issue.fields.text');
const header: z.ZodString = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'use the name of a header')
  .toLowerCase();

/** Fields of `source_metadata` that every task of a webhook has. */
const OWN_FIELDS: readonly string[] = ['provider', 'event_type', 'webhook_id', 'command'];

function problemOfField(field: string): string | undefined {
  if (OWN_FIELDS.includes(field)) return 'this field is set already; choose another name';
  return /^[a-z][a-z0-9_]{0,63}$/.test(field) ? undefined : 'use small letters, digits and "_" in its name';
}

export const webhookSchema: Strict<{
  secret: z.ZodUnion<readonly [z.ZodString, z.ZodArray<z.ZodString>]>;
  header: z.ZodString;
  algorithm: Optional<Texts<'sha1' | 'sha256' | 'sha512' | 'token'>>;
  encoding: Optional<Texts<'hex' | 'base64'>>;
  prefix: Optional<z.ZodString>;
  message: z.ZodString;
  markup: Optional<Texts<'markdown' | 'html' | 'text' | 'jira' | 'slack'>>;
  event_type: Optional<z.ZodString>;
  event_type_header: Optional<z.ZodString>;
  delivery_id: Optional<z.ZodString>;
  delivery_id_header: Optional<z.ZodString>;
  source_metadata: Optional<z.ZodRecord<z.ZodString, z.ZodString>>;
  command: Optional<z.ZodString>;
  body_bytes_max: Optional<z.ZodInt>;
}> = z.strictObject({
  secret: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .describe(
      `One secret, or a list while one replaces another; \`\${NAME}\` is replaced from the environment.`,
    ),
  header: header.describe('The header with the signature or, with the algorithm `token`, with the secret.'),
  algorithm: z
    .enum(['sha1', 'sha256', 'sha512', 'token'])
    .exactOptional()
    .describe('The HMAC of the body; `token`: the header holds the secret itself. Default `sha256`.'),
  encoding: z
    .enum(['hex', 'base64'])
    .exactOptional()
    .describe('How the signature is written. Default `hex`.'),
  prefix: z.string().exactOptional().describe('Text before the signature, for example `sha256=`.'),
  message: path.describe("Path of the person's text in the body: `issue.fields.0.text`."),
  markup: z
    .enum(['markdown', 'html', 'text', 'jira', 'slack'])
    .exactOptional()
    .describe(
      "How that text is written, to tell the person's own words from code and quotations. Default `markdown`.",
    ),
  event_type: path.exactOptional().describe('Path of the type of event. Default: the type is `webhook`.'),
  event_type_header: header.exactOptional().describe('The header with the type of event.'),
  delivery_id: path.exactOptional().describe('Path of the id that a repeated delivery has in common.'),
  delivery_id_header: header.exactOptional().describe('The header with that id.'),
  source_metadata: z
    .record(z.string(), path)
    .superRefine((fields, issues) => {
      for (const key of Object.keys(fields)) {
        const problem = problemOfField(key);
        if (problem !== undefined) issues.addIssue({ code: 'custom', path: [key], message: problem });
      }
    })
    .exactOptional()
    .describe('More fields for `source_metadata`, each with the path of its value.'),
  command: z
    .string()
    .min(1)
    .exactOptional()
    .describe('The command that each delivery starts. Default: the command after the trigger in the text.'),
  // V8 cannot make a string of more than twice this length, and parsing needs one.
  body_bytes_max: z
    .int()
    .min(1)
    .max(268_435_456)
    .exactOptional()
    .describe('A longer body is refused. Default: 5 MiB.'),
});

export type WebhookConfig = Frozen<z.output<typeof webhookSchema>>;
