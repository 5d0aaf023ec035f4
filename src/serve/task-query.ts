import { z } from 'zod';
import { TASK_STATUSES } from '../model/documents.ts';
import type { TaskQuery } from '../model/task-reading.ts';
import { filter, limit, readQuery, time } from './query.ts';

const schema = z.strictObject({
  status: z.enum(TASK_STATUSES, { error: `must be one of ${TASK_STATUSES.join(', ')}` }).optional(),
  source: filter,
  provider: filter,
  agent: filter,
  since: time,
  until: time,
  // Each item is a file to read, so the size of a page is limited.
  limit: limit(50, 500),
  cursor: filter,
});

/** The query of `GET /tasks`. Throws `ERR_INPUT_INVALID` naming an invalid or unknown parameter. */
export function readTaskQuery(url: string): TaskQuery {
  return readQuery(url, schema);
}
