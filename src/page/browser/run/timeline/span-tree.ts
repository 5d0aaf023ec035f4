import { known } from '../../data/known.ts';
import { openSpan, type LiveSpan as Span } from '../open-spans.ts';

/** What a span is about, in the words of the product. */
export type SpanKind =
  | 'webhook'
  | 'queue'
  | 'attempt'
  | 'workflow'
  | 'phase'
  | 'step'
  | 'agent'
  | 'model'
  | 'tool'
  | 'span';

export interface SpanNode {
  /** Of the row: a span may be in the lanes of two attempts. */
  readonly id: string;
  readonly span: Span;
  readonly kind: SpanKind;
  readonly label: string;
  readonly startMs: number;
  /** Undefined while it is open. */
  readonly endMs: number | undefined;
  readonly depth: number;
  readonly children: readonly SpanNode[];
  /** Of itself and all below it. */
  readonly hasError: boolean;
  readonly attempt: number | undefined;
  /** The head of the lane of an attempt. */
  readonly isLane?: boolean;
}

/** The call of a tool whose span this is, as the lines of the output name it. */
export function callOf({ span }: SpanNode): string | undefined {
  const call = span.attributes['gen_ai.tool.call.id'];
  return typeof call === 'string' ? call : undefined;
}

/** The spans as trees, each level in the order of its start. A span without its parent is a root. */
export function treeOf(spans: readonly Span[]): readonly SpanNode[] {
  const byId = new Set(spans.map(({ span_id: id }) => id));
  const below = new Map<string, Span[]>();
  for (const span of spans) {
    const parent = span.parent_span_id;
    const key = parent !== null && byId.has(parent) && parent !== span.span_id ? parent : '';
    const siblings = below.get(key);
    if (siblings === undefined) below.set(key, [span]);
    else siblings.push(span);
  }
  const seen = new Set<string>();
  const roots = treesOf(below.get('') ?? [], below, seen);
  // Parents that are in a circle have no root.
  return [...roots, ...spans.flatMap((span) => treesOf([span], below, seen))];
}

/** A span on the way to its node. */
interface Place {
  readonly span: Span;
  readonly depth: number;
  readonly nodes: SpanNode[];
  readonly above: SpanNode[];
}

/** Spans below this level stand beside their parent: a sender may nest them as deep as it likes. */
const DEPTH_MAX = 200;

function treesOf(
  spans: readonly Span[],
  below: ReadonlyMap<string, readonly Span[]>,
  seen: Set<string>,
): readonly SpanNode[] {
  const roots: SpanNode[] = [];
  const places: Place[] = [];
  const add = (list: readonly Span[], depth: number, above: SpanNode[]): void => {
    for (const span of list) {
      if (seen.has(span.span_id)) continue;
      seen.add(span.span_id);
      places.push({ span, depth, nodes: [], above });
    }
  };
  add(spans, 0, roots);
  // The list grows while it is read.
  for (const { span, depth, nodes, above } of places) {
    const children = below.get(span.span_id) ?? [];
    if (depth < DEPTH_MAX) add(children, depth + 1, nodes);
    else add(children, depth, above);
  }
  // Children are behind their parent, so that its node is made after theirs.
  for (const { span, depth, nodes, above } of places.reverse())
    above.push(nodeOf(span, depth, inOrder(nodes)));
  return inOrder(roots);
}

/** By their start. Those that were sent first come first, where nothing else decides. */
function inOrder(nodes: readonly SpanNode[]): readonly SpanNode[] {
  return [...nodes].reverse().sort((a, b) => a.startMs - b.startMs || rank(a) - rank(b));
}

/** The rows of the trees, without those below a closed one. */
export function rowsOf(roots: readonly SpanNode[], closed: ReadonlySet<string>): readonly SpanNode[] {
  const rows: SpanNode[] = [];
  const stack = [...roots].reverse();
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    rows.push(node);
    if (!closed.has(node.id)) for (const child of [...node.children].reverse()) stack.push(child);
  }
  return rows;
}

export function nodeOf(span: Span, depth: number, children: readonly SpanNode[]): SpanNode {
  const kind = kindOf(span);
  const attempt = span.attributes['tasktrail.task.attempt'];
  return {
    id: span.span_id,
    span,
    kind,
    label: labelOf(span, kind),
    startMs: Date.parse(span.start_time ?? ''),
    endMs: span.end_time === null ? undefined : Date.parse(span.end_time),
    depth,
    children,
    hasError: span.status === 'error' || children.some(({ hasError }) => hasError),
    attempt: typeof attempt === 'number' ? attempt : undefined,
  };
}

/** An attempt whose span was never recorded: its process was killed. */
export function syntheticSpan(
  { attempt, startMs }: { readonly attempt: number; readonly startMs: number },
  endMs: number | undefined,
): Span {
  return openSpan({
    id: `attempt-${attempt}`,
    parent: null,
    name: 'process',
    kind: 'consumer',
    from: new Date(startMs).toISOString(),
    to: endMs === undefined ? null : new Date(endMs).toISOString(),
    attributes: { 'tasktrail.task.attempt': attempt },
  });
}

const OPERATIONS: Readonly<Record<string, SpanKind>> = {
  invoke_workflow: 'workflow',
  invoke_agent: 'agent',
  create_agent: 'agent',
  execute_tool: 'tool',
  chat: 'model',
  generate_content: 'model',
  text_completion: 'model',
};

function kindOf({ name, kind, attributes }: Span): SpanKind {
  const [first = ''] = name.split(' ', 1);
  if (first === 'phase' || first === 'step' || first === 'workflow') return first;
  const operation = attributes['gen_ai.operation.name'];
  const found = typeof operation === 'string' ? known(OPERATIONS, operation) : undefined;
  if (found !== undefined) return found;
  if (kind === 'server' && 'tasktrail.webhook.provider' in attributes) return 'webhook';
  if (kind === 'producer') return 'queue';
  if (kind === 'consumer' || first === 'process') return 'attempt';
  return 'span';
}

function labelOf({ name, attributes }: Span, kind: SpanKind): string {
  const rest = name.includes(' ') ? name.slice(name.indexOf(' ') + 1) : name;
  const attempt = attributes['tasktrail.task.attempt'];
  if (kind === 'attempt') return typeof attempt === 'number' ? `attempt ${attempt}` : rest;
  return kind === 'span' || kind === 'webhook' ? name : rest;
}

/** Of spans that begin in one millisecond. */
const RANKS: readonly SpanKind[] = ['webhook', 'queue', 'attempt', 'workflow', 'phase', 'step', 'agent'];

function rank({ kind }: SpanNode): number {
  const at = RANKS.indexOf(kind);
  return at < 0 ? RANKS.length : at;
}
