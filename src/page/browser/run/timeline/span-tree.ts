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
  const build = (key: string, depth: number): readonly SpanNode[] =>
    (below.get(key) ?? [])
      .filter(({ span_id: id }) => !seen.has(id))
      .map((span) => {
        seen.add(span.span_id);
        return nodeOf(span, depth, build(span.span_id, depth + 1));
      })
      .sort((a, b) => a.startMs - b.startMs || rank(a) - rank(b));
  const roots = build('', 0);
  // Parents that are in a circle have no root.
  const lost = spans.filter(({ span_id: id }) => !seen.has(id));
  return [...roots, ...lost.flatMap((span) => (seen.has(span.span_id) ? [] : [rootOf(span)]))];

  function rootOf(span: Span): SpanNode {
    seen.add(span.span_id);
    return nodeOf(span, 0, build(span.span_id, 1));
  }
}

/** The rows of the trees, without those below a closed one. */
export function rowsOf(roots: readonly SpanNode[], closed: ReadonlySet<string>): readonly SpanNode[] {
  const rows: SpanNode[] = [];
  const add = (node: SpanNode): void => {
    rows.push(node);
    if (!closed.has(node.id)) for (const child of node.children) add(child);
  };
  for (const root of roots) add(root);
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
  const known = typeof operation === 'string' ? OPERATIONS[operation] : undefined;
  if (known !== undefined) return known;
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
