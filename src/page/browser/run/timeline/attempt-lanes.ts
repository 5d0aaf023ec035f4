import { nodeOf, type SpanNode, syntheticSpan } from './span-tree.ts';

interface Lane {
  readonly attempt: number;
  readonly startMs: number;
  /** When the next attempt began: what goes on in it is cut here. */
  readonly endMs: number;
}

/**
 * The trees of a task with several attempts: a lane for each attempt, with its spans below. A span that went on in the next
 * attempt (an agent that outlived its service) is in the lanes of both, each with its part of the time. The trees of a task with
 * one attempt stay as they are.
 */
export function withLanes(roots: readonly SpanNode[]): readonly SpanNode[] {
  const owners = new Map<SpanNode, number | undefined>();
  own(roots, undefined, owners);
  const attempts = [...new Set(owners.values())].filter((attempt) => attempt !== undefined);
  if (attempts.length < 2) return roots;
  const heads = new Map<number, SpanNode>();
  for (const [node, attempt] of owners)
    if (node.kind === 'attempt' && attempt !== undefined) heads.set(attempt, node);
  const firsts = new Map<number, number>();
  for (const [{ startMs }, attempt] of owners)
    if (attempt !== undefined) firsts.set(attempt, Math.min(startMs, firsts.get(attempt) ?? startMs));
  const startOf = (attempt: number): number => heads.get(attempt)?.startMs ?? firsts.get(attempt) ?? 0;
  const sorted = attempts.sort((a, b) => a - b);
  const before = roots.flatMap((root) => unowned(root, 0, owners));
  const lanes = sorted.map((attempt, at): SpanNode => {
    const next = sorted[at + 1];
    const lane: Lane = {
      attempt,
      startMs: startOf(attempt),
      endMs: next === undefined ? Number.POSITIVE_INFINITY : startOf(next),
    };
    return laneOf(lane, heads.get(attempt), { roots, owners });
  });
  return [...before, ...lanes];
}

/** The attempt of each span: its own, or that of its parent. */
function own(
  nodes: readonly SpanNode[],
  above: number | undefined,
  owners: Map<SpanNode, number | undefined>,
): void {
  for (const node of nodes) {
    const attempt = node.attempt ?? above;
    owners.set(node, attempt);
    own(node.children, attempt, owners);
  }
}

/** What belongs to no attempt: the webhook and the queue. */
function unowned(
  node: SpanNode,
  depth: number,
  owners: ReadonlyMap<SpanNode, number | undefined>,
): readonly SpanNode[] {
  if (owners.get(node) !== undefined) return [];
  const children = node.children.flatMap((child) => unowned(child, depth + 1, owners));
  return [{ ...node, depth, children }];
}

interface Trees {
  readonly roots: readonly SpanNode[];
  readonly owners: ReadonlyMap<SpanNode, number | undefined>;
}

function laneOf(lane: Lane, head: SpanNode | undefined, { roots, owners }: Trees): SpanNode {
  const children = roots
    .flatMap((root) => partOf(root, 1, lane, owners))
    .sort((a, b) => a.startMs - b.startMs);
  const last = children.some(({ endMs }) => endMs === undefined)
    ? undefined
    : children.reduce((end, { endMs = 0 }) => Math.max(end, endMs), lane.startMs);
  const made = head ?? nodeOf(syntheticSpan(lane, last), 0, []);
  return {
    ...made,
    id: `attempt-${lane.attempt}`,
    label: `attempt ${lane.attempt}`,
    isLane: true,
    depth: 0,
    children,
    startMs: lane.startMs,
    endMs: cut(head === undefined ? last : head.endMs, lane),
    hasError: made.hasError || children.some(({ hasError }) => hasError),
  };
}

/** A span with what is of this lane below it. Attempts themselves are the lanes. */
function partOf(
  node: SpanNode,
  depth: number,
  lane: Lane,
  owners: ReadonlyMap<SpanNode, number | undefined>,
): readonly SpanNode[] {
  if (node.kind === 'attempt' || owners.get(node) === undefined)
    return node.children.flatMap((child) => partOf(child, depth, lane, owners));
  const children = node.children.flatMap((child) => partOf(child, depth + 1, lane, owners));
  const isOwn = owners.get(node) === lane.attempt;
  if (!isOwn && children.length === 0) return [];
  const isShared = node.children.length > 0;
  return [
    {
      ...node,
      id: `${lane.attempt}/${node.id}`,
      depth,
      children,
      hasError: node.span.status === 'error' || children.some(({ hasError }) => hasError),
      ...(isShared && { startMs: Math.max(node.startMs, lane.startMs), endMs: cut(node.endMs, lane) }),
    },
  ];
}

function cut(endMs: number | undefined, lane: Lane): number | undefined {
  const end = Math.min(endMs ?? Number.POSITIVE_INFINITY, lane.endMs);
  return Number.isFinite(end) ? Math.max(end, lane.startMs) : undefined;
}
