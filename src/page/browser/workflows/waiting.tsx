import type { VNode } from 'preact';
import type { WorkflowItem, WorkflowPage, WorkflowWait } from '../../../client/api/shapes.ts';
import { read } from '../data/api.ts';
import { usePolling } from '../data/polling.ts';
import { useResource } from '../data/resource.ts';
import { href } from '../data/route.ts';
import { Failure } from '../ui/notice.tsx';
import { Status } from '../ui/status.tsx';
import { Ago } from '../ui/time.tsx';

/** More wait only where no person looks. */
const WAITING_MAX = 200;

/** Workflows that wait for a person, those that wait longest first. Nothing where none does. */
export function Waiting(): VNode | null {
  const { state, reload } = useResource<WorkflowPage>([], (abort) =>
    read<WorkflowPage>('/workflows', { q: 'status:waiting', limit: WAITING_MAX }, abort),
  );
  usePolling(reload);
  const { value, error } = state.value;
  const items = [...(value?.items ?? [])].sort((a, b) => sinceOf(a).localeCompare(sinceOf(b)));
  // The list below says what is wrong before anything was loaded.
  if (value === undefined || (items.length === 0 && error === undefined)) return null;
  return (
    <section class="waiting" aria-labelledby="waiting-title">
      <h2 id="waiting-title">Waiting for a person</h2>
      {error !== undefined && <Failure error={error} retry={reload} />}
      <p>
        Answer where the program has asked: in its terminal, its chat or the issue. This page cannot answer.
      </p>
      <ul class="cards">
        {items.map((workflow) => (
          <WaitingRow key={workflow.workflow_id} workflow={workflow} />
        ))}
      </ul>
      {value.next_cursor !== null && (
        <p>
          <a href={href('/workflows', { q: 'status:waiting' })}>All that wait</a>
        </p>
      )}
    </section>
  );
}

function WaitingRow({ workflow }: { readonly workflow: WorkflowItem }): VNode {
  const { workflow_id: id, name, phase, step, task_ids: tasks, waits_for: wait } = workflow;
  return (
    <li class="card">
      <div class="card-head">
        <Status status="waiting" />
        <a class="card-title" href={href(`/workflows/${encodeURIComponent(id)}`)}>
          {name ?? id}
        </a>
        {phase !== null && <span>in {step === null ? phase : `${phase} / ${step}`}</span>}
        <span class="card-when">
          asked <Ago at={wait?.since ?? workflow.updated_at} />
        </span>
      </div>
      {wait !== null && <p>{waitText(wait)}</p>}
      <p class="card-more">
        {tasks.map((task) => (
          <a key={task} href={href(`/tasks/${encodeURIComponent(task)}`)}>
            {task}
          </a>
        ))}
      </p>
    </li>
  );
}

/** For what it waits, in words. */
export function waitText({ kind, name }: WorkflowWait): string {
  const what = kind === 'approval' ? 'an approval' : 'input';
  return name === null ? `Waits for ${what}` : `Waits for ${what}: ${name}`;
}

function sinceOf({ waits_for: wait, updated_at: at }: WorkflowItem): string {
  return wait?.since ?? at;
}
