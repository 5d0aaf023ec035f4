import { useComputed, useSignal } from '@preact/signals';
import type { VNode } from 'preact';
import { useEffect, useMemo } from 'preact/hooks';
import type { Workflow } from '../../../client/api/shapes.ts';
import { read } from '../data/api.ts';
import { go, href, place } from '../data/route.ts';
import { count } from '../ui/format.ts';
import { Failure, Loading } from '../ui/notice.tsx';
import { CompareView } from './compare-view.tsx';
import { FilesView } from './files-view.tsx';
import { LiveLines } from './live-lines.ts';
import { type LiveSpan, withOpenSpans } from './open-spans.ts';
import { RunHeader } from './run-header.tsx';
import { RunLinks } from './run-links.ts';
import { RunState } from './run-state.ts';
import { StagesView } from './stages-view.tsx';
import { Timeline } from './timeline/timeline.tsx';
import { Transcript } from './transcript/transcript.tsx';

const TABS = [
  ['', 'Run'],
  ['webhook', 'Webhook'],
  ['files', 'Files'],
  ['compare', 'Compare'],
] as const;

/** What a run waits for, its open phases and steps are read this long after an event of its stream: many come together. */
const LEVELS_MS = 1_000;

/** A phase may begin without a line, a span or a change of the task. */
const QUIET_MS = 30_000;

export function RunView({ id }: { readonly id: string }): VNode {
  const run = useMemo(() => new RunState(id), [id]);
  const lines = useMemo(() => new LiveLines(), [id]);
  useEffect(() => {
    run.open(
      () => lines.line(),
      () => lines.again(),
    );
    return () => run.close();
  }, [run]);
  const workflows = useWorkflows(run);
  const spans = useComputed<readonly LiveSpan[]>(() =>
    withOpenSpans(run.task.value, workflows.value, run.spans.value),
  );
  const links = useMemo(() => new RunLinks(), [id]);
  const task = run.task.value;
  const error = run.error.value;
  const message = run.input.value?.message;
  useEffect(() => {
    if (message !== undefined) document.title = `${message.slice(0, 60)} · tasktrail`;
  }, [message]);
  if (task === undefined) return error === undefined ? <Loading /> : <NotThere id={id} run={run} />;
  const isOver = task.completed_at !== null;
  const tab = place.value.query.get('view') ?? '';
  return (
    <article class="run">
      <RunHeader task={task} input={run.input.value} result={run.result.value} />
      {error !== undefined && <Failure error={error} />}
      <nav class="tabs" aria-label="Parts of the run">
        {TABS.map(([name, title]) => (
          <a
            key={name}
            href={href(`/tasks/${id}`, { view: name })}
            aria-current={name === tab ? 'page' : undefined}
          >
            {title}
            {name === 'webhook' && run.stages.value.length > 0 && (
              <small>{count(run.stages.value.length, 'stage')}</small>
            )}
          </a>
        ))}
      </nav>
      {tab === '' && (
        <div class="run-parts">
          <Timeline spans={spans} isOver={isOver} links={links} />
          <Transcript
            id={id}
            status={task.status}
            input={run.input.value}
            isSettled={task.settled === true}
            lines={lines}
            links={links}
          />
        </div>
      )}
      {tab === 'webhook' && <StagesView stages={run.stages.value} task={task} />}
      {tab === 'files' && <FilesView task={task} />}
      {tab === 'compare' && <CompareView task={task} other={place.value.query.get('with') ?? ''} />}
    </article>
  );
}

function useWorkflows(run: RunState): { readonly value: readonly Workflow[] } {
  const workflows = useSignal<readonly Workflow[]>([]);
  const task = run.task.value;
  const ids = task?.workflow_ids.join(' ') ?? '';
  const isRunning = task?.status === 'running';
  useEffect(() => {
    if (!isRunning) return undefined;
    const load = async (): Promise<void> => {
      const known = ids.split(' ').filter((id) => id !== '');
      const found = await Promise.all(
        known.map((id) => read<Workflow>(`/workflows/${id}`).catch(() => undefined)),
      );
      workflows.value = found.filter((workflow) => workflow !== undefined);
    };
    let soon: ReturnType<typeof setTimeout> | undefined;
    const loadSoon = (): void => {
      soon ??= setTimeout(() => {
        soon = undefined;
        void run.readTask();
        void load();
      }, LEVELS_MS);
    };
    void load();
    const stop = run.news.subscribe(() => {
      if (!document.hidden) loadSoon();
    });
    const quiet = setInterval(loadSoon, QUIET_MS);
    return () => {
      stop();
      clearTimeout(soon);
      clearInterval(quiet);
    };
  }, [ids, isRunning, run]);
  return workflows;
}

function NotThere({ id, run }: { readonly id: string; readonly run: RunState }): VNode {
  const error = run.error.value;
  return (
    <>
      {error !== undefined && <Failure error={error} retry={() => void run.load()} />}
      <p>
        <button type="button" onClick={() => go(href('/', { q: id }))}>
          Search for {id}
        </button>
      </p>
    </>
  );
}
