import { expect, test } from 'vitest';
import { UNKNOWN_USAGE, type Verdict } from '../../../src/agent/dialects/dialect.ts';
import { opencode } from '../../../src/agent/dialects/opencode.ts';
import { brief, linesOf, readLines, readObjects, recordingsIn } from '../reading.ts';

const FAILED: Verdict = { success: false, result: null, error: null, usage: UNKNOWN_USAGE };
const START = 'system step_start';
const FINISH = 'system step_finish';

const LINES: Readonly<Record<string, readonly string[]>> = {
  demo: [
    ...[START, 'output'],
    // The line of a tool is printed when it has ended: it is call and result.
    ...['tool_call bash toolu_mock_4', 'tool_result bash toolu_mock_4'],
    ...['tool_call read toolu_mock_3', 'tool_result read toolu_mock_3'],
    ...[FINISH, START, 'tool_call read toolu_mock_6', 'tool_result read toolu_mock_6!'],
    ...[FINISH, START, 'output'],
    ...['tool_call bash toolu_mock_8', 'tool_result bash toolu_mock_8!'], // completed, with exit code 1
    ...[FINISH, START, 'output', 'result'],
  ],
  error401: ['error'],
  'sigterm-in-tool': [START, 'output'],
};

const ENDS: Readonly<Record<string, Verdict>> = {
  demo: {
    success: true,
    result: 'Done. The project has a README and one source file; `missing.txt` does not exist.',
    error: null,
    // Four requests: 1200+80+90+110 not cached, 3000+400+200+100 written, 0+3000+3400+3600 read; 150+60+45+30 out.
    // The cost of each is printed as 0: there is no price for the model.
    usage: {
      costUsd: null,
      inputTokens: 15_180,
      outputTokens: 285,
      cacheReadInputTokens: 10_000,
      cacheCreationInputTokens: 3_700,
    },
  },
  error401: { ...FAILED, error: 'mock says 401' },
  'sigterm-in-tool': FAILED,
};

test('every recording has expected lines and an expected verdict in this file', () => {
  expect(Object.keys(LINES).sort()).toEqual(recordingsIn('opencode'));
  expect(Object.keys(ENDS).sort()).toEqual(recordingsIn('opencode'));
});

test.each(Object.entries(LINES))('each line of %s gets its type, its tool and its id', (name, lines) => {
  expect(readLines(opencode, linesOf(`opencode/${name}`)).outputs.map(brief)).toEqual(lines);
});

test.each(Object.entries(ENDS))('the verdict of %s has its success and tokens', (name, end) => {
  const { reader } = readLines(opencode, linesOf(`opencode/${name}`));
  expect(reader.verdict()).toEqual(end);
  expect(reader.model).toBeNull();
});

test('texts, tool inputs and tool results are kept as printed', () => {
  const { outputs } = readLines(opencode, linesOf('opencode/demo'));
  expect(outputs[1]).toEqual({ type: 'output', content: 'I will look at the project first.' });
  expect(outputs[2]).toEqual({
    type: 'tool_call',
    content: 'bash {"command":"ls -1","description":"Run a small command"}',
    toolName: 'bash',
    toolInput: { command: 'ls -1', description: 'Run a small command' },
    toolUseId: 'toolu_mock_4',
  });
  expect(outputs[3]).toEqual({
    type: 'tool_result',
    content: 'README.md\napp.js\n',
    toolName: 'bash',
    toolUseId: 'toolu_mock_4',
    isError: false,
    more: { status: 'completed', title: 'ls -1', exit_code: 0 },
  });
  expect(outputs[9]).toEqual({
    type: 'tool_result',
    content: 'File not found: /workspace/project/missing.txt',
    toolName: 'read',
    toolUseId: 'toolu_mock_6',
    isError: true,
    more: { status: 'error' },
  });
});

test('an API error keeps its name and status', () => {
  expect(readLines(opencode, linesOf('opencode/error401')).outputs).toEqual([
    { type: 'error', content: 'mock says 401', more: { error_name: 'APIError', api_error_status: 401 } },
  ]);
  const bare = { type: 'error', error: { name: 'MessageAbortedError', data: {} } };
  expect(readObjects(opencode, bare).reader.verdict().error).toBe('MessageAbortedError');
});

const text = (messageID: string, words: string): object => ({
  type: 'text',
  part: { messageID, text: words },
});
const tokens = { total: 36, input: 10, output: 5, reasoning: 1, cache: { read: 20, write: 0 } };
const finish = (reason: unknown, more: object = {}): object => ({
  type: 'step_finish',
  part: { reason, tokens, cost: 0.1, ...more },
});
const start = { type: 'step_start', part: {} };

test('the tokens and costs of steps are added up, with reasoning as output', () => {
  const { reader } = readObjects(opencode, finish('tool-calls'), finish('stop', { cost: 0.2 }));
  expect(reader.verdict().usage).toEqual({
    costUsd: 0.3, // not 0.30000000000000004
    inputTokens: 60,
    outputTokens: 12,
    cacheReadInputTokens: 40,
    cacheCreationInputTokens: 0,
  });
});

test('reasoning that is included in the output is not counted twice', () => {
  const within = { ...tokens, total: 35 };
  const { usage } = readObjects(opencode, finish('stop', { tokens: within })).reader.verdict();
  expect(usage.outputTokens).toBe(5);
});

test('a step without a price, or without a count, makes that sum unknown', () => {
  const unpriced = readObjects(opencode, finish('tool-calls'), finish('stop', { cost: 0 }));
  expect(unpriced.reader.verdict().usage).toMatchObject({ costUsd: null, inputTokens: 60 });
  const uncounted = readObjects(opencode, finish('tool-calls'), finish('stop', { tokens: { output: 1 } }));
  expect(uncounted.reader.verdict().usage).toMatchObject({
    costUsd: 0.2,
    inputTokens: null,
    outputTokens: 7,
  });
});

test('a failed run has the usage of its finished steps', () => {
  const error = { type: 'error', error: { name: 'APIError', data: { message: 'overloaded' } } };
  const { reader } = readObjects(opencode, start, finish('tool-calls'), start, error);
  expect(reader.verdict()).toMatchObject({ success: false, error: 'overloaded', usage: { inputTokens: 30 } });
});

test('a step that ends for another reason than tools ends the run, until a further step starts', () => {
  const good = [start, text('m1', 'one'), finish('tool-calls'), start, text('m2', 'two'), finish('stop')];
  expect(readObjects(opencode, ...good).reader.verdict()).toMatchObject({ success: true, result: 'two' });
  expect(readObjects(opencode, ...good.slice(0, 3)).reader.verdict()).toMatchObject({
    success: false,
    error: null,
  });
  expect(readObjects(opencode, ...good, start).reader.verdict()).toMatchObject({
    success: false,
    error: null,
  });
  expect(readObjects(opencode, finish(7)).reader.verdict().success).toBe(false);
});

test.each(['length', 'error', 'content-filter'])('a step that ends with %s is a failure', (reason) => {
  const { reader, outputs } = readObjects(opencode, start, text('m', 'Cut off in'), finish(reason));
  expect(reader.verdict()).toMatchObject({
    success: false,
    result: null,
    error: `stopped with the reason "${reason}"`,
  });
  expect(outputs.at(-1)).toMatchObject({ type: 'result', more: { is_error: true, reason } });
});

test('the parts of the last message are the result', () => {
  const { reader } = readObjects(
    opencode,
    text('m1', 'no'),
    text('m2', 'a'),
    text('m2', 'b'),
    finish('stop'),
  );
  expect(reader.verdict().result).toBe('a\nb');
});

test('thinking keeps its position, and a running tool has one call', () => {
  const tool = (state: object): object => ({ type: 'tool_use', part: { tool: 'bash', callID: 'c', state } });
  const { outputs } = readObjects(
    opencode,
    { type: 'reasoning', part: { text: 'hm' } },
    tool({ status: 'running', input: {} }),
    tool({ status: 'completed', input: {}, output: 'ok' }),
  );
  expect(outputs.map(brief)).toEqual(['thinking', 'tool_call bash c', 'tool_result bash c']);
});

const main = { sessionID: 'main' };
const step = (sessionID: string, input: number, more: object = {}): object => ({
  type: 'step_finish',
  sessionID,
  part: { reason: 'stop', cost: 0.5, tokens: { input, output: 1, cache: { read: 0, write: 0 } }, ...more },
});
const task = (metadata: object): object => ({
  ...main,
  type: 'tool_use',
  part: { tool: 'task', callID: 'c1', state: { status: 'completed', input: {}, output: 'found', metadata } },
});
const answer = { ...main, type: 'text', part: { text: 'answer', messageID: 'm' } };

test('with a sub-agent whose steps are not printed the amounts are unknown, with the reason', () => {
  for (const metadata of [{ sessionId: 'sub' }, {}]) {
    const { usage } = readObjects(opencode, task(metadata), answer, step('main', 5)).reader.verdict();
    expect(usage).toEqual({ ...UNKNOWN_USAGE, unknownReason: expect.stringContaining('sub-agents') });
  }
});

test('the printed steps of a sub-agent are part of the amounts, and neither its end nor its text are those of the run', () => {
  const inner = { type: 'text', sessionID: 'sub', part: { text: 'inner', messageID: 'i' } };
  const lines = [answer, task({ sessionId: 'sub' }), inner, step('sub', 7)];
  const open = readObjects(opencode, ...lines);
  expect(open.reader.isFinal).toBe(false);
  expect(open.reader.verdict()).toMatchObject({ success: false, result: null });
  expect(open.outputs.at(-2)).toMatchObject({
    type: 'output',
    content: 'inner',
    more: { session_id: 'sub' },
  });
  const { reader } = readObjects(opencode, ...lines, step('main', 5));
  expect(reader.verdict()).toMatchObject({ success: true, result: 'answer' });
  expect(reader.verdict().usage).toEqual({
    costUsd: 1,
    inputTokens: 12,
    outputTokens: 2,
    cacheReadInputTokens: 0,
    cacheCreationInputTokens: 0,
  });
});

test('a blank text is no answer', () => {
  const blank = { ...main, type: 'text', part: { text: ' ', messageID: 'n' } };
  expect(readObjects(opencode, answer, blank, step('main', 1)).reader.verdict().result).toBe('answer');
});

test('the last step is the last word until another one starts', () => {
  const start = { ...main, type: 'step_start', part: {} };
  const final = (...objects: readonly object[]): boolean => readObjects(opencode, ...objects).reader.isFinal;
  expect(final(start, answer)).toBe(false);
  expect(final(start, answer, step('main', 1, { reason: 'tool-calls' }))).toBe(false);
  expect(final(start, answer, step('main', 1))).toBe(true);
  expect(final(start, answer, step('main', 1), start)).toBe(false);
});
