import { objectOf } from '../model/json.ts';
import type { OtlpSpan } from '../model/otlp.ts';
import { higherSender, isMark, type Sender } from '../model/sender.ts';
import { firstOfText } from '../model/text.ts';
import type { WorkflowDocument, WorkflowEnvelope, WorkflowLevel, WorkflowState } from '../model/workflow.ts';
import type { Hash } from '../model/workflow-span.ts';
import type { WorkflowFact } from './change.ts';
import { compareMoments } from './fold.ts';
import { EventPlacer, type PlacedEvent } from './workflow-attempts.ts';
import {
  completenessOf,
  measure,
  openApprovals,
  openRequests,
  type WorkflowParts,
} from './workflow-completeness.ts';
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
 * the result. What a sender says counts only while none that may say more has opened the workflow; in a workflow of the trail
 * an agent adds events, phases and steps.
 */
export class WorkflowFold {
  readonly workflowId: string;
  readonly #hash: Hash;
  readonly #ids = new Set<string>();
  readonly #facts: WorkflowFact[] = [];
  #owner: Sender['kind'] | undefined;
  readonly #ownTaskIds = new Set<string>();
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
    const from = before.length;
    const fresh = facts.filter((fact) => !this.#ids.has(idOf(fact)) && this.#ids.add(idOf(fact)));
    fresh.sort(compareMoments);
    if (fresh.length === 0) return from;
    this.#facts.push(...fresh);
    const owner = fresh.reduce((highest, fact) => higherSender(highest, senderOf(fact)), this.#owner);
    const isSameOwner = owner === this.#owner;
    if (!isSameOwner) this.#ownTaskIds.clear();
    this.#owner = owner;
    for (const fact of isSameOwner ? fresh : this.#facts)
      if (senderOf(fact) === owner && fact.task_id != null) this.#ownTaskIds.add(fact.task_id);
    const counted = fresh.filter((fact) => this.#counts(fact));
    const [first] = counted;
    if (isSameOwner && first === undefined) return from;
    const last = before.at(-1)?.fact;
    const isLater = last === undefined || (first !== undefined && compareMoments(last, first) < 0);
    if (isSameOwner && isLater && this.#placement.append(counted, this.#isGuest)) return from;
    this.#placement = new Placement();
    const all = this.#facts.filter((fact) => this.#counts(fact)).sort(compareMoments);
    this.#placement.addAll(all, this.#isGuest);
    return 0;
  }

  /** Who has opened the workflow: the sender with the most rights of all. Undefined without facts. */
  get owner(): Sender['kind'] | undefined {
    return this.#owner;
  }

  /** Tasks that facts of the owner name. */
  get ownTaskIds(): ReadonlySet<string> {
    return this.#ownTaskIds;
  }

  /** Whether an end was left out because another sender has opened the workflow. */
  get ignoresEnd(): boolean {
    return this.#facts.some((fact) => fact.event_type === 'workflow_complete' && !this.#counts(fact));
  }

  #counts(fact: WorkflowFact): boolean {
    if (senderOf(fact) === this.#owner) return true;
    return this.#owner === 'trail' && fact.sender === 'agent' && !OF_WORKFLOW.has(fact.event_type);
  }

  readonly #isGuest = (fact: WorkflowFact): boolean => senderOf(fact) !== this.#owner;

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

  /** The approval that is open for the longest time: its time, and what it is about. Undefined: none. */
  get openApproval(): { readonly since: string; readonly name: string | null } | undefined {
    const [first] = openRequests(this.#placement.approvals).map(({ fact }) => fact);
    return first && { since: first.timestamp, name: approvalName(first) };
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
    const facts = ownFirst(events);
    const last = (isStep: boolean): NodeAttempt | undefined =>
      open.filter(({ node }) => !isWorkflow(node) && (node.step !== null) === isStep).at(-1);
    return {
      workflow_id: this.workflowId,
      name: firstOf(facts, ({ name }) => name),
      work_item_id: firstOf(facts, workItemOf) ?? NAMED_AFTER_WORK.exec(this.workflowId)?.[1] ?? null,
      status: workflow?.end === undefined ? runningStatus(parts) : (statusOf(workflow) ?? 'unknown'),
      project: firstOf(facts, ({ project }) => project),
      environment: firstOf(facts, ({ environment }) => environment),
      started_at: (startOf(workflow, nodes) ?? facts[0])?.fact.timestamp ?? null,
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
      ...(isMark(this.#owner) && { opened_by: this.#owner }),
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
    const { sender } = attempt.first.fact;
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
        ...(sender !== undefined && { sender }),
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
  #hasGuests = false;

  get repeatsDisagree(): boolean {
    return this.#placer.disagrees;
  }

  /** Adds all facts. Those of guests are placed after the others, so that they change none of them. */
  addAll(facts: readonly WorkflowFact[], isGuest: (fact: WorkflowFact) => boolean): void {
    const events = new Map<WorkflowFact, PlacedEvent>();
    for (const fact of facts) if (!isGuest(fact)) events.set(fact, this.#placer.place(fact));
    for (const fact of facts) {
      const event = events.get(fact) ?? this.#placer.placeGuest(fact);
      this.#hasGuests ||= isGuest(fact);
      this.#add(event);
    }
  }

  /** Adds facts that are later than all others. False when they change events of guests: then all must be added again. */
  append(facts: readonly WorkflowFact[], isGuest: (fact: WorkflowFact) => boolean): boolean {
    const own = facts.filter((fact) => !isGuest(fact));
    if (this.#hasGuests && own.some((fact) => this.#placer.overrules(fact))) return false;
    this.addAll(facts, isGuest);
    return !this.#placer.isOverruled;
  }

  #add(event: PlacedEvent): void {
    const { fact } = event;
    this.placed.push(event);
    if (!event.isKept) return;
    this.kept.push(event);
    if (event.isDeciding) this.index.add(event);
    if (fact.event_type.startsWith('approval_')) this.approvals.push(event);
  }
}

/** About the workflow as a whole: an agent may not say them in a workflow of the trail. */
const OF_WORKFLOW: ReadonlySet<string> = new Set(['workflow_start', 'workflow_complete', 'workflow_resumed']);

function senderOf({ sender }: WorkflowFact): Sender['kind'] {
  return sender ?? 'trail';
}

/** A copy that another sender sent is a fact of its own. */
function idOf({ sender, event_id: id }: WorkflowFact): string {
  return sender === undefined ? id : `${sender} ${id}`;
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

/** What the owner of the workflow says comes before what an agent adds. */
function ownFirst(events: readonly PlacedEvent[]): readonly PlacedEvent[] {
  const isOwn = ({ fact }: PlacedEvent): boolean => fact.sender === undefined;
  return [...events.filter(isOwn), ...events.filter((event) => !isOwn(event))];
}

function firstOf(events: readonly PlacedEvent[], read: (fact: WorkflowFact) => string | null): string | null {
  for (const { fact } of events) {
    const value = read(fact);
    if (value !== null) return value;
  }
  return null;
}

/** Longer texts are prompts that a table cannot show. */
const APPROVAL_NAME_MAX = 200;

function approvalName({ payload, step, phase }: WorkflowFact): string | null {
  const { prompt, message, approval, name } = objectOf(payload);
  const known = [prompt, message, approval, name, step, phase].find(
    (text) => typeof text === 'string' && text !== '',
  );
  return typeof known === 'string' ? firstOfText(known, APPROVAL_NAME_MAX) : null;
}
