import { type JsonObject, objectOf } from '../model/json.ts';
import { nodeKey, parentNode } from '../model/workflow-node.ts';
import type { PlacedEvent } from './workflow-attempts.ts';

/** One attempt of a workflow, a phase or a step. */
export interface NodeAttempt {
  readonly node: WorkflowNode;
  readonly attempt: number;
  /** For a workflow also the `workflow_resumed` event that opened this attempt. */
  start: PlacedEvent | undefined;
  end: PlacedEvent | undefined;
  skip: PlacedEvent | undefined;
  /** The first event of the attempt. */
  readonly first: PlacedEvent;
  /** The newest attempt of the parent at the time of the first event; undefined when the parent had no event yet. */
  readonly parent: NodeAttempt | undefined;
}

/** A workflow, a phase or a step, with its attempts in the order of their first events. */
export interface WorkflowNode {
  readonly phase: string | null;
  readonly step: string | null;
  readonly attempts: Map<number, NodeAttempt>;
}

const STARTS = new Set(['workflow_start', 'phase_start', 'step_start']);
const ENDS = new Set(['workflow_complete', 'phase_complete', 'step_complete']);
const SKIPS = new Set(['phase_skip', 'step_skip']);

/** The nodes of a workflow, made from its kept events in order of time. */
export class NodeIndex {
  readonly #nodes = new Map<string, WorkflowNode>();
  #sorted: readonly WorkflowNode[] | undefined;

  add(event: PlacedEvent): void {
    const type = event.fact.event_type;
    if (STARTS.has(type)) this.#attemptOf(event).start ??= event;
    else if (ENDS.has(type)) this.#attemptOf(event).end ??= event;
    else if (SKIPS.has(type)) this.#attemptOf(event).skip ??= event;
    else if (type === 'workflow_resumed') this.#attemptOf(event).start ??= event;
  }

  /** The workflow itself first, then phases and steps in the order of their first events. */
  get nodes(): readonly WorkflowNode[] {
    this.#sorted ??= [...this.#nodes.values()].sort((a, b) => Number(isWorkflow(b)) - Number(isWorkflow(a)));
    return this.#sorted;
  }

  /** The node of the workflow itself. */
  get workflow(): WorkflowNode | undefined {
    return this.#nodes.get(nodeKey({ phase: null, step: null }));
  }

  #attemptOf(event: PlacedEvent): NodeAttempt {
    const { phase, attempt, fact } = event;
    const id = nodeKey({ phase, step: fact.step });
    let node = this.#nodes.get(id);
    if (node === undefined) {
      node = { phase, step: fact.step, attempts: new Map() };
      this.#nodes.set(id, node);
      this.#sorted = undefined;
    }
    let found = node.attempts.get(attempt);
    if (found === undefined) {
      const parent = parentOf(this.#nodes, node);
      found = { node, attempt, start: undefined, end: undefined, skip: undefined, first: event, parent };
      node.attempts.set(attempt, found);
    }
    return found;
  }
}

export function isWorkflow(node: WorkflowNode): boolean {
  return node.phase === null && node.step === null;
}

/** The attempt with the highest number; undefined for an unknown node. */
export function newestAttempt(node: WorkflowNode | undefined): NodeAttempt | undefined {
  if (node === undefined) return undefined;
  return [...node.attempts.values()].reduce<NodeAttempt | undefined>(
    (newest, one) => (newest === undefined || one.attempt > newest.attempt ? one : newest),
    undefined,
  );
}

/** The attempt of the parent; its first attempt when the parent had no event before this one. */
export function parentAttempt(attempt: NodeAttempt, nodes: readonly WorkflowNode[]): NodeAttempt | undefined {
  const { node, parent } = attempt;
  if (parent !== undefined || isWorkflow(node)) return parent;
  const phase = nodes.find((one) => node.step !== null && one.step === null && one.phase === node.phase);
  const [first] = (phase ?? nodes.find(isWorkflow))?.attempts.values() ?? [];
  return first;
}

/** The status of its end; `skipped` for a skipped node; null while it runs. */
export function statusOf(attempt: NodeAttempt): string | null {
  const { end, skip } = attempt;
  if (end === undefined) return skip === undefined ? null : 'skipped';
  const payload = payloadOf(end);
  const status = attempt.node.step === null ? payload.status : objectOf(payload.step).status;
  return typeof status === 'string' ? status : 'unknown';
}

export function payloadOf(event: PlacedEvent): JsonObject {
  return objectOf(event.fact.payload);
}

/** The newest attempt of the parent so far. */
function parentOf(nodes: ReadonlyMap<string, WorkflowNode>, node: WorkflowNode): NodeAttempt | undefined {
  if (isWorkflow(node)) return undefined;
  return newestAttempt(nodes.get(nodeKey(parentNode(node))));
}
