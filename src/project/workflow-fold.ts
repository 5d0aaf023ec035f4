import { objectOf } from '../model/json.ts';
import type { OtlpSpan } from '../model/otlp.ts';
import type { WorkflowDocument, WorkflowEnvelope, WorkflowLevel, WorkflowState } from '../model/workflow.ts';
import type { Hash } from '../model/workflow-span.ts';
import type { WorkflowFact } from './change.ts';
import { compareMoments } from './fold.ts';
import { EventPlacer, type PlacedEvent } from './workflow-attempts.ts';
import { completenessOf, measure, openApprovals, type WorkflowParts } from './workflow-completeness.ts';
import { envelopeOf } from './workflow-envelope.ts';
import {
  isWorkflow,
  type NodeAttempt,
  NodeIndex,
  newestAttempt,
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
  readonly #ids = new Set<string>();
  #placement = new Placement();

  constructor(workflowId: string, hash: Hash) {
    this.workflowId = workflowId;
    this.#hash = hash;
  }

  /**
   * Adds facts in any order. A fact with a known event id is ignored. Returns the position in `placed` from which on events
   * are new: facts that are later than all others are placed behind them, in constant time each; another one may change the
   * attempts and keys of all, and returns 0.
   */
  add(facts: readonly WorkflowFact[]): number {
    const before = this.#placement.placed;
    const fresh = facts.filter(({ event_id: id }) => !this.#ids.has(id) && this.#ids.add(id));
    fresh.sort(compareMoments);
    const [first] = fresh;
    const last = before.at(-1)?.fact;
    if (first === undefined) return before.length;
    const isLater = last === undefined || compareMoments(last, first) < 0;
    const from = isLater ? before.length : 0;
    if (!isLater) this.#placement = new Placement();
    const all = isLater ? fresh : [...before.map(({ fact }) => fact), ...fresh].sort(compareMoments);
    for (const fact of all) this.#placement.add(fact);
    return from;
  }

  get isEmpty(): boolean {
    return this.placed.length === 0;
  }

  /** All events in order, repeats included. */
  get placed(): readonly PlacedEvent[] {
    return this.#placement.placed;
  }

  /** Each event once, in order. */
  get envelopes(): readonly WorkflowEnvelope[] {
    return this.#fold().events.map(envelopeOf);
  }

  /** Number of approvals that were requested and neither granted nor denied. */
  get openApprovals(): number {
    return openApprovals(this.#placement.approvals);
  }

  /** The event id of the end of the newest attempt that has ended. */
  get endId(): string | undefined {
    return this.#newestEnd()?.fact.event_id;
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
      updated_at: this.placed.at(-1)?.fact.timestamp ?? '',
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
    const end = this.#newestEnd();
    if (end === undefined) return undefined;
    return {
      ...envelopeOf(end),
      events: this.envelopes,
      measured: measure(parts),
      completeness: completenessOf(parts),
      revision,
    };
  }

  #newestAttempt(): NodeAttempt | undefined {
    return newestAttempt(this.#placement.index.workflow);
  }

  #newestEnd(): PlacedEvent | undefined {
    const attempts = [...(this.#placement.index.workflow?.attempts.values() ?? [])];
    const ended = attempts.filter(({ end }) => end !== undefined);
    return ended.sort((a, b) => b.attempt - a.attempt)[0]?.end;
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
    const { kept, index, repeatsDisagree } = this.#placement;
    return { events: kept, nodes: index.nodes, repeatsDisagree };
  }
}

/** The events of a workflow so far. Facts are added in order of time. */
class Placement {
  readonly placed: PlacedEvent[] = [];
  /** Without repeats. */
  readonly kept: PlacedEvent[] = [];
  readonly approvals: PlacedEvent[] = [];
  readonly index = new NodeIndex();
  readonly #placer = new EventPlacer();

  get repeatsDisagree(): boolean {
    return this.#placer.disagrees;
  }

  add(fact: WorkflowFact): void {
    const event = this.#placer.place(fact);
    this.placed.push(event);
    if (!event.isKept) return;
    this.kept.push(event);
    this.index.add(event);
    if (fact.event_type.startsWith('approval_')) this.approvals.push(event);
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
