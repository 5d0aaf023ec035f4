import { useSignal } from '@preact/signals';
import type { VNode } from 'preact';
import type { Task, TaskAccepted } from '../../../client/api/shapes.ts';
import { post } from '../data/api.ts';
import { asApiError } from '../data/resource.ts';
import { go, href } from '../data/route.ts';

/** Cancel what is open, and run again what is over. The server decides whether it can. */
export function RunActions({
  task,
  message,
}: {
  readonly task: Task;
  readonly message: string | undefined;
}): VNode {
  const problem = useSignal<string | undefined>(undefined);
  const isAsking = useSignal(false);
  const isOpen = task.completed_at === null;
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    isAsking.value = true;
    problem.value = undefined;
    try {
      await work();
    } catch (error) {
      problem.value = asApiError(error).message;
    }
    isAsking.value = false;
  };
  const cancel = (): Promise<void> => attempt(() => post(`/tasks/${task.task_id}/cancel`));
  const again = (): Promise<void> =>
    attempt(async () => {
      const accepted = await post<TaskAccepted>('/tasks', {
        message: message ?? '',
        ...(typeof task.command === 'string' && { command: task.command }),
        ...(typeof task.requested_agent === 'string' && { agent: task.requested_agent }),
      });
      const [id] = accepted.task_ids;
      if (id !== undefined) go(href(`/tasks/${id}`));
    });
  return (
    <div class="run-actions">
      {isOpen ? (
        <button type="button" disabled={isAsking.value} onClick={() => void cancel()}>
          Cancel
        </button>
      ) : (
        message !== undefined && (
          <button type="button" disabled={isAsking.value} onClick={() => void again()}>
            Run again
          </button>
        )
      )}
      {problem.value !== undefined && <p role="alert">{problem.value}</p>}
    </div>
  );
}
