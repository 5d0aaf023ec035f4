import { type JsonObject, objectOf, parseObject } from '../../model/json.ts';
import { secondsText } from '../terminal/amounts.ts';
import { countNames } from './agent-digest.ts';
import { fitLine, type Sheet } from './sheet.ts';

/** Beginnings of the span names in the trace of one delivery, outermost first. Each has the one before it as its parent. */
const NESTING = [
  'POST ',
  'send ',
  'process ',
  'workflow ',
  'phase ',
  'step ',
  'invoke_agent ',
  'execute_tool ',
] as const;

/** Lines of the tree. The bundled sample needs six. */
const LINES_MAX = 12;

export interface TreeSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly attributeKeys: readonly string[];
  readonly startMs: number;
  readonly endMs: number;
}

/** The spans of a task's `trace.jsonl`, by start. Each line is an OTLP request with one span. */
export function readSpans(text: string): readonly TreeSpan[] {
  return text
    .split('\n')
    .flatMap((line) => {
      const [resourceSpans] = listOf(objectOf(parseObject(line)).resourceSpans);
      const [scopeSpans] = listOf(resourceSpans?.scopeSpans);
      const [span] = listOf(scopeSpans?.spans);
      return span === undefined ? [] : [treeSpan(span)];
    })
    .sort((a, b) => a.startMs - b.startMs);
}

/** What a complete trace of one delivery would have and this one lacks. */
export function missingInTrace(spans: readonly TreeSpan[]): readonly string[] {
  const missing: string[] = [];
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  for (const [index, prefix] of NESTING.entries()) {
    const found = spans.filter(({ name }) => name.startsWith(prefix));
    if (found.length === 0) missing.push(`a span "${prefix.trim()}"`);
    const parentPrefix = NESTING[index - 1];
    for (const span of found) {
      const parent = byId.get(span.parentSpanId ?? '');
      if (parentPrefix !== undefined && parent?.name.startsWith(parentPrefix) !== true)
        missing.push(`the parent "${parentPrefix.trim()}" of span "${span.name}"`);
    }
  }
  for (const { attributeKeys, name } of spans)
    if (!attributeKeys.includes('tasktrail.task.id')) missing.push(`the task id on "${name}"`);
  if (new Set(spans.map(({ traceId }) => traceId)).size !== 1) missing.push('one trace for everything');
  return missing;
}

/** The trace as a tree. A span with one child shares its line with it, and so do children that have none of their own. */
export function treeLines(spans: readonly TreeSpan[], sheet: Sheet): readonly string[] {
  const children = new Map<string | undefined, TreeSpan[]>();
  for (const span of spans)
    children.set(span.parentSpanId, [...(children.get(span.parentSpanId) ?? []), span]);
  const lines: string[] = [];
  const add = (first: TreeSpan, depth: number): void => {
    const names = [`${first.name} ${secondsText((first.endMs - first.startMs) / 1_000)}`];
    let below = children.get(first.spanId) ?? [];
    for (let [only] = below; below.length === 1 && only !== undefined; [only] = below) {
      names.push(only.name);
      below = children.get(only.spanId) ?? [];
    }
    const areLeaves = below.every(({ spanId }) => !children.has(spanId));
    if (below.length > 0 && areLeaves) names.push(leafText(below));
    lines.push(`${'  '.repeat(depth)}${fitLine(names.join(' > '), sheet.width - 2 * depth)}`);
    if (!areLeaves) for (const span of below) add(span, depth + 1);
  };
  for (const root of children.get(undefined) ?? []) add(root, 1);
  if (lines.length <= LINES_MAX) return lines;
  const kept = lines.slice(0, LINES_MAX - 1);
  return [...kept, `  ... ${lines.length - kept.length} more lines: see trace.jsonl`];
}

/** `execute_tool Read x2, Grep`: the common first word once. */
function leafText(spans: readonly TreeSpan[]): string {
  const byFirst = new Map<string, string[]>();
  for (const { name } of spans) {
    const [, first = '', rest = ''] = /^(\S+)\s*(.*)$/.exec(name) ?? [];
    byFirst.set(first, [...(byFirst.get(first) ?? []), rest]);
  }
  return [...byFirst].map(([first, rests]) => `${first} ${countNames(rests)}`.trim()).join(', ');
}

function treeSpan(span: JsonObject): TreeSpan {
  const { traceId, spanId, parentSpanId, name, startTimeUnixNano, endTimeUnixNano } = span;
  return {
    traceId: String(traceId),
    spanId: String(spanId),
    parentSpanId: typeof parentSpanId === 'string' && parentSpanId !== '' ? parentSpanId : undefined,
    name: String(name),
    attributeKeys: listOf(span.attributes).map(({ key }) => String(key)),
    startMs: Number(startTimeUnixNano) / 1e6,
    endMs: Number(endTimeUnixNano) / 1e6,
  };
}

function listOf(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.map(objectOf) : [];
}
