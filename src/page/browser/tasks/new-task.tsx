import { useSignal } from '@preact/signals';
import type { TargetedSubmitEvent, VNode } from 'preact';
import { useRef } from 'preact/hooks';
import type { TaskAccepted } from '../../../client/api/shapes.ts';
import { post } from '../data/api.ts';
import { asApiError } from '../data/resource.ts';
import { go, href } from '../data/route.ts';

/** Starts a task. The server says whether it can. */
export function NewTask(): VNode {
  const dialog = useRef<HTMLDialogElement>(null);
  const problem = useSignal<string | undefined>(undefined);
  const isAsking = useSignal(false);
  const submit = async (event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string): string => String(form.get(name) ?? '').trim();
    isAsking.value = true;
    try {
      const accepted = await post<TaskAccepted>('/tasks', {
        message: text('message'),
        ...(text('agent') !== '' && { agent: text('agent') }),
        ...(text('command') !== '' && { command: text('command') }),
      });
      const [id] = accepted.task_ids;
      dialog.current?.close();
      if (id !== undefined) go(href(`/tasks/${id}`));
    } catch (error) {
      problem.value = asApiError(error).message;
    }
    isAsking.value = false;
  };
  return (
    <>
      <button type="button" onClick={() => dialog.current?.showModal()}>
        New task
      </button>
      <dialog ref={dialog} class="help new-task" aria-labelledby="new-task-title">
        <form onSubmit={submit}>
          <h2 id="new-task-title">New task</h2>
          <label for="new-message">What is to be done</label>
          <textarea id="new-message" name="message" required />
          <label for="new-agent">Agent (empty: the default)</label>
          <input id="new-agent" name="agent" autocomplete="off" />
          <label for="new-command">Command (optional)</label>
          <input id="new-command" name="command" autocomplete="off" />
          {problem.value !== undefined && (
            <p class="failure" role="alert">
              {problem.value}
            </p>
          )}
          <div class="new-task-row">
            <button type="button" onClick={() => dialog.current?.close()}>
              Close
            </button>
            <button type="submit" class="primary" disabled={isAsking.value}>
              Start
            </button>
          </div>
        </form>
      </dialog>
    </>
  );
}
