import { useComputed, useSignal } from '@preact/signals';
import type { VNode } from 'preact';
import { useEffect, useMemo } from 'preact/hooks';
import type { Workflow } from '../../../client/api/shapes.ts';
import { read } from '../data/api.ts';
import { go, href, place } from '../data/route.ts';
import { count } from '../ui/format.ts';
import { Guarded } from '../ui/guarded.tsx';
import { Failure, Loading } from '../ui/notice.tsx';
import { CompareView } from './compare-view.tsx';
import { FilesView } from './files-view.tsx';
import { type LiveSpan, withOpenSpans } from './open-spans.ts';
import { RunHeader } from './run-header.tsx';
import { RunLinks } from './run-links.ts';
import { RunState } from './run-state.ts';
import { StagesView } from './stages-view.tsx';
import { Timeline } from './timeline/timeline.tsx';
import { shownText } from './transcript/content/shown-text.ts';
import { LinePages } from './transcript/line-pages.ts';
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

/** Workflows whose open phases and steps are shown. */
const WORKFLOWS_MAX = 5;

export function RunView({ id }: { readonly id: string }): VNode {
  const run = useMemo(() => new RunState(id), [id]);
  const pages = useMemo(() => new LinePages(id), [id]);
  useEffect(() => {
    run.open({ line: () => void pages.poll(), again: () => pages.reload() });
    // The lines do not wait for the task.
    void pages.poll();
    return () => {
      run.close();
      pages.close();
    };
  }, [run, pages]);
  const workflows = useWorkflows(run);
  const spans = useComputed<readonly LiveSpan[]>(() =>
    withOpenSpans(run.task.value, workflows.value, run.spans.value),
  );
  const links = useMemo(() => new RunLinks(), [id]);
  const task = run.task.value;
  const error = run.error.value;
  const message = run.input.value?.message;
  useEffect(() => {
    if (message !== undefined) document.title = `${shownText(message.slice(0, 60))} · tasktrail`;
  }, [message]);
  if (task === undefined) return error === undefined ? <Loading /> : <NotThere id={id} run={run} />;
  const tab = place.value.query.get('view') ?? '';
  return (
    <article class="run">
      <Guarded what="The head">
        <RunHeader task={task} input={run.input.value} result={run.result.value} />
      </Guarded>
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
          <Guarded what="The timeline">
            <Timeline spans={spans} task={task} links={links} />
          </Guarded>
          <Transcript
            pages={pages}
            status={task.status}
            input={run.input.value}
            isSettled={task.settled === true}
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
  // A record may name any number of workflows: each is a request, again and again.
  const ids = task?.workflow_ids.slice(0, WORKFLOWS_MAX).map(encodeURIComponent).join(' ') ?? '';
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
