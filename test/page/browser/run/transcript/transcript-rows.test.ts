import { expect, test } from 'vitest';
import type { OutputLine } from '../../../../../src/client/api/shapes.ts';
import { CallPairs } from '../../../../../src/page/browser/run/transcript/call-pairs.ts';
import {
  isCutLine,
  type LoadedLine,
  loadedLine,
} from '../../../../../src/page/browser/run/transcript/loaded-line.ts';
import { foundIn } from '../../../../../src/page/browser/run/transcript/search/found-text.ts';
import { rowsOf } from '../../../../../src/page/browser/run/transcript/transcript-rows.ts';

const output = (more: Partial<OutputLine>): OutputLine => ({
  timestamp: '2026-01-02T03:04:05.000Z',
  type: 'output',
  content: '',
  ...more,
});

const load = (lines: readonly Partial<OutputLine>[], first = 0): LoadedLine[] =>
  lines.map((line, at) => loadedLine(output(line), first + at));

const call = (id: string): Partial<OutputLine> => ({ type: 'tool_call', tool_use_id: id, tool_name: 'Bash' });
const result = (id: string): Partial<OutputLine> => ({ type: 'tool_result', tool_use_id: id });

function rows(lines: readonly LoadedLine[], pairs = new CallPairs(), before?: LoadedLine): unknown[] {
  pairs.add(lines);
  return rowsOf(lines, pairs, before).map(({ kind, numbers }) => `${kind} ${numbers.join(' ')}`.trim());
}

test('a result stands in the row of its call, also when others are between', () => {
  const lines = load([call('a'), call('b'), result('a'), { content: 'text' }, result('b'), result('c')]);
  expect(rows(lines)).toEqual(['tool 0 2', 'tool 1 4', 'text 3', 'tool 5']);
});

test('a result finds its call in another page, and stands alone once that is dropped', () => {
  const pairs = new CallPairs();
  const first = load([call('a')]);
  const second = load([result('a')], 100);
  expect(rows(second, pairs)).toEqual(['tool 100']);
  pairs.add(first);
  expect(rows(second, pairs)).toEqual([]);
  expect(rows(first, pairs)).toEqual(['tool 0 100']);
  pairs.remove(first);
  expect(rows(second, pairs)).toEqual(['tool 100']);
  pairs.remove(second);
  expect(rows(first, pairs)).toEqual(['tool 0']);
});

test('an id that comes again in a later turn belongs to the call before it', () => {
  const lines = load([
    call('item_1'),
    result('item_1'),
    call('item_1'),
    call('x'),
    result('item_1'),
    result('item_1'),
  ]);
  expect(rows(lines)).toEqual(['tool 0 1', 'tool 2 4', 'tool 3', 'tool 5']);
});

test('a call that was cut short has no result, whatever comes later under its id', () => {
  const lines = load([call('item_1'), call('item_1'), result('item_1')]);
  expect(rows(lines)).toEqual(['tool 0', 'tool 1 2']);
});

test('pages may be added in any order and again', () => {
  const pairs = new CallPairs();
  const [a, b] = [load([call('a'), result('a')], 200), load([call('a'), result('a')])];
  for (const lines of [a, b, a]) pairs.add(lines);
  expect(pairs.resultOf(a[0] as LoadedLine)?.number).toBe(201);
  expect(pairs.resultOf(b[0] as LoadedLine)?.number).toBe(1);
  expect(pairs.callOf(a[1] as LoadedLine)?.number).toBe(200);
});

test('lines of a program are one terminal, words of a model are messages', () => {
  const lines = load([
    { content: 'ok 1\n' },
    { content: 'ok 2\n' },
    { type: 'system', stream: 'stderr', content: 'warning\n' },
    { content: 'without a newline at its end' },
  ]);
  expect(rows(lines)).toEqual(['terminal 0 1 2', 'text 3']);
  expect(rows(load([{ content: 'ok\n' }, { content: 'end' }]))).toEqual(['terminal 0 1']);
  expect(rows(load([{ content: `${'x'.repeat(100_000)}\n` }]))).toEqual(['terminal 0']);
  expect(rows(load([{ content: 'said' }, { content: 'more' }]))).toEqual(['text 0', 'text 1']);
});

test('quiet lines that follow each other are one row, and a sub-agent has rows of its own', () => {
  const lines = load([
    { type: 'system' },
    { type: 'system' },
    { type: 'system', parent_tool_use_id: 'a' },
    { type: 'thinking' },
    { type: 'error' },
  ]);
  expect(rows(lines)).toEqual(['system 0 1', 'system 2', 'thinking 3', 'error 4']);
});

test('a later attempt begins with a heading, once', () => {
  const lines = load([{ content: 'a' }, { content: 'b', attempt: 2 }, { content: 'c', attempt: 2 }]);
  expect(rows(lines)).toEqual(['text 0', 'attempt', 'text 1', 'text 2']);
  const [later] = load([{ content: 'b', attempt: 2 }]);
  expect(rows(load([{ content: 'c', attempt: 2 }], 100), new CallPairs(), later)).toEqual(['text 100']);
});

test('a result that says the last message again is shown once', () => {
  const said = load([{ content: 'done' }, { type: 'system' }, { type: 'result', content: 'done' }]);
  expect(rows(said)).toEqual(['system 1', 'result 0 2']);
  const other = load([{ content: 'done' }, { type: 'result', content: 'failed' }]);
  expect(rows(other)).toEqual(['text 0', 'result 1']);
});

test('a line keeps the first part of a long text, and of a call its input only', () => {
  const [long, short] = load([{ content: 'x'.repeat(1_000_000) }, { content: 'x' }]);
  expect(long?.line.content).toHaveLength(20_000);
  expect([long?.length, isCutLine(long as LoadedLine)]).toEqual([1_000_000, true]);
  expect(isCutLine(short as LoadedLine)).toBe(false);
  const input = { file_path: 'a', content: 'y'.repeat(50_000), deep: [{ x: 'z'.repeat(30_000) }] };
  const [written] = load([{ ...call('a'), content: `Write ${JSON.stringify(input)}`, tool_input: input }]);
  expect(written?.line.content).toBe('');
  expect(written?.isInputCut).toBe(true);
  expect(JSON.stringify(written?.line.tool_input).length).toBeLessThan(41_000);
});

const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const block = (type: string, data: string): string =>
  JSON.stringify({ type: 'image', source: { type: 'base64', media_type: type, data } });

test.each([
  ['of Anthropic', block('image/png', PNG), 'image/png', true],
  ['of MCP', JSON.stringify({ type: 'image', data: PNG, mimeType: 'image/png' }), 'image/png', true],
  [
    'of OpenAI',
    JSON.stringify({ type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } }),
    'image/png',
    true,
  ],
  ['that is SVG', block('image/svg+xml', btoa('<svg onload="alert(1)"/>')), 'image/svg+xml', false],
  ['that is SVG under the name of PNG', block('image/png', btoa('<svg/>')), 'image/png', false],
  ['that is no base64', block('image/png', '?'), 'image/png', false],
])('a picture %s stands beside the text', (_name, json, type, isShown) => {
  const [line] = load([{ ...result('a'), content: `before\n${json}\nafter` }]);
  expect(line?.line.content).toBe('before\nafter');
  expect(line?.pictures.map((picture) => [picture.type, picture.content !== undefined])).toEqual([
    [type, isShown],
  ]);
});

test('what only looks like a picture stays text', () => {
  for (const content of [
    '{"type":"image"',
    '{"type":"image","source":{"url":"https://x.example/a.png"}}',
    'x "image"',
  ]) {
    const [line] = load([{ ...result('a'), content }]);
    expect([line?.line.content, line?.pictures]).toEqual([content, []]);
  }
  const [words] = load([{ content: block('image/png', PNG) }]);
  expect(words?.pictures).toEqual([]);
});

test('the search finds words in texts, behind colours and in the input of calls', () => {
  const esc = '\u001b';
  expect(foundIn(output({ content: 'One Two three' }), 'two THREE')).toBe(true);
  expect(foundIn(output({ content: `${esc}[31mfai${esc}[0mled` }), 'failed')).toBe(true);
  expect(
    foundIn(output({ ...call('a'), content: '', tool_input: { command: ['x', { y: 'npm test' }] } }), 'NPM'),
  ).toBe(true);
  expect(foundIn(output({ ...call('a') }), 'bash')).toBe(true);
  expect(foundIn(output({ content: 'other' }), 'two')).toBe(false);
});
