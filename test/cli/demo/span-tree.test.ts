import { expect, test } from 'vitest';
import { missingInTrace, readSpans, type TreeSpan, treeLines } from '../../../src/cli/demo/span-tree.ts';
import { createPaint } from '../../../src/cli/terminal/terminal-text.ts';

const SHEET = { width: 100, paint: createPaint(false) };

/** A span whose id is its name. */
function span(name: string, parentSpanId?: string, more: Partial<TreeSpan> = {}): TreeSpan {
  return {
    ...{ traceId: 't', spanId: name, parentSpanId, name, startMs: 0, endMs: 1_500 },
    attributeKeys: ['tasktrail.task.id'],
    ...more,
  };
}

/** The trace of a delivery with one phase of one tool call. */
const COMPLETE: readonly TreeSpan[] = [
  span('POST /webhooks/github'),
  span('send agent', 'POST /webhooks/github'),
  span('process agent', 'send agent'),
  span('workflow review', 'process agent'),
  span('phase frame', 'workflow review'),
  span('step run', 'phase frame'),
  span('invoke_agent sample', 'step run'),
  span('execute_tool Read', 'invoke_agent sample'),
];

test('a complete trace lacks nothing', () => {
  expect(missingInTrace(COMPLETE)).toEqual([]);
});

test.each(COMPLETE.map(({ name }) => name))('a trace without %j is incomplete', (name) => {
  const left = COMPLETE.filter((one) => one.name !== name);
  expect(missingInTrace(left)).toContain(`a span "${name.split(' ')[0]}"`);
});

test('a wrong parent, a second trace and a span without the task id are found', () => {
  const withLast = (more: Partial<TreeSpan>): readonly TreeSpan[] =>
    COMPLETE.map((one) => (one.name.startsWith('execute_tool') ? { ...one, ...more } : one));
  expect(missingInTrace(withLast({ parentSpanId: 'step run' }))).toEqual([
    'the parent "invoke_agent" of span "execute_tool Read"',
  ]);
  expect(missingInTrace(withLast({ traceId: 'u' }))).toEqual(['one trace for everything']);
  expect(missingInTrace(withLast({ attributeKeys: [] }))).toEqual(['the task id on "execute_tool Read"']);
});

test('a span with one child shares its line with it, and leaves share one', () => {
  const spans = [
    ...COMPLETE,
    span('phase build', 'workflow review'),
    span('invoke_agent other', 'phase build'),
    ...['Read', 'Read', 'Grep'].map((tool, index) =>
      span(`execute_tool ${tool}`, 'invoke_agent other', { spanId: `tool-${index}` }),
    ),
  ];
  expect(treeLines(spans, SHEET)).toEqual([
    '  POST /webhooks/github 1.5s > send agent > process agent > workflow review',
    '    phase frame 1.5s > step run > invoke_agent sample > execute_tool Read',
    '    phase build 1.5s > invoke_agent other > execute_tool Read x2, Grep',
  ]);
});

test('a long tree is cut, and says where the rest is', () => {
  const phases = Array.from({ length: 40 }, (_, index) => [
    span(`phase ${index}`, 'root'),
    span('step a', `phase ${index}`, { spanId: `a${index}` }),
    span('step b', `phase ${index}`, { spanId: `b${index}` }),
  ]).flat();
  const lines = treeLines([span('root'), ...phases], SHEET);
  expect(lines).toHaveLength(12);
  expect(lines.at(-1)).toBe('  ... 30 more lines: see trace.jsonl');
});

test('no line is wider than the sheet', () => {
  const widths = treeLines(COMPLETE, { ...SHEET, width: 40 }).map((line) => line.length);
  expect(widths).toEqual([40]);
});

test('spans are read from lines of OTLP/JSON, by their start; other lines are left out', () => {
  const line = (name: string, startTimeUnixNano: string): string => {
    const span = {
      ...{ traceId: 't', spanId: name, parentSpanId: '', name, startTimeUnixNano },
      endTimeUnixNano: '3000000000',
      attributes: [{ key: 'tasktrail.task.id', value: { stringValue: 'x' } }],
    };
    return JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
  };
  const text = [line('late', '2000000000'), '{"torn', '[]', '{}', line('early', '1000000000'), ''].join('\n');
  expect(readSpans(text)).toEqual([
    span('early', undefined, { startMs: 1_000, endMs: 3_000 }),
    span('late', undefined, { startMs: 2_000, endMs: 3_000 }),
  ]);
});
