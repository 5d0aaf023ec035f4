import type { SenderMark } from '../../model/sender.ts';
import { activeRecorder } from '../../record/recorder.ts';
import { closeTask } from '../../record/task/absent-task.ts';
import { isOpenHere } from '../../record/task/heartbeat.ts';
import { cancelWorkflows, findOpenWorkflows, type WorkflowReader } from '../lost-workflow.ts';

/** A silent task that is to be closed. Plain data. */
export interface AbandonedTask {
  readonly taskId: string;
  readonly attempt: number;
  /** Present: no other sender has opened the task. Absent: the trail. */
  readonly openedBy: SenderMark | undefined;
  /** The workflows that its metadata names. */
  readonly workflowIds: readonly string[];
  readonly error: string;
}

/** Records the ends of tasks whose workers are gone. Only the thread that records can. */
export interface TaskEnder {
  /** False while the trail closes: then no end can be recorded. */
  isRecording(): boolean;
  /** True for tasks that this process works on: they are alive, although a backlog may delay their heartbeats. */
  isWatched(taskId: string): Promise<boolean>;
  /** Ends the task as abandoned, and its open workflows with it. */
  abandon(task: AbandonedTask): Promise<void>;
}

/** Runs what records the end of a task. Default: at once, with the recorder of this process. */
export type RecordEnd = (record: () => void) => Promise<void> | void;

/** For the thread that records. */
export function taskEnder(reader: WorkflowReader, recordEnd: RecordEnd = (record) => record()): TaskEnder {
  return {
    isRecording: () => activeRecorder() !== undefined,
    isWatched: async (taskId) => isOpenHere(taskId),
    abandon: async ({ taskId, attempt, openedBy, workflowIds, error }) => {
      const workflows = await findOpenWorkflows({ workflow_ids: [...workflowIds] }, reader);
      await recordEnd(() => {
        closeTask({ taskId, attempt, openedBy }, { status: 'abandoned', error });
        cancelWorkflows(workflows, { taskId, attempt, reason: error });
      });
    },
  };
}
