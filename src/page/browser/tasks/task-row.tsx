import type { VNode } from 'preact';
import type { TaskItem } from '../../../client/api/shapes.ts';
import { now } from '../data/clock.ts';
import { href } from '../data/route.ts';
import { amount, cost, duration } from '../ui/format.ts';
import { Status } from '../ui/status.tsx';
import { Ago } from '../ui/time.tsx';

export interface TaskRowProps {
  readonly item: TaskItem;
  readonly index: number;
  readonly isSelected: boolean;
}

export function TaskRow({ item, index, isSelected }: TaskRowProps): VNode {
  const { task_id: id, message, status, error, activity } = item;
  return (
    <div class="task-row" role="row" aria-rowindex={index + 2} aria-selected={isSelected}>
      <span role="cell" class="task-status">
        <Status status={status} />
      </span>
      <span role="cell" class="task-what">
        <a href={href(`/tasks/${id}`)} class="task-message">
          {firstLine(message) ?? <em>no message</em>}
        </a>
        <span class="task-why">{error !== null ? firstLine(error) : waiting(activity)}</span>
      </span>
      <span role="cell" class="task-where">
        {item.repo ?? item.provider ?? item.source ?? ''}
        <small>{item.command ?? ''}</small>
      </span>
      <span role="cell" class="task-who">
        {item.assigned_agent ?? ''}
        <small>{item.model ?? ''}</small>
      </span>
      <span role="cell" class="task-when">
        <Ago at={item.created_at} />
      </span>
      <span role="cell" class="number">
        {duration(secondsOf(item))}
      </span>
      <span role="cell" class="number" title={costTitle(item)}>
        {cost(item.cost_usd)}
        {item.cost_basis?.verdict === 'differs' && <abbr title="sources differ"> ≠</abbr>}
      </span>
      <span role="cell" class="number">
        {amount(tokensOf(item))}
      </span>
    </div>
  );
}

function secondsOf({ duration_seconds: known, started_at: start, status }: TaskItem): number | null {
  if (known !== null || start === null || status !== 'running') return known;
  return Math.max(0, (now.value - Date.parse(start)) / 1000);
}

function tokensOf({ input_tokens: input, output_tokens: output }: TaskItem): number | null {
  return input === null && output === null ? null : (input ?? 0) + (output ?? 0);
}

function costTitle({ cost_basis: basis }: TaskItem): string | undefined {
  return basis === null ? undefined : `from ${basis.source}: ${basis.verdict}`;
}

function waiting(activity: TaskItem['activity']): string {
  const waits = activity?.waits_for;
  if (waits === undefined || waits === null) return '';
  return waits.name === null ? `waits for ${waits.kind}` : `waits for ${waits.kind} ${waits.name}`;
}

function firstLine(text: string | null): string | undefined {
  return text
    ?.split('\n')
    .find((line) => line.trim() !== '')
    ?.slice(0, 300);
}
