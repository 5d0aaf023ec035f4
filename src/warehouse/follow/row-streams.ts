import { checkId, checkWorkflowId } from '../../model/ids.ts';
import type { FeedPage, FeedQuery } from '../../model/workflow.ts';
import type { ListSearch } from '../../store/read/follow/list-search.ts';
import { Streams } from '../../store/read/follow/streams.ts';
import type { VictoriaLogs } from '../client.ts';
import type { TaskCatalog } from '../read/task-catalog.ts';
import type { TaskViews } from '../read/task-view.ts';
import type { WorkflowCatalog } from '../read/workflow-catalog.ts';
import { ChangedTasks } from './changed-tasks.ts';
import { RowFeed } from './row-feed.ts';
import { RowPoll } from './row-poll.ts';
import { createUnitStreams } from './unit-streams.ts';

export interface RowStreamsOptions {
  readonly logs: VictoriaLogs;
  readonly views: TaskViews;
  readonly catalog: TaskCatalog;
  readonly workflows: WorkflowCatalog;
  readonly search: ListSearch;
  /** Milliseconds since the epoch, as the services stamp lines. */
  readonly now: () => number;
}

/** What is live of a VictoriaLogs: the feed, and the streams as of files. */
export interface RowStreams
  extends Pick<Streams, 'followTask' | 'followTasks' | 'followWorkflow' | 'followFeed'> {
  readFeed(query: FeedQuery): Promise<FeedPage>;
}

export function createRowStreams(options: RowStreamsOptions): RowStreams {
  const { logs, views, workflows, search, now } = options;
  const poll = new RowPoll(logs, now);
  const feed = new RowFeed({ logs, poll, now });
  const streams = new Streams({
    ...{ search, feed },
    tasks: createUnitStreams({ logs, views, poll, now }),
    list: new ChangedTasks(options),
    readWorkflow: (id) => workflows.readQuiet(id),
  });
  return {
    readFeed: async (query) => {
      const { items, nextCursor } = await feed.read(query);
      return { items, nextCursor };
    },
    followTask: (taskId, after) => streams.followTask(checkId('task id', taskId), after),
    followTasks: (tasks, after) => streams.followTasks(tasks, after),
    followWorkflow: (workflowId, after) => streams.followWorkflow(checkWorkflowId(workflowId), after),
    followFeed: (after, type) => streams.followFeed(after, type),
  };
}
