import { z } from 'zod';
import { agentSchema, commandSchema, nameSchema } from './agent-schema.ts';
import { notifySchema, RECEIVERS_MAX } from './notify-schema.ts';
import { cloudStorageSchema, daysSchema, loggingSchema } from './plugin-schema.ts';
import { redactRuleSchema } from './redact-schema.ts';
import type { Frozen, Optional, Strict } from './schema-shapes.ts';
import { webhookSchema } from './webhook-schema.ts';

export const DEFAULT_TRIGGER = '@agent';

type WorkflowShape = {
  local_retention_days: Optional<z.ZodInt>;
  cloud_storage: Optional<typeof cloudStorageSchema>;
};

/** `tasktrail.config.json`. */
export const fileSchema: Strict<{
  trigger: Optional<z.ZodString>;
  agents: Optional<z.ZodRecord<z.ZodString, typeof agentSchema>>;
  commands: Optional<z.ZodRecord<z.ZodString, typeof commandSchema>>;
  webhooks: Optional<z.ZodRecord<z.ZodString, typeof webhookSchema>>;
  notify: Optional<z.ZodArray<typeof notifySchema>>;
  redact: Optional<Strict<{ rules: Optional<z.ZodArray<typeof redactRuleSchema>> }>>;
  logging: Optional<typeof loggingSchema>;
  types: Optional<Strict<{ workflow: Optional<Strict<WorkflowShape>> }>>;
}> = z.strictObject({
  trigger: z
    .string()
    .trim()
    .min(1)
    .exactOptional()
    .describe(`The word before a command in a comment or message. Default \`${DEFAULT_TRIGGER}\`.`),
  agents: z
    .record(nameSchema, agentSchema)
    .exactOptional()
    .describe(
      'Agents by name (letters, digits, `.`, `_`, `-`); the first one runs every command that names no other.',
    ),
  commands: z
    .record(nameSchema, commandSchema)
    .exactOptional()
    .describe('Commands by the word after the trigger.'),
  webhooks: z
    .record(nameSchema, webhookSchema)
    .exactOptional()
    .describe('Senders besides GitHub, Jira and Slack, by the name in their path: `POST /webhooks/<name>`.'),
  notify: z
    .array(notifySchema)
    .max(RECEIVERS_MAX)
    .exactOptional()
    .describe('Where notifications are sent, signed after Standard Webhooks.'),
  redact: z
    .strictObject({ rules: z.array(redactRuleSchema).max(100).exactOptional() })
    .exactOptional()
    .describe('What is masked besides the forms and names that are known.'),
  logging: loggingSchema.exactOptional(),
  types: z
    .strictObject({
      workflow: z
        .strictObject({
          local_retention_days: daysSchema.exactOptional(),
          cloud_storage: cloudStorageSchema.exactOptional(),
        })
        .exactOptional(),
    })
    .exactOptional(),
});

export type ConfigFile = Frozen<z.output<typeof fileSchema>>;
