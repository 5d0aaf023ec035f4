import type { OtlpSpan } from '../../../model/otlp.ts';
import { isMark, type Sender, type SenderMark } from '../../../model/sender.ts';
import { AnnouncedSpans, spanKey } from '../../../project/announced-spans.ts';
import type { FactLine, WorkflowFact } from '../../../project/change.ts';
import type { WorkflowFold } from '../../../project/workflow-fold.ts';
import { hasSent } from '../lines/sent-line.ts';
import { markedSpan } from '../task/task-owner.ts';

/** Quiet time before spans are built from events: a late event may still change them. */
export const SPANS_QUIET_MS = 1_000;

export interface SoughtSpan {
  readonly spanId: string;
  readonly mark: SenderMark | undefined;
}

/** Whether a span is in the trace of its task. */
export type SpansInTasks = (taskId: string, span: SoughtSpan) => Promise<boolean>;

export interface SpanStock {
  /** Keys of the spans of the workflow itself, as `keyOf`. */
  readonly trace: { has(key: string): boolean };
  readonly isInTask: SpansInTasks;
  /** Whether spans that have not arrived are lost. */
  readonly isOver: boolean;
}

/** The spans of a workflow that no process sends. */
export class MissingSpans {
  readonly #announced = new AnnouncedSpans();
  /** Spans that were returned for sending or exist in a task. */
  readonly #sent = new Set<string>();

  /** `owner`: of the workflow, with these facts. */
  add(facts: readonly WorkflowFact[], owner: Sender['kind'] | undefined): void {
    for (const fact of facts) {
      // Spans of a task are completed by that task, which may end without its workflow.
      if (fact.task_id === null) this.#announced.add(asFactLine(fact));
    }
    if (owner !== 'anonymous') this.#announced.claim();
  }

  /** Each span is returned once. */
  async build(fold: WorkflowFold, { trace, isInTask, isOver }: SpanStock): Promise<readonly OtlpSpan[]> {
    const { owner } = fold;
    const mark = isMark(owner) ? owner : undefined;
    const hasArrived = (key: string): boolean => hasSent(trace, key, mark) || this.#sent.has(key);
    const lastTimestamp = fold.placed.at(-1)?.fact.timestamp ?? '';
    const spans = [...this.#announced.build({ hasArrived, isOver, lastTimestamp })];
    for (const span of fold.spans(isOver)) {
      const key = spanKey(span.traceId, span.spanId);
      if (hasArrived(key)) continue;
      const taskId = taskOf(span);
      const isStored = taskId !== undefined && (await isInTask(taskId, { spanId: span.spanId, mark }));
      if (!isStored) spans.push(span);
      this.#sent.add(key);
    }
    return mark === undefined ? spans : spans.map((span) => markedSpan(span, mark));
  }
}

function taskOf(span: OtlpSpan): string | undefined {
  return span.attributes.find(({ key }) => key === 'tasktrail.task.id')?.value.stringValue;
}

/** Converts a workflow's fact to the form that spans are built from. */
function asFactLine(fact: WorkflowFact): FactLine {
  const { timestamp, event_id, event_type: event, trace_id, span_id, span, derive, sender } = fact;
  return {
    ...{ timestamp, event_id, event, trace_id, span_id, attempt: 1 },
    ...(span !== undefined && { span }),
    ...(derive !== undefined && { derive }),
    ...(sender !== undefined && { sender }),
  };
}
