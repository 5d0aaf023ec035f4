import { z } from 'zod';
import type { Frozen, Loose, Optional, Strict } from './schema-shapes.ts';

// tasktrail.config.json shares these keys with the files of the plugins, in which every other key is the plugin's.

type LoggingShape = {
  use_logs_plugin: Optional<z.ZodBoolean>;
  log_type: Optional<z.ZodString>;
  emit_workflow_events: Optional<z.ZodBoolean>;
};

type CloudStorageShape = {
  enabled: Optional<z.ZodBoolean>;
  provider: Optional<z.ZodString>;
  bucket: Optional<z.ZodString>;
  prefix: Optional<z.ZodString>;
  format: Optional<z.ZodString>;
  endpoint: Optional<z.ZodString>;
  region: Optional<z.ZodString>;
  force_path_style: Optional<z.ZodBoolean>;
};

export const loggingSchema: Strict<LoggingShape> = z.strictObject({
  use_logs_plugin: z.boolean().exactOptional().describe("The plugin's, not read."),
  log_type: z.string().exactOptional().describe("The plugin's, not read."),
  emit_workflow_events: z.boolean().exactOptional().describe('As `TASK_LOGS_EMIT_WORKFLOW_EVENTS`.'),
});

export const daysSchema: z.ZodInt = z
  .int('use a whole number of days, at least 1')
  .min(1, 'use a whole number of days, at least 1')
  .describe('As `TASK_LOGS_WORKFLOW_RETENTION_DAYS`.');

export const cloudStorageSchema: Strict<CloudStorageShape> = z.strictObject({
  enabled: z
    .boolean()
    .exactOptional()
    .describe('`true`: documents of ended workflows are uploaded to S3. Default `false`.'),
  provider: z.string().exactOptional().describe('Only `s3`.'),
  bucket: z.string().exactOptional().describe('As `TASK_LOGS_S3_BUCKET`.'),
  prefix: z.string().exactOptional().describe('As `TASK_LOGS_S3_PREFIX`.'),
  format: z.string().exactOptional().describe('Only `json`.'),
  endpoint: z.string().min(1, 'must not be empty').exactOptional().describe('As `TASK_LOGS_S3_ENDPOINT`.'),
  region: z.string().min(1, 'must not be empty').exactOptional().describe('As `AWS_REGION`.'),
  force_path_style: z.boolean().exactOptional().describe('As `TASK_LOGS_S3_PATH_STYLE`.'),
});

/** `.fractary/plugins/faber/config.json`. */
export const faberSchema: Loose<{ logging: Optional<Loose<LoggingShape>> }> = z.object({
  logging: loggingSchema.strip().exactOptional(),
});

type WorkflowShape = {
  local_retention_days: Optional<z.ZodInt>;
  cloud_storage: Optional<Loose<CloudStorageShape>>;
};

/** `.fractary/plugins/logs/config.json`. */
export const logsSchema: Loose<{ types: Optional<Loose<{ workflow: Optional<Loose<WorkflowShape>> }>> }> =
  z.object({
    types: z
      .object({
        workflow: z
          .object({
            local_retention_days: daysSchema.exactOptional(),
            cloud_storage: cloudStorageSchema.strip().exactOptional(),
          })
          .exactOptional(),
      })
      .exactOptional(),
  });

export type CloudStorageConfig = Frozen<z.output<typeof cloudStorageSchema>>;
