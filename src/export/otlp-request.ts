import type { BatchEntry } from '../journal/segment-reader.ts';
import { parseObject } from '../model/json.ts';
import type { RequestPart, Signal } from './transport.ts';

const SHAPES = {
  logs: { resources: 'resourceLogs', scopes: 'scopeLogs', items: 'logRecords' },
  traces: { resources: 'resourceSpans', scopes: 'scopeSpans', items: 'spans' },
} as const;

/** Logs before spans: the facts of a task create its files before its spans are added to them. */
export function partsOf(entries: readonly BatchEntry[]): RequestPart[] {
  const logs = entries.filter(({ kind }) => kind === 'L');
  const spans = entries.filter(({ kind }) => kind === 'S');
  const parts: RequestPart[] = [];
  if (logs.length > 0) parts.push({ signal: 'logs', entries: logs });
  if (spans.length > 0) parts.push({ signal: 'traces', entries: spans });
  return parts;
}

/**
 * An ExportLogsServiceRequest or ExportTraceServiceRequest in OTLP/JSON, joined from JSON text without parsing it.
 */
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

/** The journal stores `"resource":{...},"scope":{...}`; in a request the scope is one level deeper. */
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
  // A damaged source line in the journal: its records keep their attributes and lose the resource and scope.
  return parseObject(`{${source}}`) ?? {};
}
