import { canonicalJson } from '../model/canonical-json.ts';
import { eventIdentity } from '../model/event-identity.ts';
import type { WorkflowEventType } from '../model/events.ts';
import type { JsonValue } from '../model/json.ts';
import { nodeKey } from '../model/workflow-node.ts';
import type { WorkflowFact } from './change.ts';

/** An event with its node, attempt and key. */
export interface PlacedEvent {
  readonly fact: WorkflowFact;
  /** The phase of the event; for an event that names only its step, the last phase with such a step. */
  readonly phase: string | null;
  readonly attempt: number;
  /** Events with the same key are one event. */
  readonly key: string;
  /** False for a repeat: the earliest event of a key is kept, and one of the trail before one of an agent. */
  readonly isKept: boolean;
  /** False for an event of an agent about a phase or step that the trail has announced: it is listed, and changes no state. */
  readonly isDeciding: boolean;
}

type Role = 'start' | 'resume' | 'end' | 'inside';

const ROLES: ReadonlyMap<string, Role> = new Map<WorkflowEventType, Role>([
  ['workflow_start', 'start'],
  ['phase_start', 'start'],
  ['step_start', 'start'],
  ['workflow_resumed', 'resume'],
  ['workflow_complete', 'end'],
  ['phase_complete', 'end'],
  ['step_complete', 'end'],
]);

/** There may be several events of these types in one attempt: their key contains their payload. */
const KEYED_BY_PAYLOAD: ReadonlySet<string> = new Set<WorkflowEventType>([
  'artifact_create',
  'decision_point',
  'approval_request',
  'approval_granted',
  'approval_denied',
  'step_retry',
  'error',
]);

/** The attempt count of one workflow, phase or step. */
interface Count {
  current: number;
  isEnded: boolean;
}

/** These tell how far a phase or a step is, beside starts and ends. */
const SKIPS: ReadonlySet<string> = new Set<WorkflowEventType>(['phase_skip', 'step_skip']);

/** Whether an event says how far its workflow, phase or step is. */
export function isProgress(type: string): boolean {
  return ROLES.has(type) || SKIPS.has(type);
}

/**
 * Assigns each event its attempt and its key. The facts must come in order of time. An attempt that the caller gave is used
 * as it is. Otherwise a start after the end of its node opens the next attempt, and all other events belong to the open one.
 */
export class EventPlacer {
  readonly #counts = new Map<string, Count>();
  /** The last phase with a step of this name. */
  readonly #phases = new Map<string, string>();
  readonly #first = new Map<string, PlacedEvent>();
  /** Nodes whose progress the trail has told; and those of which only an agent has. */
  readonly #nodes = new Set<string>();
  readonly #guestNodes = new Set<string>();
  readonly #guestCounts = new Map<string, Count>();
  #disagrees = false;
  #isOverruled = false;

  /** Whether an event of the trail came after one of an agent with the same key. */
  get isOverruled(): boolean {
    return this.#isOverruled;
  }

  /** Whether a repeat has another payload than the event that it repeats. */
  get disagrees(): boolean {
    return this.#disagrees;
  }

  place(fact: WorkflowFact): PlacedEvent {
    const { step, event_type: type } = fact;
    const phase = this.#phaseOf(fact);
    if (step !== null && phase !== null) this.#phases.set(step, phase);
    const node = nodeKey({ phase, step });
    if (isProgress(type)) this.#nodes.add(node);
    const attempt = attemptOf(fact, countOf(this.#counts, node));
    return this.#keep({ fact, phase, attempt, isDeciding: true });
  }

  /**
   * Places an event of an agent in a workflow of the trail, after all facts of the trail so far. It decides only about
   * phases and steps of which the trail has told nothing.
   */
  placeGuest(fact: WorkflowFact): PlacedEvent {
    const { step, event_type: type, attempt: given } = fact;
    const phase = this.#phaseOf(fact);
    const node = nodeKey({ phase, step });
    if (this.#nodes.has(node)) {
      const attempt = given ?? Math.max(this.#counts.get(node)?.current ?? 1, 1);
      return this.#keep({ fact, phase, attempt, isDeciding: !isProgress(type) });
    }
    if (isProgress(type)) this.#guestNodes.add(node);
    const attempt = attemptOf(fact, countOf(this.#guestCounts, node));
    return this.#keep({ fact, phase, attempt, isDeciding: true });
  }

  /** Whether a fact of the trail is about a phase or step that only an agent has told of so far. */
  overrules(fact: WorkflowFact): boolean {
    if (fact.step !== null && fact.phase !== null && !this.#phases.has(fact.step)) return true;
    return this.#guestNodes.has(nodeKey({ phase: this.#phaseOf(fact), step: fact.step }));
  }

  #phaseOf({ phase, step }: WorkflowFact): string | null {
    return phase ?? (step === null ? null : (this.#phases.get(step) ?? null));
  }

  #keep(event: Omit<PlacedEvent, 'key' | 'isKept'>): PlacedEvent {
    const key = keyOf(event.fact, event);
    const before = this.#first.get(key);
    const placed = { ...event, key, isKept: before === undefined };
    if (before === undefined) this.#first.set(key, placed);
    // Of an event of the trail and that of an agent, the one of the trail is right.
    else if (before.fact.sender !== event.fact.sender) this.#isOverruled ||= event.fact.sender === undefined;
    else if (!isSamePayload(before.fact, event.fact)) this.#disagrees = true;
    return placed;
  }
}

function attemptOf({ event_type: type, attempt: given }: WorkflowFact, count: Count): number {
  const role = ROLES.get(type) ?? 'inside';
  if (role === 'inside') return given ?? Math.max(count.current, 1);
  if (role === 'end') {
    const attempt = given ?? Math.max(count.current, 1);
    if (attempt >= count.current) {
      // An end without a start belongs to attempt 1, and so does a later start.
      if (given !== null && attempt > 1) count.current = attempt;
      count.isEnded = true;
    }
    return attempt;
  }
  if (given !== null) {
    if (given > count.current) {
      count.isEnded = count.current === 0 && given === 1 && count.isEnded;
      count.current = given;
    }
    return given;
  }
  // An end before the first start is the end of that start: clocks differ, and records may arrive out of order.
  if (role === 'start' && count.current === 0) count.current = 1;
  else if (count.isEnded) {
    count.current = Math.max(count.current, 1) + 1;
    count.isEnded = false;
  }
  return Math.max(count.current, 1);
}

function countOf(counts: Map<string, Count>, node: string): Count {
  let count = counts.get(node);
  if (count === undefined) {
    count = { current: 0, isEnded: false };
    counts.set(node, count);
  }
  return count;
}

function keyOf(
  fact: WorkflowFact,
  { phase, attempt }: { readonly phase: string | null; readonly attempt: number },
): string {
  const { event_type: type, step, key } = fact;
  const own = key ?? (KEYED_BY_PAYLOAD.has(type) ? identityText(fact) : null);
  return JSON.stringify([type, phase, step, attempt, own]);
}

/** Identity texts by fact: the facts of a workflow are placed again when one arrives out of order. */
const identityTexts = new WeakMap<WorkflowFact, string>();

function identityText(fact: WorkflowFact): string {
  let text = identityTexts.get(fact);
  if (text === undefined) {
    text = canonicalJson(identityOf(fact));
    identityTexts.set(fact, text);
  }
  return text;
}

/** A repeated event takes another time to complete; that is no contradiction. */
function isSamePayload(a: WorkflowFact, b: WorkflowFact): boolean {
  return canonicalJson(identityOf(a), 'duration_ms') === canonicalJson(identityOf(b), 'duration_ms');
}

function identityOf({ payload, phase, step }: WorkflowFact): JsonValue {
  return eventIdentity(payload, { phase, step });
}
