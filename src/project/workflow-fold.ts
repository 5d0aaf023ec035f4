import { objectOf } from '../model/json.ts';
import type { OtlpSpan } from '../model/otlp.ts';
import type { WorkflowDocument, WorkflowEnvelope, WorkflowLevel, WorkflowState } from '../model/workflow.ts';
import type { Hash } from '../model/workflow-span.ts';
import type { WorkflowFact } from './change.ts';
import { compareMoments } from './fold.ts';
import { type PlacedEvent, placeEvents } from './workflow-attempts.ts';
import { completenessOf, measure, openApprovals, type WorkflowParts } from './workflow-completeness.ts';
import { envelopeOf } from './workflow-envelope.ts';
import {
  isWorkflow,
  type NodeAttempt,
  newestAttempt,
  nodesOf,
  statusOf,
  type WorkflowNode,
} from './workflow-nodes.ts';
import { type SpanSource, spanIdsOf, traceIdOf, workflowSpans } from './workflow-spans.ts';

/** `workflow-{work_id}-{YYYYMMDDTHHMMSSZ}`, with four more characters in minted ids. */
const NAMED_AFTER_WORK = /^workflow-(.+)-\d{8}T\d{6}Z(?:-[a-z0-9]{4})?$/;

/**
 * Folds the facts of one workflow into its events, its state and its document. Order, duplicates and restarts do not change
 * the result.
 */
export class WorkflowFold {
  readonly workflowId: string;
  readonly #hash: Hash;
  readonly #facts: WorkflowFact[] = [];
  readonly #ids = new Set<string>();
  #parts: WorkflowParts | undefined;
  #placed: readonly PlacedEvent[] = [];

  constructor(workflowId: string, hash: Hash) {
    this.workflowId = workflowId;
    this.#hash = hash;
  }

  /** Adds facts in any order. A fact with a known event id is ignored. */
  add(facts: readonly WorkflowFact[]): void {
    for (const fact of facts) {
      if (this.#ids.has(fact.event_id)) continue;
      this.#ids.add(fact.event_id);
      this.#facts.push(fact);
      this.#parts = undefined;
    }
  }

  get isEmpty(): boolean {
    return this.#facts.length === 0;
  }

  /** All events in order, repeats included. */
  get placed(): readonly PlacedEvent[] {
    this.#fold();
    return this.#placed;
  }

  /** Each event once, in order. */
  get envelopes(): readonly WorkflowEnvelope[] {
    return this.#fold().events.map(envelopeOf);
  }

  /** Whether the newest attempt has ended. */
  get isOver(): boolean {
    return this.#newestAttempt()?.end !== undefined;
  }

  get state(): WorkflowState {
    const parts = this.#fold();
    const { events, nodes } = parts;
    const workflow = this.#newestAttempt();
    const open = nodes.flatMap((node) => newestAttempt(node) ?? []).filter(isOpen);
    const last = (isStep: boolean): NodeAttempt | undefined =>
      open.filter(({ node }) => !isWorkflow(node) && (node.step !== null) === isStep).at(-1);
    return {
      workflow_id: this.workflowId,
      name: firstOf(events, ({ name }) => name),
      work_item_id: firstOf(events, workItemOf) ?? NAMED_AFTER_WORK.exec(this.workflowId)?.[1] ?? null,
      status: workflow?.end === undefined ? runningStatus(parts) : (statusOf(workflow) ?? 'unknown'),
      project: firstOf(events, ({ project }) => project),
      environment: firstOf(events, ({ environment }) => environment),
      started_at: (startOf(workflow, nodes) ?? events[0])?.fact.timestamp ?? null,
      completed_at: workflow?.end?.fact.timestamp ?? null,
      updated_at: this.#placed.at(-1)?.fact.timestamp ?? '',
      attempt: workflow?.attempt ?? 1,
      task_ids: [...new Set(events.flatMap(({ fact }) => fact.task_id ?? []))].sort(),
      trace_id: traceIdOf(this.#spanSource()),
      phase: last(false)?.node.phase ?? last(true)?.node.phase ?? null,
      step: last(true)?.node.step ?? null,
      measured: measure(parts),
      completeness: completenessOf(parts),
      levels: nodes.flatMap((node) => this.#levelsOf(node)),
    };
  }

  /** Undefined while no attempt has ended. */
  document(revision: number): WorkflowDocument | undefined {
    const parts = this.#fold();
    const ended = [...(parts.nodes.find(isWorkflow)?.attempts.values() ?? [])]
      .filter(({ end }) => end !== undefined)
      .sort((a, b) => b.attempt - a.attempt)[0];
    if (ended?.end === undefined) return undefined;
    return {
      ...envelopeOf(ended.end),
      events: this.envelopes,
      measured: measure(parts),
      completeness: completenessOf(parts),
      revision,
    };
  }

  #newestAttempt(): NodeAttempt | undefined {
    return newestAttempt(this.#fold().nodes.find(isWorkflow));
  }

  #levelsOf(node: WorkflowNode): WorkflowLevel[] {
    const attempt = newestAttempt(node);
    if (attempt === undefined) return [];
    const { traceId, spanId } = spanIdsOf(attempt, this.#spanSource());
    return [
      {
        phase: node.phase,
        step: node.step,
        attempt: attempt.attempt,
        started_at: attempt.start?.fact.timestamp ?? null,
        completed_at: attempt.end?.fact.timestamp ?? null,
        status: statusOf(attempt),
        trace_id: traceId,
        span_id: spanId,
      },
    ];
  }

  /** The spans that no process sends; see `workflowSpans`. */
  spans(isOver: boolean): readonly OtlpSpan[] {
    const lastTimestamp = this.placed.at(-1)?.fact.timestamp ?? '';
    return workflowSpans(this.#spanSource(), { isOver, lastTimestamp });
  }

  #spanSource(): SpanSource {
    return { workflowId: this.workflowId, parts: this.#fold(), hash: this.#hash };
  }

  #fold(): WorkflowParts {
    if (this.#parts === undefined) {
      this.#facts.sort(compareMoments);
      const { events, disagrees } = placeEvents(this.#facts);
      this.#placed = events;
      const kept = events.filter(({ isKept }) => isKept);
      this.#parts = { events: kept, nodes: nodesOf(kept), repeatsDisagree: disagrees };
    }
    return this.#parts;
  }
}

function runningStatus({ events, nodes }: WorkflowParts): string {
  if (openApprovals(events) > 0) return 'waiting';
  const isPending = nodes.some((node) => {
    const newest = newestAttempt(node);
    return newest !== undefined && statusOf(newest) === 'pending_input';
  });
  return isPending ? 'waiting' : 'running';
}

function isOpen({ start, end }: NodeAttempt): boolean {
  return start !== undefined && end === undefined;
}

/** The first start of the workflow; a resume after its end is a later start. */
function startOf(newest: NodeAttempt | undefined, nodes: readonly WorkflowNode[]): PlacedEvent | undefined {
  const attempts = [...(nodes.find(isWorkflow)?.attempts.values() ?? [])];
  return attempts.find(({ start }) => start !== undefined)?.start ?? newest?.start;
}

function workItemOf(fact: WorkflowFact): string | null {
  if (fact.work_item_id !== null) return fact.work_item_id;
  const id = objectOf(objectOf(fact.payload).context).work_item_id;
  return typeof id === 'string' || typeof id === 'number' ? String(id) : null;
}

function firstOf(events: readonly PlacedEvent[], read: (fact: WorkflowFact) => string | null): string | null {
  for (const { fact } of events) {
    const value = read(fact);
    if (value !== null) return value;
  }
  return null;
}
