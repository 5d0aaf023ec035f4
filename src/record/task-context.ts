import { type Context, createContextKey } from '@opentelemetry/api';

const TASK_IDS = createContextKey('tasktrail.task_ids');

const NONE: readonly string[] = [];

/** Ids of the tasks whose spans are started in this context. */
export function taskIdsOf(ctx: Context): readonly string[] {
  const value = ctx.getValue(TASK_IDS);
  return Array.isArray(value) ? value : NONE;
}

export function withTaskIds(ctx: Context, taskIds: readonly string[]): Context {
  return ctx.setValue(TASK_IDS, taskIds);
}
