import type { Span, Task, Workflow } from '../../../client/api/shapes.ts';

/** A span, or what is open and will become one. */
export type LiveSpan = Omit<Span, 'end_time' | 'duration_ms'> & {
  readonly end_time: string | null;
  readonly duration_ms: number | null;
};

/**
 * What is recorded, and what runs now as spans without an end: spans are recorded when they end. Open are the attempt, its phase
 * and step, its agent, and the tool that the agent waits for. A span whose parent has not ended yet is shown below these.
 */
export function withOpenSpans(
  task: Task | undefined,
  workflows: readonly Workflow[],
  spans: readonly Span[],
): readonly LiveSpan[] {
  if (task === undefined || task.status !== 'running' || task.started_at === null) return spans;
  const queued = spans.find(({ kind }) => kind === 'producer');
  const attempt = { 'tasktrail.task.attempt': task.attempt };
  const open: LiveSpan[] = [
    openSpan({
      id: 'open-attempt',
      parent: queued?.span_id ?? null,
      name: 'process',
      kind: 'consumer',
      from: task.started_at,
      attributes: attempt,
    }),
  ];
  for (const workflow of workflows) {
    for (const { phase, step, started_at: from, completed_at: to } of workflow.levels) {
      if (from === null || to !== null || (phase === null && step !== null)) continue;
      const name =
        step !== null
          ? `step ${step}`
          : phase !== null
            ? `phase ${phase}`
            : `workflow ${workflow.name ?? ''}`;
      const id = `open-${workflow.workflow_id}-${phase ?? ''}-${step ?? ''}`;
      open.push(openSpan({ id, parent: lastOf(open), name, kind: 'internal', from, attributes: attempt }));
    }
  }
  const known = new Set(spans.map(({ span_id: id }) => id));
  const isLost = ({ kind, parent_span_id: parent, attributes }: Span): boolean =>
    kind === 'internal' &&
    parent !== null &&
    !known.has(parent) &&
    (attributes['tasktrail.task.attempt'] ?? task.attempt) === task.attempt;
  const lost = spans.filter(isLost);
  const from = open.at(-1)?.start_time ?? task.started_at;
  // Its tools have ended while it has not: they name it as their parent.
  if (lost.some(({ attributes }) => attributes[OPERATION] === 'execute_tool')) {
    const attributes = { ...attempt, [OPERATION]: 'invoke_agent' };
    const name = `invoke_agent ${task.assigned_agent ?? ''}`;
    open.push(openSpan({ id: 'open-agent', parent: lastOf(open), name, kind: 'internal', from, attributes }));
  }
  const parent = lastOf(open);
  const waits = task.activity?.waits_for;
  const since = waits?.kind === 'tool' && typeof waits.since === 'string' ? waits.since : undefined;
  if (
    waits !== undefined &&
    waits !== null &&
    since !== undefined &&
    !hasEnded(spans, waits.tool_use_id, since)
  ) {
    const attributes = { ...attempt, [OPERATION]: 'execute_tool', 'gen_ai.tool.call.id': waits.tool_use_id };
    const name = `execute_tool ${waits.name ?? ''}`;
    open.push(openSpan({ id: 'open-tool', parent, name, kind: 'internal', from: since, attributes }));
  }
  const placed = spans.map((span): LiveSpan => (isLost(span) ? { ...span, parent_span_id: parent } : span));
  return [...placed, ...open];
}

/** The task may have been read before the last spans. */
function hasEnded(spans: readonly Span[], call: unknown, since: string): boolean {
  return spans.some(
    ({ attributes, end_time: end }) =>
      attributes['gen_ai.tool.call.id'] === call && end !== null && Date.parse(end) >= Date.parse(since),
  );
}

const OPERATION = 'gen_ai.operation.name';

function lastOf(open: readonly LiveSpan[]): string | null {
  return open.at(-1)?.span_id ?? null;
}

interface Opened {
  readonly id: string;
  readonly parent: string | null;
  readonly name: string;
  readonly kind: Span['kind'];
  readonly from: string;
  /** Null while it is open. */
  readonly to?: string | null;
  readonly attributes: Readonly<Record<string, unknown>>;
}

export function openSpan({ id, parent, name, kind, from, to = null, attributes }: Opened): LiveSpan {
  return {
    trace_id: '',
    span_id: id,
    parent_span_id: parent,
    name,
    kind,
    start_time: from,
    end_time: to,
    duration_ms: to === null ? null : Date.parse(to) - Date.parse(from),
    status: 'unset',
    status_message: null,
    service: '',
    scope: '',
    attributes,
    events: [],
    links: [],
  };
}
