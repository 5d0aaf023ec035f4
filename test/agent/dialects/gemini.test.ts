import { expect, test } from 'vitest';
import { UNKNOWN_USAGE, type Verdict } from '../../../src/agent/dialects/dialect.ts';
import { gemini } from '../../../src/agent/dialects/gemini.ts';
import { brief, linesOf, readLines, readObjects, recordingsIn } from '../reading.ts';

const FAILED: Verdict = { success: false, result: null, error: null, usage: UNKNOWN_USAGE };
const BEGIN = ['system init', 'system user'];
const READ = 'read_file read_file__read_file_1795227056838_0';
const LS = 'run_shell_command run_shell_command__run_shell_command_1795227056892_1';
const READ_MISSING = 'read_file read_file__read_file_1795227057014_0';
const CAT_MISSING = 'run_shell_command run_shell_command__run_shell_command_1795227057055_0';

const LINES: Readonly<Record<string, readonly string[]>> = {
  demo: [
    ...BEGIN,
    'output', // of two pieces
    ...[`tool_call ${READ}`, `tool_call ${LS}`, `tool_result ${READ}`, `tool_result ${LS}`],
    ...[`tool_call ${READ_MISSING}`, `tool_result ${READ_MISSING}!`],
    'output',
    ...[`tool_call ${CAT_MISSING}`, `tool_result ${CAT_MISSING}`], // it fails, but Gemini CLI does not report that
    'output', // of four pieces
    'result',
  ],
  broken: [...BEGIN, 'output', 'result'],
  error401: [...BEGIN, 'result'],
  error500: [...BEGIN, 'result'],
  maxtokens: [...BEGIN, 'output', 'result'],
  'sigterm-in-tool': [
    ...BEGIN,
    'output',
    'tool_call run_shell_command run_shell_command__run_shell_command_1795227668644_0',
  ],
};

const apiError = (code: number, status: string): string =>
  `[API Error: {"error":{"code":${code},"message":"mock says ${code}","status":"${status}"}}]`;
const unpriced = { costUsd: null, cacheCreationInputTokens: null };

const ENDS: Readonly<Record<string, Verdict>> = {
  demo: {
    success: true,
    result: 'Done. The project has a README and one source file; `missing.txt` does not exist.',
    error: null,
    // 15465 total - 15180 input = 285 output; `output_tokens` is 235, without 50 of thoughts
    usage: {
      ...unpriced,
      inputTokens: 15_180,
      outputTokens: 285,
      cacheReadInputTokens: 10_000,
      models: { mock: { ...unpriced, inputTokens: 15_180, outputTokens: 285, cacheReadInputTokens: 10_000 } },
    },
  },
  broken: { ...FAILED, error: '[API Error: terminated]' },
  error401: { ...FAILED, error: apiError(401, 'UNAUTHENTICATED') },
  error500: { ...FAILED, error: apiError(500, 'INTERNAL') },
  maxtokens: {
    success: true,
    result: 'Cut off in the mid',
    error: null,
    usage: {
      ...unpriced,
      inputTokens: 100,
      outputTokens: 10,
      cacheReadInputTokens: 0,
      models: {
        'gemini-2.5-flash': { ...unpriced, inputTokens: 100, outputTokens: 10, cacheReadInputTokens: 0 },
      },
    },
  },
  'sigterm-in-tool': FAILED,
};

test('every recording has expected lines and an expected verdict in this file', () => {
  expect(Object.keys(LINES).sort()).toEqual(recordingsIn('gemini-cli'));
  expect(Object.keys(ENDS).sort()).toEqual(recordingsIn('gemini-cli'));
});

test.each(Object.entries(LINES))('each line of %s gets its type, its tool and its id', (name, lines) => {
  expect(readLines(gemini, linesOf(`gemini-cli/${name}`)).outputs.map(brief)).toEqual(lines);
});

test.each(Object.entries(ENDS))('the verdict of %s has its success and tokens', (name, end) => {
  const { reader } = readLines(gemini, linesOf(`gemini-cli/${name}`));
  expect(reader.verdict()).toEqual(end);
  expect(reader.model).toBe('gemini-2.5-flash');
});

test('the deltas of a message are one output, and tool results are kept', () => {
  const { outputs } = readLines(gemini, linesOf('gemini-cli/demo'));
  expect(outputs[1]).toEqual({
    type: 'system',
    content: 'Look at the project and read missing.txt',
    more: { role: 'user' },
  });
  expect(outputs[2]).toEqual({ type: 'output', content: 'I will look at the project first.' });
  expect(outputs[4]).toEqual({
    type: 'tool_call',
    content: 'run_shell_command {"command":"ls -1","description":"Run a small command"}',
    toolName: 'run_shell_command',
    toolInput: { command: 'ls -1', description: 'Run a small command' },
    toolUseId: 'run_shell_command__run_shell_command_1795227056892_1',
  });
  expect(outputs[5]).toMatchObject({ content: '', isError: false }); // a file that was read
  expect(outputs[6]).toMatchObject({ content: 'README.md\napp.js', isError: false });
  expect(outputs[8]).toMatchObject({
    content: 'File not found.',
    isError: true,
    more: {
      error: { type: 'file_not_found', message: 'File not found: /workspace/project/missing.txt' },
    },
  });
  expect(outputs[9]).toEqual({ type: 'output', content: 'That file is missing; I check with the shell.' });
});

const piece = (content: string): object => ({ type: 'message', role: 'assistant', content, delta: true });
const line = (object: object): string => `${JSON.stringify(object)}\n`;

test('joined deltas come before the outputs of the line that ends them', () => {
  const reader = gemini.open();
  expect(reader.read(line(piece('a')), false)).toEqual([]);
  expect(reader.read(line(piece('b')), false)).toEqual([]);
  expect(reader.read('npm warn\n', false)).toEqual([
    { type: 'output', content: 'ab' },
    { type: 'output', content: 'npm warn\n' },
  ]);
  expect(reader.read(line(piece('c')), false)).toEqual([]);
  expect(reader.end()).toEqual([{ type: 'output', content: 'c' }]);
  expect(reader.end()).toEqual([]);
});

test('a long message is split into outputs below the truncation limit', () => {
  const reader = gemini.open();
  const outputs = [];
  for (let n = 0; n < 3000; n++) outputs.push(...reader.read(line(piece('é—\u{1f600}x'.repeat(100))), false));
  outputs.push(...reader.end());
  expect(outputs.length).toBeGreaterThan(3);
  for (const { content } of outputs) expect(Buffer.byteLength(content)).toBeLessThan(1024 * 1024);
  expect(outputs.map(({ content }) => content).join('')).toBe('é—\u{1f600}x'.repeat(300_000));
  reader.read(line({ type: 'result', status: 'success' }), false);
  expect(reader.verdict().result?.length).toBeGreaterThanOrEqual(1024 * 1024);
  expect(reader.verdict().result?.length).toBeLessThan(1024 * 1024 + 1000);
});

test('a whole message is an output of its own', () => {
  const whole = { type: 'message', role: 'assistant', content: 'whole' };
  const { outputs, reader } = readObjects(gemini, piece('a'), whole, { type: 'result', status: 'success' });
  expect(outputs.map(({ content }) => content)).toEqual(['a', 'whole', 'whole']);
  expect(reader.verdict().result).toBe('whole');
});

test('warnings are system lines, errors are errors, and neither decides the verdict', () => {
  const { outputs, reader } = readObjects(
    gemini,
    { type: 'error', severity: 'warning', message: 'Loop detected' },
    { type: 'error', severity: 'error', message: 'Maximum session turns exceeded' },
  );
  expect(outputs).toEqual([
    { type: 'system', content: 'Loop detected', more: { severity: 'warning' } },
    { type: 'error', content: 'Maximum session turns exceeded', more: { severity: 'error' } },
  ]);
  expect(reader.verdict()).toEqual(FAILED);
});

test('each model has its own amounts, and a model without an answer has none', () => {
  const row = (total: number, input: number): object => ({
    total_tokens: total,
    input_tokens: input,
    cached: 1,
  });
  const zeros = { total_tokens: 0, input_tokens: 0, output_tokens: 0, cached: 0 };
  const stats = { ...row(40, 30), cached: 2, models: { pro: row(25, 20), flash: row(15, 10), lite: zeros } };
  const { usage } = readObjects(gemini, { type: 'result', status: 'success', stats }).reader.verdict();
  expect(usage).toEqual({
    ...unpriced,
    inputTokens: 30,
    outputTokens: 10,
    cacheReadInputTokens: 2,
    models: {
      pro: { ...unpriced, inputTokens: 20, outputTokens: 5, cacheReadInputTokens: 1 },
      flash: { ...unpriced, inputTokens: 10, outputTokens: 5, cacheReadInputTokens: 1 },
    },
  });
});

test('the last of several results decides, and a later init line opens the run again', () => {
  const good = { type: 'result', status: 'success' };
  const bad = { type: 'result', status: 'error', error: { message: 'no' } };
  expect(readObjects(gemini, good, bad).reader.verdict()).toMatchObject({ success: false, error: 'no' });
  expect(readObjects(gemini, bad, good).reader.verdict()).toMatchObject({ success: true, error: null });
  expect(readObjects(gemini, good, { type: 'init', model: 'm' }).reader.verdict()).toEqual(FAILED);
});

test('a result with an unknown status is a failure', () => {
  const end = readObjects(gemini, { type: 'result', status: 'cancelled' }).reader.verdict();
  expect(end).toMatchObject({ success: false, error: 'ended with the status "cancelled"' });
});

test('a blank last message is no answer', () => {
  const part = (content: string): object => ({ type: 'message', role: 'assistant', content, delta: true });
  const tool = { type: 'tool_use', tool_name: 't', tool_id: '1', parameters: {} };
  const { reader } = readObjects(gemini, part('the '), part('answer'), tool, part('\n'), {
    type: 'result',
    status: 'success',
  });
  expect(reader.verdict().result).toBe('the answer');
});

test('the result is the last word until something follows', () => {
  const result = { type: 'result', status: 'success' };
  expect(readObjects(gemini, result).reader.isFinal).toBe(true);
  expect(readLines(gemini, [...linesOf('gemini-cli/demo'), 'plain text\n']).reader.isFinal).toBe(true);
  expect(readObjects(gemini, result, { type: 'init', session_id: 's' }).reader.isFinal).toBe(false);
});
