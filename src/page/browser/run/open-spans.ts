import type { Span, Task, Workflow } from '../../../client/api/shapes.ts';

/** A span, or what is open and will become one. */
export type LiveSpan = Omit<Span, 'end_time' | 'duration_ms'> & {
  readonly end_time: string | null;
  readonly duration_ms: number | null;
};

/**
 * What runs now, as spans without an end: spans are recorded when they end. The attempt, its open phase and step, and the tool
 * that the agent waits for.
 */
export function openSpans(
  task: Task | undefined,
  workflows: readonly Workflow[],
  spans: readonly Span[],
): readonly LiveSpan[] {
  if (task === undefined || task.status !== 'running' || task.started_at === null) return [];
  const queued = spans.find(({ kind }) => kind === 'producer');
  const attempt = { 'tasktrail.task.attempt': task.attempt };
  const open: LiveSpan[] = [
    make({
      id: 'open-attempt',
      parent: queued?.span_id ?? null,
      name: 'process',
      kind: 'consumer',
      from: task.started_at,
      attributes: attempt,
    }),
  ];
  let parent = 'open-attempt';
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
      open.push(make({ id, parent, name, kind: 'internal', from, attributes: attempt }));
      parent = id;
    }
  }
  const waits = task.activity?.waits_for;
  if (waits !== undefined && waits !== null && waits.kind === 'tool' && typeof waits.since === 'string') {
    const attributes = {
      ...attempt,
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.call.id': waits.tool_use_id,
    };
    open.push(
      make({
        id: 'open-tool',
        parent,
        name: `execute_tool ${waits.name ?? ''}`,
        kind: 'internal',
        from: waits.since,
        attributes,
      }),
    );
  }
  return open;
}

interface Opened {
  readonly id: string;
  readonly parent: string | null;
  readonly name: string;
  readonly kind: Span['kind'];
  readonly from: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

function make({ id, parent, name, kind, from, attributes }: Opened): LiveSpan {
  return {
    trace_id: '',
    span_id: id,
    parent_span_id: parent,
    name,
    kind,
    start_time: from,
    end_time: null,
    duration_ms: null,
    status: 'unset',
    status_message: null,
    service: '',
    scope: '',
    attributes,
    events: [],
    links: [],
  };
}
