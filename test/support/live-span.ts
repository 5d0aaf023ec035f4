import type { LiveSpan } from '../../src/page/browser/run/open-spans.ts';

const START = Date.parse('2026-01-02T03:04:05.000Z');

export function span(
  id: string,
  parent: string | null,
  [fromMs, toMs]: readonly [number, number | null],
  more: Partial<LiveSpan> = {},
): LiveSpan {
  const iso = (ms: number): string => new Date(START + ms).toISOString();
  return {
    trace_id: 't',
    span_id: id,
    parent_span_id: parent,
    name: id,
    kind: 'internal',
    start_time: iso(fromMs),
    end_time: toMs === null ? null : iso(toMs),
    duration_ms: toMs === null ? null : toMs - fromMs,
    status: 'unset',
    status_message: null,
    service: 's',
    scope: 's',
    attributes: {},
    events: [],
    links: [],
    ...more,
  };
}
