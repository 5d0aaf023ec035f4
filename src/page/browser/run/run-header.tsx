import type { VNode } from 'preact';
import type { FinalResult, Task, TaskInput } from '../../../client/api/shapes.ts';
import { now } from '../data/clock.ts';
import { href } from '../data/route.ts';
import { CopyButton } from '../ui/copy-button.tsx';
import { Fact } from '../ui/fact.tsx';
import { amount, cost, duration } from '../ui/format.ts';
import { Status } from '../ui/status.tsx';
import { Ago } from '../ui/time.tsx';
import { RunActions } from './run-actions.tsx';
import { shownText } from './transcript/content/shown-text.ts';

/** A record may name any number of workflows and models. */
const IDS_MAX = 20;
const MODELS_MAX = 20;

export interface RunHeaderProps {
  readonly task: Task;
  readonly input: TaskInput | undefined;
  readonly result: FinalResult | undefined;
}

export function RunHeader({ task, input, result }: RunHeaderProps): VNode {
  const message = input?.message;
  const issue = input === undefined ? undefined : issueOf(input);
  const { metrics, error } = result ?? {};
  const [title = task.task_id, ...rest] = (message ?? '').split('\n').filter((line) => line.trim() !== '');
  return (
    <header class="run-header">
      <div class="run-title">
        <Status status={task.status} />
        <h1>{title.slice(0, 300)}</h1>
        <RunActions task={task} message={message} />
      </div>
      {rest.length > 0 && (
        <details class="run-message">
          <summary>the whole message</summary>
          <pre>{message}</pre>
        </details>
      )}
      <Reason task={task} error={error} />
      <dl class="facts">
        <Fact name="Created">
          <Ago at={task.created_at} />
        </Fact>
        <Fact name="Duration">{duration(metrics?.duration_seconds ?? runningSeconds(task))}</Fact>
        <Fact name="Cost">
          {cost(metrics?.cost_usd)}
          <Basis task={task} />
        </Fact>
        <Fact name="Tokens">
          {metrics === undefined || (metrics.input_tokens === null && metrics.output_tokens === null)
            ? '–'
            : `${amount(metrics.input_tokens)} in, ${amount(metrics.output_tokens)} out`}
          <Models metrics={metrics} />
        </Fact>
        <Fact name="Agent">
          {task.assigned_agent ?? '–'}
          {task.model !== null && <small>{task.model}</small>}
        </Fact>
        {task.attempt > 1 && <Fact name="Attempt">{task.attempt}</Fact>}
        <Fact name="From">
          {task.provider ?? task.source ?? '–'}
          {typeof task.command === 'string' && <small>{task.command}</small>}
        </Fact>
        {issue !== undefined && (
          <Fact name="Issue">
            <a href={issue.url} target="_blank" rel="noopener noreferrer">
              {issue.name}
            </a>
          </Fact>
        )}
        {task.workflow_ids.slice(0, IDS_MAX).map((id) => (
          <Fact key={id} name="Workflow">
            <a href={href(`/workflows/${encodeURIComponent(id)}`)}>{id}</a>
          </Fact>
        ))}
        {task.workflow_ids.length > IDS_MAX && (
          <Fact name="Workflows">{task.workflow_ids.length - IDS_MAX} more</Fact>
        )}
        <Fact name="Task">
          <span class="mono">{task.task_id}</span>
          <CopyButton text={task.task_id} what="the id" />
        </Fact>
        {task.trace_id !== null && (
          <Fact name="Trace">
            <Trace id={task.trace_id} url={task.links.trace} />
            <CopyButton text={task.trace_id} what="the trace id" />
          </Fact>
        )}
      </dl>
    </header>
  );
}

/** Where the person wrote: an issue, a pull request, a message. */
function issueOf({
  source_metadata: source,
}: TaskInput): { readonly url: string; readonly name: string } | undefined {
  const { url, repo, issue_number: number } = Object(source) as Readonly<Record<string, unknown>>;
  if (typeof url !== 'string' || !/^https?:\/\//i.test(url)) return undefined;
  const name = typeof number === 'number' || typeof number === 'string' ? `#${number}` : undefined;
  const where = typeof repo === 'string' ? repo : undefined;
  const text = [where, name].filter((part) => part !== undefined).join(' ');
  return { url, name: shownText((text === '' ? url : text).slice(0, 200)) };
}

/** Why it has this status: what it waits for, or what went wrong. */
function Reason({
  task,
  error,
}: {
  readonly task: Task;
  readonly error: string | null | undefined;
}): VNode | null {
  if (typeof error === 'string' && error !== '')
    return (
      <div class="failure">
        <strong>{task.status === 'cancelled' ? 'Cancelled' : 'Error'}</strong>
        <pre>{error.slice(0, 5_000)}</pre>
      </div>
    );
  const activity = task.activity;
  if (activity === null) return null;
  const waits = activity.waits_for;
  const parts = [
    `waits for ${waits.kind}${waits.name === null ? '' : ` ${waits.name}`}`,
    waits.place !== undefined && `place ${waits.place} of ${waits.of}`,
    typeof activity.last_line_age_seconds === 'number' &&
      `last line ${duration(activity.last_line_age_seconds)} ago`,
    typeof activity.heartbeat_age_seconds === 'number' &&
      `heartbeat ${duration(activity.heartbeat_age_seconds)} ago`,
  ].filter((part) => typeof part === 'string');
  return parts.length === 0 ? null : <p class="run-reason">{parts.join(' · ')}</p>;
}

function Basis({ task: { cost_basis: basis } }: { readonly task: Task }): VNode | null {
  if (basis === null || basis.source === 'none') return null;
  const isBad = basis.verdict.startsWith('differs') || basis.verdict.startsWith('incomplete');
  return (
    <small class={isBad ? 'doubt' : undefined}>
      from {basis.source}
      {basis.verdict !== 'unknown' && `: ${basis.verdict}`}
    </small>
  );
}

function Models({ metrics }: { readonly metrics: FinalResult['metrics'] | undefined }): VNode | null {
  const models = Object.entries(Object(metrics?.models) as Record<string, unknown>);
  if (models.length < 2) return null;
  return (
    <small>
      {models
        .slice(0, MODELS_MAX)
        .map(([name, counts]) => {
          const { input_tokens: input, output_tokens: output } = Object(counts) as Record<string, unknown>;
          const [a, b] = [input, output].map((n) => (typeof n === 'number' ? n : null));
          return `${name} ${amount(a)}/${amount(b)}`;
        })
        .join(', ')}
    </small>
  );
}

function Trace({ id, url }: { readonly id: string; readonly url: string | undefined }): VNode {
  const isSafe = url !== undefined && /^https?:\/\//.test(url);
  if (!isSafe) return <span class="mono">{id}</span>;
  return (
    <a class="mono" href={url} target="_blank" rel="noopener noreferrer">
      {id}
    </a>
  );
}

function runningSeconds({ status, started_at: from, completed_at: to }: Task): number | null {
  if (from === null) return null;
  if (to !== null) return (Date.parse(to) - Date.parse(from)) / 1000;
  return status === 'running' ? Math.max(0, (now.value - Date.parse(from)) / 1000) : null;
}
