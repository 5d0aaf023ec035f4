import type { BatchEntry } from '../journal/segment-reader.ts';
import { parseObject } from '../model/json.ts';
import type { Signal } from './transport.ts';

/** Entries of one signal, in their order. */
export interface RequestPart {
  readonly signal: Signal;
  readonly entries: readonly BatchEntry[];
}

const SHAPES = {
  logs: { resources: 'resourceLogs', scopes: 'scopeLogs', items: 'logRecords' },
  traces: { resources: 'resourceSpans', scopes: 'scopeSpans', items: 'spans' },
} as const;

/** Facts before spans: a file that a span makes is then already a task's. */
export function partsOf(entries: readonly BatchEntry[]): RequestPart[] {
  const logs = entries.filter(({ kind }) => kind === 'L');
  const spans = entries.filter(({ kind }) => kind === 'S');
  const parts: RequestPart[] = [];
  if (logs.length > 0) parts.push({ signal: 'logs', entries: logs });
  if (spans.length > 0) parts.push({ signal: 'traces', entries: spans });
  return parts;
}

/** An ExportLogsServiceRequest or ExportTraceServiceRequest as OTLP/JSON, joined from text that is JSON already. */
export function requestBody({ signal, entries }: RequestPart): Buffer {
  const shape = SHAPES[signal];
  const groups: string[] = [];
  for (let start = 0; start < entries.length; ) {
    const source = entries[start]?.source;
    let end = start;
    while (end < entries.length && entries[end]?.source === source) end += 1;
    const items = entries.slice(start, end).map(({ json }) => json);
    groups.push(groupBody(source ?? '', items.join(','), shape));
    start = end;
  }
  return Buffer.from(`{"${shape.resources}":[${groups.join(',')}]}`);
}

/** The journal keeps `"resource":{...},"scope":{...}`; in a request the scope stands one level deeper. */
function groupBody(source: string, items: string, shape: (typeof SHAPES)[Signal]): string {
  const { resource, scope } = splitSource(source);
  return `{${resource},"${shape.scopes}":[{${scope},"${shape.items}":[${items}]}]}`;
}

const cache = { source: '', resource: '', scope: '' };

function splitSource(source: string): { resource: string; scope: string } {
  if (source === cache.source) return cache;
  const { resource, scope } = parseSource(source);
  cache.source = source;
  cache.resource = `"resource":${JSON.stringify(resource ?? {})}`;
  cache.scope = `"scope":${JSON.stringify(scope ?? {})}`;
  return cache;
}

function parseSource(source: string): { resource?: unknown; scope?: unknown } {
  // A damaged line in the journal: the records keep their own attributes and lose only their resource and scope.
  return parseObject(`{${source}}`) ?? {};
}
