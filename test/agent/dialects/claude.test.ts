import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { claude } from '../../../src/agent/dialects/claude.ts';
import { type DialectReader, UNKNOWN_USAGE } from '../../../src/agent/dialects/dialect.ts';
import { findDialect } from '../../../src/agent/dialects/dialects.ts';
import type { AgentOutput } from '../../../src/model/agent-output.ts';
import { fc } from '../../support/fast-check.ts';
import { recordingsIn } from '../reading.ts';

const SAMPLES = new URL('../../samples/claude-code/', import.meta.url);

interface Reading {
  readonly reader: DialectReader;
  readonly outputs: readonly AgentOutput[];
}

function readSample(name: string): Reading {
  const lines = readFileSync(new URL(`${name}.jsonl`, SAMPLES), 'utf8').match(/.*\n|.+$/g) ?? [];
  return readLines(lines);
}

function readLines(lines: readonly string[]): Reading {
  const reader = claude.open();
  return { reader, outputs: lines.flatMap((line) => reader.read(line, false)) };
}

function readObjects(...objects: readonly object[]): Reading {
  return readLines(objects.map((object) => `${JSON.stringify(object)}\n`));
}

/** `tool_result Read!`: type, tool, and `!` for a failed tool. A `system` line is named by its subtype or role. */
function brief(output: AgentOutput): string {
  const more = output.more ?? {};
  const name = output.toolName ?? (output.type === 'system' ? (more.subtype ?? more.role) : undefined);
  const inside = typeof more.parent_tool_use_id === 'string' ? '> ' : '';
  return `${inside}${output.type}${name === undefined ? '' : ` ${String(name)}`}${output.isError ? '!' : ''}`;
}

const TOKENS = 'system thinking_tokens';
const AFTER_FIRST_CALL = ['tool_call Read', 'tool_call Bash', 'tool_result Read', 'tool_result Bash'];
const DEMO_END = [
  'thinking',
  'tool_call Read',
  'tool_result Read!', // missing.txt does not exist
  'output',
  'tool_call Bash',
  'tool_result Bash!', // cat missing.txt exits with 1
  'output',
  'result',
];
const DEMO = ['thinking', 'output', ...AFTER_FIRST_CALL, TOKENS, TOKENS, ...DEMO_END];
const REQUEST = 'system status';

const LINES: Readonly<Record<string, readonly string[]>> = {
  demo: ['system init', TOKENS, TOKENS, TOKENS, ...DEMO],
  'demo-2.1.197': [
    'system init',
    ...[TOKENS, TOKENS, TOKENS, 'thinking', 'output'],
    // The older release prints a call and its result before the next call.
    ...['tool_call Read', 'tool_result Read', 'tool_call Bash', 'tool_result Bash'],
    ...[TOKENS, TOKENS, ...DEMO_END],
  ],
  // stream_event lines give no output: the same content follows as `assistant`.
  partial: [
    ...['system init', REQUEST, TOKENS, TOKENS, TOKENS, 'thinking', 'output', ...AFTER_FIRST_CALL],
    ...[REQUEST, TOKENS, TOKENS, 'thinking', 'tool_call Read', 'tool_result Read!'],
    ...[REQUEST, 'output', 'tool_call Bash', 'tool_result Bash!', REQUEST, 'output', 'result'],
  ],
  flaky: ['system init', 'system api_retry', 'system api_retry', TOKENS, TOKENS, TOKENS, ...DEMO],
  error529: ['system init', 'system api_retry', 'system api_retry', 'error', 'result'],
  broken: ['system init', 'system api_retry', 'output', 'result'],
  // The CLI asks three times as the user to continue, then it gives up as the model.
  maxtokens: [
    'system init',
    ...['output', 'system user', 'output', 'system user', 'output', 'system user'],
    ...['output', 'error', 'result'],
  ],
  'unknown-model': ['system init', 'output', 'result'],
  denied: [
    ...['system init', 'output', 'tool_call Bash', 'system permission_denied', 'tool_result Bash!'],
    ...['output', 'result'],
  ],
  'sigterm-in-tool': ['system init', 'output', 'tool_call Bash', 'tool_result Bash!'],
  'sigint-in-tool': [
    ...['system init', 'output', 'tool_call Bash', 'tool_result Bash!', 'system user', 'result'],
  ],
  'sigint-in-text': ['system init', 'output', 'system user', 'result'],
  // In the background: the Agent call returns at once, and a second turn starts with the report.
  subagent: [
    ...['system init', 'output', 'tool_call Agent', 'system background_tasks_changed', 'system task_started'],
    ...['tool_result Agent', 'output', '> thinking', '> output', '> tool_call Bash', 'system task_progress'],
    ...['> tool_result Bash', '> output', 'system task_updated', 'system task_notification'],
    ...['system background_tasks_changed', 'system init', 'output', 'result', 'result'],
  ],
  // In the foreground: only the prompt and the tool calls of the sub-agent are printed.
  'subagent-fg': [
    ...['system init', 'output', 'tool_call Agent', 'system task_started', '> system user'],
    ...['system task_progress', '> tool_call Bash', '> tool_result Bash', 'system task_updated'],
    ...['system task_notification', 'tool_result Agent', 'output', 'result'],
  ],
};

test.each(Object.entries(LINES))('each line of %s gets its type and its tool', (name, lines) => {
  expect(readSample(name).outputs.map(brief)).toEqual(lines);
});

const DONE = 'Done. The project has a README and one source file; `missing.txt` does not exist.';
const OVERLOADED =
  'API Error: Repeated 529 Overloaded errors. The API is at capacity — this is usually temporary. ' +
  'Try again in a moment. If it persists, check your inference gateway (127.0.0.1:18080).';
const TOO_LONG =
  "API Error: Claude's response exceeded the 128000 output token maximum. " +
  'To configure this behavior, set the CLAUDE_CODE_MAX_OUTPUT_TOKENS environment variable.';
const interrupted = (reason: string, stop: string): string =>
  `error_during_execution, ${reason}: [ede_diagnostic] result_type=user last_content_type=n/a stop_reason=${stop}`;

/** input (all of it), output, cache read, cache written, US dollars. */
type Amounts = readonly [number | null, number | null, number | null, number | null, number | null];
type End = readonly [success: boolean, result: string | null, error: string | null, amounts: Amounts];

// Not cached 1200+80+90+110 = 1480, written 3000+400+200+100 = 3700, read 0+3000+3400+3600 = 10000: 15180 in all.
const DEMO_AMOUNTS: Amounts = [15_180, 285, 10_000, 3_700, 0.032119999999999996];
const UNKNOWN: Amounts = [null, null, null, null, null];

const ENDS: Readonly<Record<string, End>> = {
  demo: [true, DONE, null, DEMO_AMOUNTS],
  'demo-2.1.197': [true, DONE, null, [15_180, 285, 10_000, 3_700, 0.04265]], // no costBasis in that release
  partial: [true, DONE, null, DEMO_AMOUNTS],
  flaky: [true, DONE, null, DEMO_AMOUNTS],
  // subtype "success", is_error true, modelUsage empty: a failure of unknown cost, not of cost 0
  error529: [false, null, OVERLOADED, UNKNOWN],
  broken: [true, 'This answer ends too e', null, [300, 24, 0, 0, 0.00168]], // usage beside it says 12 out
  maxtokens: [false, null, TOO_LONG, [400, 40, 0, 0, 0.0024000000000000002]],
  'unknown-model': [true, 'Hello.', null, [100, 10, 0, 0, null]], // prints 0.0006 with costBasis "unknown": a guess
  denied: [true, DONE, null, [200, 20, 0, 0, 0.0012000000000000001]],
  'sigterm-in-tool': [false, null, null, UNKNOWN], // no result line at all
  'sigint-in-tool': [
    false,
    null,
    interrupted('aborted_tools', 'tool_use'),
    [100, 10, 0, 0, 0.0006000000000000001],
  ],
  // usage is all zeros, modelUsage is not
  'sigint-in-text': [
    false,
    null,
    interrupted('aborted_streaming', 'null'),
    [100, 40, 0, 0, 0.0012000000000000001],
  ],
  // Two results, both with the sum of the run: 1640+4700+2960 = 9300 once, and the cost once.
  subagent: [true, 'The sub-agent found two files.', null, [9_300, 155, 4_700, 2_960, 0.025400000000000006]],
  // 1590+2700+2860 = 7150; usage (main thread) would say 1050+2000+2100 = 5150
  'subagent-fg': [
    true,
    'The sub-agent found two files.',
    null,
    [7_150, 135, 2_700, 2_860, 0.023900000000000005],
  ],
};

/** Each recording uses one model, also with a sub-agent, so that all amounts belong to it. */
const MODELS: Readonly<Record<string, string>> = {
  'demo-2.1.197': 'claude-opus-4-8[1m]',
  'unknown-model': 'some-unknown-model',
};

test.each(Object.entries(ENDS))('the verdict of %s has its success, tokens and cost', (name, end) => {
  const [success, result, error, [inputTokens, outputTokens, read, written, costUsd]] = end;
  const usage = {
    costUsd,
    inputTokens,
    outputTokens,
    cacheReadInputTokens: read,
    cacheCreationInputTokens: written,
  };
  const models = { [MODELS[name] ?? 'claude-opus-5-5']: usage };
  const expected = outputTokens === null ? usage : { ...usage, models };
  expect(readSample(name).reader.verdict()).toEqual({ success, result, error, usage: expected });
});

test('every recording has expected lines and an expected verdict in this file', () => {
  expect(Object.keys(LINES).sort()).toEqual(recordingsIn('claude-code'));
  expect(Object.keys(ENDS).sort()).toEqual(recordingsIn('claude-code'));
});

test('the first line names the model', () => {
  const reader = claude.open();
  expect(reader.model).toBeNull();
  const [init = ''] = readFileSync(new URL('demo-2.1.197.jsonl', SAMPLES), 'utf8').split('\n', 1);
  reader.read(init, false);
  expect(reader.model).toBe('claude-opus-4-8[1m]');
});

test('without an init line the first message of the main thread names the model', () => {
  const say = (model: string, more: object): object => ({
    type: 'assistant',
    message: { model, content: [{ type: 'text', text: 'Hello.' }] },
    ...more,
  });
  expect(
    readObjects(say('<synthetic>', {}), say('small', { parent_tool_use_id: 't1' })).reader.model,
  ).toBeNull();
  expect(readObjects(say('<synthetic>', {}), say('large', { parent_tool_use_id: null })).reader.model).toBe(
    'large',
  );
});

test('texts, tool inputs and tool results are kept as printed', () => {
  const { outputs } = readSample('demo');
  const [thinking, output, call, , result] = outputs.slice(4);
  expect(thinking).toEqual({
    type: 'thinking',
    content: 'I should look at the folder first. Then read the README.',
  });
  expect(output).toEqual({ type: 'output', content: 'I will look at the project first.' });
  expect(call).toEqual({
    type: 'tool_call',
    content: 'Read {"file_path":"/workspace/project/README.md"}',
    toolName: 'Read',
    toolInput: { file_path: '/workspace/project/README.md' },
    toolUseId: 'toolu_mock_10',
  });
  expect(result).toEqual({
    type: 'tool_result',
    content: '1\t# Demo project\n2\t\n3\tA scratch project for recorded runs.\n4\t',
    toolName: 'Read',
    toolUseId: 'toolu_mock_10',
    isError: false, // absent in the line: not an error
  });
});

test('a result line carries its text and the figures of the run', () => {
  const { outputs } = readSample('error529');
  expect(outputs.at(-1)).toEqual({
    type: 'result',
    content: OVERLOADED,
    more: {
      subtype: 'success',
      is_error: true,
      num_turns: 1,
      duration_ms: 2023,
      duration_api_ms: 0,
      stop_reason: 'stop_sequence',
      terminal_reason: 'api_error',
      api_error_status: 529,
      total_cost_usd: 0,
      result_index: 0,
      session_id: '0b7b344d-0ebd-4d87-8c7c-69d6501624ea',
      model_usage: {},
      permission_denials: [],
    },
  });
});

test('an API error that the CLI prints as a message of the model keeps its details', () => {
  const error = readSample('error529').outputs.find((output) => output.type === 'error');
  expect(error).toEqual({
    type: 'error',
    content: OVERLOADED,
    more: { error: 'server_error', api_error_status: 529, api_error_type: 'overloaded_error' },
  });
});

test('the lines of a sub-agent name the call that started it', () => {
  const inside = readSample('subagent').outputs.filter(
    (output) => output.more?.parent_tool_use_id !== undefined,
  );
  expect(inside).toHaveLength(5);
  for (const output of inside) {
    expect(output.more).toMatchObject({ parent_tool_use_id: 'toolu_mock_2', agent_id: 'a4d2fbe9f45472948' });
  }
});

test('an interrupted text is marked as aborted', () => {
  expect(readSample('sigint-in-text').outputs[1]?.more).toEqual({ aborted: true });
});

test('system lines are kept whole, except the counts of thinking tokens', () => {
  const raw = readFileSync(new URL('demo.jsonl', SAMPLES), 'utf8').split('\n');
  const { outputs } = readSample('demo');
  expect(outputs[0]?.content).toBe(raw[0]);
  expect(outputs[0]?.more).toMatchObject({ session_id: 'c1f85dd1-f593-4759-a1e3-9a8da814e9ce' });
  expect(outputs[2]).toEqual({
    type: 'system',
    content: 'thinking_tokens 12',
    more: { subtype: 'thinking_tokens', estimated_tokens: 12 },
  });
});

test('a line that is not a JSON object is output, byte for byte', () => {
  for (const line of [
    'npm warn deprecated\r\n',
    '\n',
    '{"type":"assist',
    '[1,2]\n',
    '"text"\n',
    'null\n',
    '42',
  ]) {
    expect(claude.open().read(line, false)).toEqual([{ type: 'output', content: line }]);
  }
  expect(claude.open().read('{"type":"result"}', true)).toEqual([
    { type: 'output', content: '{"type":"result"}', more: { partial: true } },
  ]);
});

test('unknown types and subtypes are kept as system lines', () => {
  const { outputs } = readObjects(
    { type: 'system', subtype: 'new_thing', detail: 1 },
    { type: 'rate_limit_event', left: 3 },
    { type: 'assistant', message: 7 },
    { no: 'type' },
  );
  expect(outputs).toEqual([
    {
      type: 'system',
      content: '{"type":"system","subtype":"new_thing","detail":1}',
      more: { subtype: 'new_thing' },
    },
    {
      type: 'system',
      content: '{"type":"rate_limit_event","left":3}',
      more: { message_type: 'rate_limit_event' },
    },
    { type: 'system', content: '{"type":"assistant","message":7}', more: { message_type: 'assistant' } },
    { type: 'system', content: '{"no":"type"}', more: {} },
  ]);
});

test('the blocks of a tool result are joined, and blocks that are not text are kept as JSON', () => {
  const image = { type: 'image', source: { type: 'base64', data: 'AAAA' } };
  const content = [{ type: 'text', text: 'one' }, image, { type: 'text', text: 'two' }];
  const details = { persistedOutputPath: '/tmp/whole.txt' };
  const { outputs } = readObjects({
    type: 'user',
    message: { content: [{ type: 'tool_result', tool_use_id: 'never-called', content }] },
    tool_use_result: details,
  });
  expect(outputs).toEqual([
    {
      type: 'tool_result',
      content: `one\n${JSON.stringify(image)}\ntwo`,
      toolUseId: 'never-called',
      isError: false,
      more: { persisted_output_path: '/tmp/whole.txt' },
    },
  ]);
});

test('tools that run at the API are tool calls, and other blocks are kept as JSON', () => {
  const { outputs } = readObjects({
    type: 'assistant',
    message: {
      model: 'm',
      content: [
        { type: 'server_tool_use', id: 's1', name: 'web_search', input: { query: 'q' } },
        { type: 'web_search_tool_result', tool_use_id: 's1', content: [] },
        { type: 'redacted_thinking', data: 'xx' },
      ],
    },
  });
  expect(outputs.map(brief)).toEqual(['tool_call web_search', 'tool_result web_search', 'system']);
  expect(outputs[2]?.content).toBe('{"type":"redacted_thinking","data":"xx"}');
});

const model = (tokens: number, more: object = {}): object => ({
  inputTokens: tokens,
  outputTokens: 1,
  cacheReadInputTokens: 0,
  cacheCreationInputTokens: 0,
  ...more,
});
const end = (more: object): object => ({
  type: 'result',
  subtype: 'success',
  is_error: false,
  result: 'ok',
  ...more,
});

test('the amounts of several models are added up, and one guessed price makes the cost unknown', () => {
  const both = { a: model(5), b: model(7, { costBasis: 'list' }) };
  const sum = readObjects(end({ total_cost_usd: 0.5, modelUsage: both })).reader.verdict();
  expect(sum.usage).toMatchObject({ inputTokens: 12, outputTokens: 2, costUsd: 0.5 });
  const guessed = { ...both, c: model(1, { costBasis: 'unknown' }) };
  expect(
    readObjects(end({ total_cost_usd: 0.5, modelUsage: guessed })).reader.verdict().usage.costUsd,
  ).toBeNull();
});

test('a missing amount is unknown, also in a sum', () => {
  const partly = { a: model(5), b: { inputTokens: 7, outputTokens: 3 } };
  const { usage } = readObjects(end({ modelUsage: partly })).reader.verdict();
  expect(usage).toMatchObject({
    costUsd: null,
    inputTokens: null,
    outputTokens: 4,
    cacheReadInputTokens: null,
    cacheCreationInputTokens: null,
  });
});

test('each model has its own amounts, those of sub-agents included, and a guessed price stays with its model', () => {
  const large = { ...model(5), cacheReadInputTokens: 100, costUSD: 0.4, costBasis: 'list' };
  const guessed = { ...model(7), costUSD: 0.1, costBasis: 'unknown' };
  const modelUsage = { large, guessed, idle: { ...model(0), outputTokens: 0, costUSD: 0 } };
  const { usage } = readObjects(end({ total_cost_usd: 0.5, modelUsage })).reader.verdict();
  expect(usage.models).toEqual({
    large: {
      costUsd: 0.4,
      inputTokens: 105,
      outputTokens: 1,
      cacheReadInputTokens: 100,
      cacheCreationInputTokens: 0,
    },
    guessed: {
      costUsd: null,
      inputTokens: 7,
      outputTokens: 1,
      cacheReadInputTokens: 0,
      cacheCreationInputTokens: 0,
    },
  });
  expect(usage).toMatchObject({ costUsd: null, inputTokens: 112, outputTokens: 2 });
});

test('a result with only zeros has unknown usage', () => {
  const zeros = { a: { ...model(0), outputTokens: 0, costUSD: 0, costBasis: 'list' } };
  for (const modelUsage of [zeros, {}, undefined]) {
    const { usage } = readObjects(end({ is_error: true, total_cost_usd: 0, modelUsage })).reader.verdict();
    expect(usage).toEqual(UNKNOWN_USAGE);
  }
});

test.each([{ is_error: 'true' }, { terminal_reason: 'api_error' }, { terminal_reason: 'aborted_tools' }])(
  'a result with %j is a failure',
  (more) => {
    expect(readObjects(end(more)).reader.verdict()).toMatchObject({ success: false, result: null });
  },
);

test('a run succeeds only when both subtype and is_error report success', () => {
  const ofTurns = readObjects(end({ subtype: 'error_max_turns', result: undefined })).reader.verdict();
  expect(ofTurns).toMatchObject({ success: false, result: null, error: 'error_max_turns' });
  expect(readObjects(end({ is_error: true, result: '' })).reader.verdict()).toMatchObject({
    success: false,
    error: 'failed without a reason',
  });
});

test('the last of several results decides', () => {
  const good = end({ result: 'first' });
  const bad = end({ is_error: true, result: 'second' });
  expect(readObjects(good, bad).reader.verdict()).toMatchObject({ success: false, error: 'second' });
  expect(readObjects(bad, good).reader.verdict()).toMatchObject({
    success: true,
    result: 'first',
    error: null,
  });
});

test('no line makes the reader throw', () => {
  const type = fc.constantFrom('system', 'assistant', 'user', 'result', 'stream_event', 'x');
  const block = fc.record(
    {
      type: fc.constantFrom('text', 'tool_use', 'tool_result', 'x'),
      text: fc.jsonValue(),
      name: fc.jsonValue(),
      id: fc.jsonValue(),
      content: fc.jsonValue(),
      tool_use_id: fc.jsonValue(),
      input: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  const content = fc.oneof(fc.jsonValue(), fc.array(fc.oneof(block, fc.jsonValue())));
  const message = fc.oneof(fc.jsonValue(), fc.record({ content, model: fc.jsonValue() }));
  const line = fc.record(
    {
      type,
      message,
      subtype: fc.jsonValue(),
      modelUsage: fc.jsonValue(),
      errors: fc.jsonValue(),
      result: fc.jsonValue(),
    },
    { requiredKeys: ['type'] },
  );
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      const { reader, outputs } = readObjects(...lines);
      for (const output of outputs) expect(typeof output.content).toBe('string');
      reader.verdict();
    }),
  );
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
  expect(claude.open().read(`{"type":"user","message":{"content":${deep}}}`, false)).toHaveLength(1);
  expect(
    claude
      .open()
      .read(
        `{"type":"assistant","message":{"content":[{"type":"tool_use","name":"X","input":${deep}}]}}`,
        false,
      ),
  ).toHaveLength(1);
});

test('an unknown dialect is refused with the names of the known ones', () => {
  expect(findDialect('claude')).toBe(claude);
  expect(() => findDialect('clod')).toThrow(
    expect.objectContaining({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringContaining('auto, claude, codex, cursor, gemini, opencode, qwen, text'),
    }),
  );
});
