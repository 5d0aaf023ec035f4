import { type JsonObject, parseObject } from '../../model/json.ts';
import type { Flow } from '../../model/task-reading.ts';
import { html, type Markup } from './markup.ts';

/** Rows of the table, and what is held in memory for it: about 2 MB. */
const SPANS_MAX = 5_000;

/** Deeper spans are indented no further. */
const DEPTH_MAX = 12;

interface Span {
  readonly id: string;
  readonly parent: string | null;
  readonly name: string;
  readonly start: number;
  readonly durationMs: number | null;
  readonly isError: boolean;
}

/** The spans of a trace as a table, parents before their children, with what was left out. */
export async function timelineOf(flow: Flow): Promise<Markup> {
  const spans: Span[] = [];
  let leftOut = 0;
  for await (const line of flow.lines()) {
    const span = spanIn(parseObject(line));
    if (span === undefined) continue;
    if (spans.length < SPANS_MAX) spans.push(span);
    else leftOut += 1;
  }
  if (spans.length === 0) return html`<p class="soft">No span is recorded.</p>`;
  const begin = spans.reduce((least, { start }) => Math.min(least, start), Number.POSITIVE_INFINITY);
  const rows = inOrder(spans).map(
    ([{ name, start, durationMs, isError }, depth]) =>
      html`<tr><td>${'\u2003'.repeat(Math.min(depth, DEPTH_MAX))}${name}${isError ? html` <span class="bad">error</span>` : null}</td>
<td class="number">${secondsText(start - begin)}</td><td class="number">${durationMs === null ? 'open' : secondsText(durationMs)}</td></tr>
`,
  );
  const note =
    leftOut === 0 ? null : html`<p class="soft">${leftOut} more spans are in trace.jsonl of the task.</p>`;
  return html`<div class="wide" tabindex="0"><table><thead><tr><th>Span</th><th class="number">After</th><th class="number">Took</th></tr></thead>
<tbody>${rows}</tbody></table></div>${note}`;
}

function spanIn(value: JsonObject | undefined): Span | undefined {
  const {
    span_id: id,
    parent_span_id: parent,
    name,
    start_time: start,
    duration_ms: ms,
    status,
  } = value ?? {};
  if (typeof id !== 'string' || typeof start !== 'string') return undefined;
  return {
    id,
    parent: typeof parent === 'string' ? parent : null,
    name: String(name ?? ''),
    start: Date.parse(start),
    durationMs: typeof ms === 'number' ? ms : null,
    isError: status === 'error',
  };
}

/** Depth first, children by their start. Spans whose parents form a circle stand at the end. */
function inOrder(spans: readonly Span[]): readonly (readonly [Span, number])[] {
  const sorted = [...spans].sort((a, b) => a.start - b.start);
  const known = new Set(sorted.map(({ id }) => id));
  const children = new Map<string | null, Span[]>();
  for (const span of sorted) {
    const parent =
      span.parent !== null && known.has(span.parent) && span.parent !== span.id ? span.parent : null;
    const list = children.get(parent);
    if (list === undefined) children.set(parent, [span]);
    else list.push(span);
  }
  const ordered: (readonly [Span, number])[] = [];
  const seen = new Set<Span>();
  const add = (roots: readonly Span[]): void => {
    const stack = roots.map((span): readonly [Span, number] => [span, 0]).reverse();
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const [span, depth] = next;
      if (seen.has(span)) continue;
      seen.add(span);
      ordered.push(next);
      for (const child of [...(children.get(span.id) ?? [])].reverse()) stack.push([child, depth + 1]);
    }
  };
  add(children.get(null) ?? []);
  add(sorted.filter((span) => !seen.has(span)));
  return ordered;
}

function secondsText(ms: number): string {
  return `${(ms / 1_000).toFixed(ms < 10_000 ? 3 : 1)} s`;
}
