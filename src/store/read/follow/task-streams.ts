import { hasTaskDir } from '../../task-file.ts';
import type { Indexes } from '../window/indexes.ts';
import { FollowedTasks } from './followed-task.ts';
import { TaskEvents } from './task-events.ts';
import { parseTaskPlace, TASK_BEGINNING, type TaskPlace } from './task-place.ts';
import { NOW, type StreamPart, type TaskStreams } from './tasks-stream.ts';

/** Streams of one task share one reading of its files. */
export function createTaskStreams(logDir: string, indexes: Indexes): TaskStreams {
  const tasks = new FollowedTasks(logDir, indexes);
  const partOf = (taskId: string, start: TaskPlace): StreamPart => {
    const { task, leave } = tasks.open(taskId);
    const events = new TaskEvents(task, start);
    return {
      taskId,
      leave,
      get place() {
        return events.place;
      },
      get version() {
        return task.watch.version;
      },
      step: () => events.step(),
      changed: (seen, signal) => task.watch.changed(seen, signal),
    };
  };
  return {
    has: (taskId) => hasTaskDir(logDir, taskId),
    isPlace: (text) => parseTaskPlace(text) !== undefined,
    open: async (taskId, after) => {
      if (after !== NOW) return partOf(taskId, (after && parseTaskPlace(after)) || TASK_BEGINNING);
      const { task, leave } = tasks.open(taskId);
      try {
        return partOf(taskId, await task.end());
      } finally {
        leave();
      }
    },
  };
}
