import { signal, useSignal } from '@preact/signals';
import type { VNode } from 'preact';
import { useEffect, useMemo } from 'preact/hooks';
import type { Workflow, WorkflowEvent, WorkflowLevel } from '../../../client/api/shapes.ts';
import { type ApiError, read } from '../data/api.ts';
import { now } from '../data/clock.ts';
import { follow } from '../data/live.ts';
import { asApiError } from '../data/resource.ts';
import { href } from '../data/route.ts';
import { Fact } from '../ui/fact.tsx';
import { duration, exact, valueText } from '../ui/format.ts';
import { Guarded } from '../ui/guarded.tsx';
import { Failure, Loading } from '../ui/notice.tsx';
import { Status } from '../ui/status.tsx';
import { Ago } from '../ui/time.tsx';
import { flagsOf } from './flags.ts';
import { waitText } from './waiting.tsx';

/** Events that come together are answered by one reading. */
const PAUSE_MS = 200;

/** Tasks in the head. */
const TASKS_MAX = 20;

/** What is drawn at once. A sender may record any number. */
const EVENTS_MAX = 500;
const PHASES_MAX = 200;
const STEPS_MAX = 500;
const PAYLOAD_CHARS = 200_000;

/** Phases and steps of a workflow as a board, and its events. Both go on while the page is open. */
export function WorkflowView({ id }: { readonly id: string }): VNode {
  const state = useMemo(() => signal<{ workflow?: Workflow; error?: ApiError }>({}), [id]);
  const shown = useSignal(EVENTS_MAX);
  const events = useMemo(() => signal<readonly WorkflowEvent[]>([]), [id]);
  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const known = new Map<string, WorkflowEvent>();
    const load = async (): Promise<void> => {
      timer = undefined;
      try {
        state.value = {
          workflow: await read<Workflow>(`/workflows/${encodeURIComponent(id)}`, {}, abort.signal),
        };
      } catch (error) {
        if (!abort.signal.aborted) state.value = { ...state.value, error: asApiError(error) };
      }
      events.value = [...known.values()];
    };
    const soon = (): void => {
      timer ??= setTimeout(() => void load(), PAUSE_MS);
    };
    void load();
    const stop = follow(
      `/workflows/${encodeURIComponent(id)}/stream`,
      {},
      {
        metadata: soon,
        event: (data) => {
          const event = data as WorkflowEvent;
          known.set(event.event_id, event);
          soon();
        },
        end: soon,
        reset: () => {
          known.clear();
          soon();
        },
      },
    );
    return () => {
      abort.abort();
      clearTimeout(timer);
      stop();
    };
  }, [id]);
  const { workflow, error } = state.value;
  if (workflow === undefined) return error === undefined ? <Loading /> : <Failure error={error} />;
  return (
    <article>
      <Guarded what="The head">
        <Head workflow={workflow} />
      </Guarded>
      <Guarded what="The board">
        <Board workflow={workflow} />
      </Guarded>
      <h2>Events</h2>
      {events.value.length > shown.value && (
        <p>
          <button
            type="button"
            onClick={() => {
              shown.value += EVENTS_MAX;
            }}
          >
            Show earlier events ({(events.value.length - shown.value).toLocaleString('en-US')})
          </button>
        </p>
      )}
      <ol class="events">
        {events.value.slice(-shown.value).map((event) => (
          <Guarded key={event.event_id} what={`Event ${event.event_id}`}>
            <EventRow event={event} />
          </Guarded>
        ))}
      </ol>
    </article>
  );
}

function Head({ workflow }: { readonly workflow: Workflow }): VNode {
  const { workflow_id: id, name, status, task_ids: tasks, work_item_id: item, started_at: from } = workflow;
  const { waits_for: wait } = workflow;
  const flags = flagsOf(workflow.completeness);
  const ms = workflow.measured.duration_ms;
  return (
    <header class="run-header">
      <div class="run-title">
        <Status status={status} />
        <h1>{name ?? id}</h1>
      </div>
      {wait !== null && (
        <p class="run-reason">
          {waitText(wait)}, asked <Ago at={wait.since} />
        </p>
      )}
      {flags.length > 0 && <p class="doubt">{flags.join(' · ')}</p>}
      <dl class="facts">
        <Fact name="Started">
          <Ago at={from} />
        </Fact>
        <Fact name="Duration">{duration(ms === null ? null : ms / 1000)}</Fact>
        {item !== null && <Fact name="Work item">{item}</Fact>}
        <Fact name="Attempt">{workflow.attempt}</Fact>
        <Fact name="Project">{workflow.project ?? '–'}</Fact>
        {tasks.slice(0, TASKS_MAX).map((task) => (
          <Fact key={task} name="Task">
            <a href={href(`/tasks/${task}`)}>{task}</a>
          </Fact>
        ))}
        {tasks.length > TASKS_MAX && <Fact name="Tasks">{tasks.length - TASKS_MAX} more</Fact>}
        <Fact name="Workflow">
          <span class="mono">{id}</span>
        </Fact>
      </dl>
    </header>
  );
}

function Board({ workflow: { levels } }: { readonly workflow: Workflow }): VNode {
  const phases = levels.filter(({ phase, step }) => phase !== null && step === null);
  const steps = new Map<string | null, WorkflowLevel[]>();
  for (const level of levels) {
    if (level.step === null) continue;
    const list = steps.get(level.phase);
    if (list === undefined) steps.set(level.phase, [level]);
    else list.push(level);
  }
  return (
    <div class="board">
      {phases.slice(0, PHASES_MAX).map((phase) => (
        <section key={phase.phase} class="phase">
          <h2>{phase.phase}</h2>
          <Level level={phase} />
          <ul>
            {(steps.get(phase.phase) ?? []).slice(0, STEPS_MAX).map((step) => (
              <li key={step.step}>
                <strong>{step.step}</strong>
                <Level level={step} />
              </li>
            ))}
          </ul>
        </section>
      ))}
      {phases.length > PHASES_MAX && <p>{phases.length - PHASES_MAX} more phases are not shown.</p>}
    </div>
  );
}

function Level({ level }: { readonly level: WorkflowLevel }): VNode {
  const { status, started_at: from, completed_at: to, attempt, sender } = level;
  const seconds =
    from === null ? null : ((to === null ? now.value : Date.parse(to)) - Date.parse(from)) / 1000;
  return (
    <span class="level">
      <Status status={status ?? (to === null ? 'running' : 'completed')} />
      <span class="number">{duration(seconds)}</span>
      {attempt > 1 && <small>attempt {attempt}</small>}
      {sender !== undefined && <small class="doubt">said by {sender}</small>}
    </span>
  );
}

function EventRow({ event }: { readonly event: WorkflowEvent }): VNode {
  const { timestamp, event_type: type, payload, sender } = event;
  // A payload may have megabytes: it is made into text when it is looked at.
  const isOpen = useSignal(false);
  return (
    <li>
      <details
        onToggle={({ currentTarget }) => {
          isOpen.value = currentTarget.open;
        }}
      >
        <summary>
          <time dateTime={timestamp}>{exact(timestamp)}</time> <strong>{type}</strong> {placeOf(payload)}
          {sender !== undefined && <small class="doubt"> said by {sender}</small>}
        </summary>
        {isOpen.value && <pre>{valueText(payload, PAYLOAD_CHARS)}</pre>}
      </details>
    </li>
  );
}

function placeOf(payload: unknown): string {
  const { phase, step } = Object(payload) as Record<string, unknown>;
  const name = typeof step === 'string' ? step : (Object(step) as Record<string, unknown>).name;
  return [phase, name].filter((part) => typeof part === 'string').join(' / ');
}
