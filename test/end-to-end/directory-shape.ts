import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readLines, readSpans, type StoredSpan } from '../support/receiver.ts';
import { readDocument } from '../support/service-process.ts';

type Json = Record<string, unknown>;

/** Replacements for values that differ between runs. The order matters: longer forms come first. */
const NATURAL: readonly (readonly [RegExp, string])[] = [
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, '<time>'],
  [/\b\d{8}T\d{6}Z(?:-[0-9a-z]{4})?/g, '<stamp>'],
  [/\btask-[0-9a-z]{26}\b/g, '<task>'],
  [/\b[0-9A-HJKMNP-TV-Z]{26}\b/g, '<ulid>'],
  [/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, '<uuid>'],
  [/issuecomment-\d+/g, '<comment>'],
  [/\b[0-9a-f]{32}\b/g, '<trace>'],
  [/\b[0-9a-f]{16}\b/g, '<span>'],
];

/** The directory that keeps the job: a producer without one says none. */
const OF_DIRECTORY = 'queue_home';

/** Fields with a duration, the identity of a process, or that of the comment: each run is about a comment of its own. */
const MEASURED = /duration|_ms$|process\.pid|service\.instance\.id$|comment_id$|subject(?:_macs?)?$/;

/**
 * The contents of a task directory without ids and times: documents, lines in order, and spans as paths of names. Two ways
 * of recording the same task must yield the same shape.
 */
export async function shapeOfTask(logDir: string, taskId: string): Promise<Json> {
  const dir = join(logDir, taskId);
  const lines = async (name: string): Promise<Json[]> => readLines(join(dir, name));
  // Facts are in arrival order, which is not guaranteed.
  const facts = (await lines('facts.jsonl')).sort((a, b) => text(a.event_id).localeCompare(text(b.event_id)));
  return {
    files: (await readdir(dir)).sort(),
    metadata: plain(await readDocument(logDir, taskId, 'metadata.json')),
    input: plain(await readDocument(logDir, taskId, '01-input.json')),
    result: plain(await readDocument(logDir, taskId, '04-final-result.json')),
    webhookFlow: plain(await lines('02-webhook-flow.jsonl')),
    agentOutput: plain(byStream(await lines('03-agent-output.jsonl'))),
    facts: plain(facts),
    spans: spanTree(await readSpans(logDir, taskId)),
  };
}

/** The lines per stream. The order of stdout lines relative to stderr lines is not deterministic. */
function byStream(lines: readonly Json[]): Json {
  const isStderr = (line: Json): boolean => line.stream === 'stderr';
  return { stdout: lines.filter((line) => !isStderr(line)), stderr: lines.filter(isStderr) };
}

/** Each span as its path of names from the root and its contents, sorted. */
export function spanTree(spans: readonly StoredSpan[]): readonly string[] {
  return spans.map((span) => `${pathOf(span, spans)} ${JSON.stringify(plain(said(span)))}`).sort();
}

/** The names from the root to a span. `...` stands for a parent that is not in the list. */
export function pathOf(span: StoredSpan, spans: readonly StoredSpan[]): string {
  const { parentSpanId: parentId = '' } = span;
  const parent = spans.find(({ spanId }) => spanId === parentId);
  const above = parentId === '' ? '' : '...';
  return `${parent === undefined ? above : pathOf(parent, spans)}/${text(plain(span.name))}`;
}

function said({ kind, status = {}, attributes, events = [] }: StoredSpan): Json {
  const marks = events.map((event) => ({ ...event, timeUnixNano: '<time>' }));
  return { kind, status, attributes: sorted(attributes), events: marks };
}

function sorted(attributes: readonly unknown[]): readonly unknown[] {
  return [...attributes].sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));
}

function plain(value: unknown): unknown {
  if (typeof value === 'string')
    return NATURAL.reduce((whole, [pattern, word]) => whole.replaceAll(pattern, word), value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  const isMeasured = MEASURED.test(text(Reflect.get(value, 'key')));
  const entries = Object.entries(value).map(([key, item]): [string, unknown] => {
    const isTime = MEASURED.test(key) || (isMeasured && key === 'value');
    return [text(plain(key)), isTime && item !== null ? '<measured>' : plain(item)];
  });
  const shared = entries.filter(([key]) => key !== OF_DIRECTORY);
  return Object.fromEntries(shared.sort(([a], [b]) => a.localeCompare(b)));
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
