import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { TasktrailError } from '../../errors.ts';
import type { TasksToFollow } from '../../model/event-stream.ts';
import { WORKFLOW_EVENT_TYPES } from '../../model/events.ts';
import { checkId } from '../../model/ids.ts';
import type { TaskFilter } from '../../model/task-reading.ts';
import { parametersOf } from '../../system/http/parameters.ts';
import { limit, readQuery } from '../query.ts';
import { taskFilters } from '../task-query.ts';

/** Tasks of one stream. Each id of an event is the place in all of them, and comes back in a header. */
const TASKS_MAX = 50;

/** With 50 tasks about three kilobytes; headers have 16 KiB in all. */
const ID_LENGTH_MAX = 8_000;

const eventId = z.string().min(1, 'must not be empty').max(ID_LENGTH_MAX).optional();

/** The parameters of the stream of a task or a workflow. */
export const streamQuery: z.ZodType<{ readonly after?: string | undefined }> = z.strictObject({
  after: eventId,
});

/** The parameters of the stream of the feed. */
export const feedStreamQuery: z.ZodType<{
  readonly after?: string | undefined;
  readonly type?: string | undefined;
}> = z.strictObject({
  after: eventId,
  type: z
    .enum(WORKFLOW_EVENT_TYPES, { error: `must be one of ${WORKFLOW_EVENT_TYPES.join(', ')}` })
    .optional(),
});

const flag = z.enum(['true', 'false'], { error: 'must be true or false' }).optional();

interface TasksQuery extends TaskFilter {
  readonly task?: readonly string[] | undefined;
  readonly after?: string | undefined;
  readonly list?: 'true' | 'false' | undefined;
  readonly limit: number;
}

/** The parameters of `GET /stream`. */
export const tasksStreamQuery: z.ZodType<TasksQuery> = z.strictObject({
  task: z
    .array(z.string())
    .max(TASKS_MAX, `at most ${TASKS_MAX} in one stream; open another one for the others`)
    .optional(),
  after: eventId,
  list: flag,
  ...taskFilters,
  limit: limit(50, 500),
});

/** The id after which a stream goes on: that of the header, which a browser sends when it comes again, else `after`. */
export function readAfter(req: IncomingMessage): string | undefined {
  return lastEventId(req) ?? readQuery(req.url ?? '', streamQuery).after;
}

export function readFeedAfter(req: IncomingMessage): {
  readonly after: string | undefined;
  readonly type: string | undefined;
} {
  const { after, type } = readQuery(req.url ?? '', feedStreamQuery);
  return { after: lastEventId(req) ?? after, type };
}

/** The query of `GET /stream`: tasks, and the list's changes unless only tasks are named. */
export function readTasksToFollow(req: IncomingMessage): {
  readonly tasks: TasksToFollow;
  readonly after: string | undefined;
} {
  const url = req.url ?? '';
  const { task = [], after, list, ...filters } = readQuery(url, tasksStreamQuery, ['task']);
  const taskIds = [...new Set(task)].map((id) => checkId('task id', id));
  const names = [...parametersOf(url).keys()].filter((name) => !['task', 'after', 'list'].includes(name));
  const wantsList = list === undefined ? taskIds.length === 0 || names.length > 0 : list === 'true';
  if (!wantsList && taskIds.length === 0)
    throw new TasktrailError('ERR_INPUT_INVALID', 'list: without the list there must be a task');
  return {
    tasks: { taskIds, list: wantsList ? filters : undefined },
    after: lastEventId(req) ?? after,
  };
}

function lastEventId(req: IncomingMessage): string | undefined {
  const id = req.headers['last-event-id'];
  // An empty one is sent by clients that have got no id yet.
  if (typeof id !== 'string' || id === '') return undefined;
  if (id.length > ID_LENGTH_MAX) throw new TasktrailError('ERR_INPUT_INVALID', 'Last-Event-ID: too long');
  return id;
}
