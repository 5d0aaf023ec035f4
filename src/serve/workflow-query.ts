import { z } from 'zod';
import { WORKFLOW_EVENT_TYPES } from '../model/events.ts';
import { type FeedQuery, WORKFLOW_SORTS, type WorkflowQuery } from '../model/workflow.ts';
import { values } from './contract/parameter.ts';
import { amount, filter, limit, readQuery, time } from './query.ts';

const eventType = z
  .enum(WORKFLOW_EVENT_TYPES, { error: `must be one of ${WORKFLOW_EVENT_TYPES.join(', ')}` })
  .optional();

/** The parameters of `GET /workflows`. */
export const workflowListQuery: z.ZodType<WorkflowQuery> = z.strictObject({
  work_item_id: values(),
  // The reader knows which statuses there are: orchestrators may use words of their own.
  status: values(),
  name: values(),
  task_id: values(),
  project: values(),
  environment: values(),
  since: time,
  until: time,
  duration_min: amount,
  duration_max: amount,
  // The reader knows its grammar, and says at which character a mistake is.
  q: filter,
  sort: z.enum(WORKFLOW_SORTS, { error: `must be one of ${WORKFLOW_SORTS.join(', ')}` }).optional(),
  limit: limit(50, 500),
  cursor: filter,
});

/** The parameters of `GET /workflows/{id}/events`. */
export const workflowEventsQuery: z.ZodType<{ readonly type?: string | undefined }> = z.strictObject({
  type: eventType,
});

/** The parameters of `GET /events`. Events are lines of one file and cheap to read, so a page may hold more of them. */
export const feedQuery: z.ZodType<FeedQuery> = z.strictObject({
  after: filter,
  type: eventType,
  limit: limit(100, 1000),
});

/** The query of `GET /workflows`. Throws `ERR_INPUT_INVALID` naming an invalid parameter, as do the others. */
export function readWorkflowQuery(url: string): WorkflowQuery {
  return readQuery(url, workflowListQuery);
}

/** The query of `GET /workflows/{id}/events`. */
export function readEventsQuery(url: string): { readonly type?: string | undefined } {
  return readQuery(url, workflowEventsQuery);
}

/** The query of `GET /events`. */
export function readFeedQuery(url: string): FeedQuery {
  return readQuery(url, feedQuery);
}
