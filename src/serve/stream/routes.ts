import { TasktrailError } from '../../errors.ts';
import type { EventStream } from '../../model/event-stream.ts';
import { checkId, checkWorkflowId } from '../../model/ids.ts';
import type { Reader } from '../reader.ts';
import type { Answer, Methods, RoutedRequest } from '../routes.ts';
import type { StreamRooms } from './rooms.ts';
import { sendStream } from './send-stream.ts';
import { readAfter, readFeedAfter, readTasksToFollow } from './stream-query.ts';

/** How streams behave towards slow readers. Defaults: a heartbeat each 15 s, closed after 60 s without reading. */
export interface StreamTimes {
  readonly heartbeatMs?: number | undefined;
  readonly stallMs?: number | undefined;
}

/** The streams: of a task, of several and the list, of a workflow, of the feed. */
export function streamRoutes(
  reader: Reader,
  rooms: StreamRooms,
  times: StreamTimes,
): Readonly<Record<string, Methods>> {
  const stream = (open: (req: RoutedRequest) => Promise<EventStream>): Methods => ({
    GET: answerWith(open, rooms, times),
  });
  return {
    '/stream': stream(async (req) => {
      const { tasks, after } = readTasksToFollow(req);
      return found(await reader.followTasks(tasks, after), 'one of the tasks is missing');
    }),
    '/tasks/:id/stream': stream(async (req) => {
      const id = checkId('task id', req.params.id);
      return found(await reader.followTask(id, readAfter(req)), `there is no task ${id}`);
    }),
    '/workflows/:id/stream': stream(async (req) => {
      const id = checkWorkflowId(req.params.id);
      return found(await reader.followWorkflow(id, readAfter(req)), `there is no workflow ${id}`);
    }),
    '/events/stream': stream(async (req) => {
      const { after, type } = readFeedAfter(req);
      return reader.followFeed(after, type);
    }),
  };
}

function answerWith(
  open: (req: RoutedRequest) => Promise<EventStream>,
  rooms: StreamRooms,
  times: StreamTimes,
): Answer {
  return async (req, res) => {
    const { signal, leave } = rooms.enter(req);
    let stream: EventStream | undefined;
    try {
      stream = await open(req);
      await sendStream(res, stream, { signal, ...times });
    } finally {
      leave();
      await stream?.close();
    }
  };
}

function found(stream: EventStream | undefined, what: string): EventStream {
  if (stream === undefined) throw new TasktrailError('ERR_NOT_FOUND', what);
  return stream;
}
