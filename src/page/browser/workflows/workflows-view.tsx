import type { VNode } from 'preact';
import type { WorkflowItem } from '../../../client/api/shapes.ts';
import { usePaged } from '../data/paged.ts';
import { go, href, place } from '../data/route.ts';
import { FilterBox } from '../ui/filter-box.tsx';
import { count, duration } from '../ui/format.ts';
import { Guarded } from '../ui/guarded.tsx';
import { MoreButton } from '../ui/more-button.tsx';
import { Empty } from '../ui/notice.tsx';
import { Status } from '../ui/status.tsx';
import { Ago } from '../ui/time.tsx';
import { flagsOf } from './flags.ts';
import { Waiting } from './waiting.tsx';

export function WorkflowsView(): VNode {
  const q = place.value.query.get('q') ?? '';
  const list = usePaged<WorkflowItem>('/workflows', { q });
  const items = list.items.value;
  return (
    <>
      <h1>Workflows</h1>
      <FilterBox
        q={q}
        placeholder="words, status:running, name:…, work_item:42, phase:build"
        onSearch={(next) => go(href('/workflows', { q: next }))}
      />
      {q === '' && <Waiting />}
      {items.length === 0 && !list.isLoading.value && list.error.value === undefined && (
        <Empty title={q === '' ? 'No workflow has been recorded' : 'No workflow is like that'}>
          <p>
            A task of the service runs a workflow of phases and steps. Your own program records one with the
            library or with tasktrail workflow.
          </p>
        </Empty>
      )}
      <ul class="cards">
        {items.map((workflow) => (
          <Guarded key={workflow.workflow_id} what={`Workflow ${workflow.workflow_id}`}>
            <Row workflow={workflow} />
          </Guarded>
        ))}
      </ul>
      <MoreButton list={list} />
    </>
  );
}

function Row({ workflow }: { readonly workflow: WorkflowItem }): VNode {
  const {
    workflow_id: id,
    name,
    status,
    measured,
    phase,
    step,
    work_item_id: item,
    task_ids: tasks,
  } = workflow;
  const flags = flagsOf(workflow.completeness);
  return (
    <li class="card">
      <div class="card-head">
        <Status status={status} />
        <a class="card-title" href={href(`/workflows/${id}`)}>
          {name ?? id}
        </a>
        {item !== null && <span>#{item}</span>}
        {phase !== null && <span>in {step === null ? phase : `${phase} / ${step}`}</span>}
        <span class="card-when">
          <Ago at={workflow.started_at} />
        </span>
      </div>
      <p class="card-more">
        <span>{duration(measured.duration_ms === null ? null : measured.duration_ms / 1000)}</span>
        <span>{count(measured.phases, 'phase')}</span>
        <span>{count(measured.steps, 'step')}</span>
        <span>{count(measured.artifacts, 'artifact')}</span>
        {measured.retries > 0 && <span>{count(measured.retries, 'retry', 'retries')}</span>}
        {tasks.slice(0, 3).map((task) => (
          <a key={task} href={href(`/tasks/${task}`)}>
            {task}
          </a>
        ))}
        {flags.map((flag) => (
          <span key={flag} class="doubt">
            {flag}
          </span>
        ))}
      </p>
    </li>
  );
}
