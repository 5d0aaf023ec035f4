import { expect, test } from 'vitest';
import { amountsText, createLineFormat } from '../../../src/cli/terminal/line-format.ts';
import { createPaint } from '../../../src/cli/terminal/terminal-text.ts';
import type { JsonObject } from '../../../src/model/json.ts';

const TIMESTAMP = '2026-01-02T03:04:05.678Z';
const INDENT = ' '.repeat(27);
const format = createLineFormat(createPaint(false));

function output(line: JsonObject): string {
  return format.output({ timestamp: TIMESTAMP, type: 'output', ...line });
}

test('a stage is its name and its fields', () => {
  const line = { timestamp: TIMESTAMP, stage: 'validation', event_id: 'E', status: 'passed', n: 1, s: 'a b' };
  expect(format.stage(line)).toBe(`03:04:05.678  stage        validation status=passed n=1 s="a b"\n`);
});

test('a stage whose name is no text is shown as JSON', () => {
  // `String` throws for it.
  const stage = { toString: 1 };
  expect(format.stage({ timestamp: TIMESTAMP, stage })).toContain('stage        {"toString":1}');
});

test('a stage that is not the trail’s says whose it is', () => {
  const line = {
    timestamp: TIMESTAMP,
    stage: 'validation',
    event_id: 'E',
    status: 'passed',
    sender: 'anonymous',
  };
  expect(format.stage(line)).toBe(
    '03:04:05.678  stage        [sent without a token] validation status=passed\n',
  );
});

test.each<[JsonObject, string]>([
  [{ content: 'one\n' }, 'output       one\n'],
  [{ content: 'one\ntwo\n' }, `output       one\n${INDENT}two\n`],
  [{ content: '' }, 'output\n'],
  [{ type: 'error', content: 'bad', stream: 'stderr' }, 'error        [stderr] bad\n'],
  [
    { type: 'tool_call', tool_name: 'Read', tool_input: { path: 'a.ts' }, content: 'Read' },
    'tool_call    Read {"path":"a.ts"}\n',
  ],
  [
    { type: 'tool_call', tool_name: 'Read', tool_input: { path: 'a' }, content: 'Read {"path":"a"}' },
    'tool_call    Read {"path":"a"}\n',
  ],
  [
    { type: 'tool_result', tool_name: 'Bash', is_error: true, content: 'a\nb' },
    `tool_result  Bash [failed]\n${INDENT}a\n${INDENT}b\n`,
  ],
  [{ parent_tool_use_id: 't', content: 'x' }, 'output       [sub-agent] x\n'],
  [{ truncated: true, original_bytes: 9, content: 'x' }, 'output       [cut, 9 bytes in all] x\n'],
  [
    { type: 'result', content: 'forged\n', sender: 'agent', stream: 'stderr' },
    'result       [sent by the agent] [stderr] forged\n',
  ],
  [
    { type: 'tool_call', tool_name: 'Bash', content: 'Bash {}', sender: 'anonymous' },
    'tool_call    [sent without a token] Bash {}\n',
  ],
  [{ content: 'x', sender: 'octocat' }, 'output       x\n'],
  [{ content: { a: 1 } }, 'output       {"a":1}\n'],
  [{ type: 7, content: 'x' }, '-            x\n'],
])('%j is formatted', (line, text) => {
  expect(output(line)).toBe(`03:04:05.678  ${text}`);
});

test.each([
  [undefined, '-           '],
  ['yesterday', 'yesterday   '],
  ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z'],
])('the timestamp %j is shown as %j', (timestamp, shown) => {
  expect(format.output({ timestamp, type: 'output', content: 'x' })).toBe(`${shown}  output       x\n`);
});

test('a result is its status, its amounts and its error', () => {
  const result = { completed_at: TIMESTAMP, status: 'failed', error: 'exit 3\nsecond\n' };
  expect(format.final({ ...result, metrics: { duration_seconds: 4.2, cost_usd: 0.5 } })).toBe(
    `03:04:05.678  failed       4.2s, $0.5000\n${INDENT}exit 3\n${INDENT}second\n`,
  );
});

test.each<[JsonObject, string]>([
  [{}, ''],
  [
    { duration_seconds: 4.2, cost_usd: 0.0234, input_tokens: 1_500, output_tokens: 800 },
    '4.2s, $0.0234, 1.5k tokens in, 800 out',
  ],
  [{ output_tokens: 5 }, '5 tokens out'],
  [{ input_tokens: 5, output_tokens: null }, '5 tokens in'],
])('the amounts of %j are %j', (metrics, text) => {
  expect(amountsText(metrics)).toBe(text);
});

test('recorded text cannot steer the terminal, in any field', () => {
  const evil = '\x1b[2J\u202e\r';
  const lines = [
    format.stage({ timestamp: evil, stage: evil, [evil]: evil }),
    output({
      timestamp: evil,
      type: evil,
      content: evil,
      tool_name: evil,
      original_bytes: evil,
      truncated: true,
    }),
    output({ type: 'tool_call', tool_name: evil, content: evil, tool_input: { [evil]: evil } }),
    format.final({ completed_at: evil, status: evil, error: evil }),
  ];
  for (const line of lines) expect(line).not.toMatch(/(?!\n)[\p{Cc}\p{Bidi_Control}]/u);
});

test('the severity of a foreign record is shown, and errors and warnings have their colours', () => {
  const line = { type: 'system', content: 'x' };
  expect(output({ ...line, severity: 'ERROR' })).toContain('[ERROR] x');
  expect(output({ ...line, severity: '\x1b[2J' })).not.toContain('\x1b');
  const coloured = createLineFormat(createPaint(true));
  const styleOf = (severity: string): string => coloured.output({ ...line, severity });
  for (const severity of ['ERROR', 'Error2', 'fatal', 'CRITICAL'])
    expect(styleOf(severity)).toContain('\x1b[31msystem\x1b[0m');
  for (const severity of ['WARN', 'warning']) expect(styleOf(severity)).toContain('\x1b[33msystem\x1b[0m');
  expect(styleOf('INFO')).toContain('\x1b[2msystem\x1b[0m');
});

test('types, failures and results have their colours', () => {
  const coloured = createLineFormat(createPaint(true));
  expect(coloured.output({ type: 'tool_call', content: 'x' })).toContain('\x1b[36mtool_call\x1b[0m');
  expect(coloured.output({ type: 'tool_result', is_error: true })).toContain('\x1b[31mtool_result\x1b[0m');
  expect(coloured.final({ status: 'completed' })).toContain('\x1b[32mcompleted\x1b[0m');
});

test('a message of an agent that is kept as JSON is shown in words, others as they are', () => {
  const message = {
    type: 'system',
    subtype: 'init',
    cwd: '/work',
    session_id: 'f00',
    tools: ['Bash', 'Read'],
    model: 'model-1',
    usage: { input_tokens: 1 },
    note: `two words ${'x'.repeat(100)}`,
    evil: '\x1b[2J',
    uuid: 'u',
  };
  const line = { type: 'system', content: JSON.stringify(message), subtype: 'init', session_id: 'f00' };
  const text = output(line);
  expect(text).toContain('  init cwd=/work session_id=f00 tools: 2 model=model-1 note="two words xxx');
  expect(text).not.toContain('{');
  expect(text).not.toContain('\x1b');
  expect(output({ type: 'system', content: '{"type":"x","a":1}', message_type: 'x' })).toContain('  x a=1\n');
  for (const more of [{ type: 'output' }, { subtype: undefined }])
    expect(output({ ...line, ...more })).toContain('{"type":"system"');
  expect(output({ ...line, content: 'thinking_tokens 12' })).toContain('  thinking_tokens 12\n');
});
