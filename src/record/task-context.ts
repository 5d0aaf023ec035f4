import { type Context, createContextKey } from '@opentelemetry/api';

const TASK_IDS = createContextKey('tasktrail.task_ids');

const NONE: readonly string[] = [];

/** The tasks that a span started in this context belongs to. */
export function taskIdsOf(ctx: Context): readonly string[] {
  const value = ctx.getValue(TASK_IDS);
  return Array.isArray(value) ? value : NONE;
}

export function withTaskIds(ctx: Context, taskIds: readonly string[]): Context {
  return ctx.setValue(TASK_IDS, taskIds);
}
