import { expect, test } from 'vitest';
import { codex } from '../../../src/agent/dialects/codex.ts';
import { UNKNOWN_USAGE, type Verdict } from '../../../src/agent/dialects/dialect.ts';
import { brief, linesOf, readLines, readObjects, recordingsIn } from '../reading.ts';

const FAILED: Verdict = { success: false, result: null, error: null, usage: UNKNOWN_USAGE };
const BEGIN = ['system thread.started', 'system turn.started'];
const UNAUTHORIZED =
  'unexpected status 401 Unauthorized: mock says 401, url: http://127.0.0.1:18080/error401/v1/responses';

const LINES: Readonly<Record<string, readonly string[]>> = {
  demo: [
    ...BEGIN,
    'thinking',
    'output',
    ...['tool_call command_execution item_2', 'tool_result command_execution item_2'],
    ...['tool_call command_execution item_3', 'tool_result command_execution item_3'],
    'thinking',
    ...['tool_call command_execution item_5', 'tool_result command_execution item_5!'], // cat missing.txt
    'output',
    ...['tool_call command_execution item_7', 'tool_result command_execution item_7!'],
    'output',
    'result',
  ],
  // Five retries, the last failure, the end of the turn.
  error401: [...BEGIN, ...Array.from({ length: 5 }, () => 'system error'), 'error', 'result'],
  error429: [...BEGIN, 'error', 'result'],
  maxtokens: [...BEGIN, 'output', 'error', 'result'],
  'sigint-in-tool': [...BEGIN, 'output', 'tool_call command_execution item_1'],
  // An `error` item before the turn is a warning.
  'unknown-model': ['system thread.started', 'system error', 'system turn.started', 'output', 'result'],
};

const ENDS: Readonly<Record<string, Verdict>> = {
  demo: {
    success: true,
    result: 'Done. The project has a README and one source file; `missing.txt` does not exist.',
    error: null,
    // 1200+80+90+110 not cached, 3700 written, 10000 read: 15180; 40+10 of the 285 are reasoning
    usage: {
      costUsd: null,
      inputTokens: 15_180,
      outputTokens: 285,
      cacheReadInputTokens: 10_000,
      cacheCreationInputTokens: 3_700,
    },
  },
  error401: { ...FAILED, error: UNAUTHORIZED },
  error429: { ...FAILED, error: 'exceeded retry limit, last status: 429 Too Many Requests' },
  maxtokens: { ...FAILED, error: 'Incomplete response returned, reason: max_output_tokens' },
  'sigint-in-tool': FAILED,
  'unknown-model': {
    success: true,
    result: 'Hello.',
    error: null,
    usage: {
      costUsd: null,
      inputTokens: 100,
      outputTokens: 10,
      cacheReadInputTokens: 0,
      cacheCreationInputTokens: 0,
    },
  },
};

/** Each recording is of one thread, whose amounts are those of the run. */
function withoutThreads(verdict: Verdict): Verdict {
  const { threads, ...usage } = verdict.usage;
  if (threads !== undefined) expect(Object.values(threads)).toEqual([usage]);
  return { ...verdict, usage };
}

test('every recording has expected lines and an expected verdict in this file', () => {
  expect(Object.keys(LINES).sort()).toEqual(recordingsIn('codex'));
  expect(Object.keys(ENDS).sort()).toEqual(recordingsIn('codex'));
});

test.each(Object.entries(LINES))('each line of %s gets its type, its tool and its id', (name, lines) => {
  expect(readLines(codex, linesOf(`codex/${name}`)).outputs.map(brief)).toEqual(lines);
});

test.each(Object.entries(ENDS))('the verdict of %s has its success and tokens', (name, end) => {
  const { reader } = readLines(codex, linesOf(`codex/${name}`));
  expect(withoutThreads(reader.verdict())).toEqual(end);
  expect(reader.model).toBeNull();
});

test('texts, commands and their output are kept as printed', () => {
  const { outputs } = readLines(codex, linesOf('codex/demo'));
  expect(outputs[2]).toEqual({
    type: 'thinking',
    content: 'I should look at the folder first. Then read the README.',
  });
  expect(outputs[3]).toEqual({ type: 'output', content: 'I will look at the project first.' });
  expect(outputs[4]).toEqual({
    type: 'tool_call',
    content: `command_execution {"command":"/bin/bash -lc 'cat README.md'"}`,
    toolName: 'command_execution',
    toolInput: { command: "/bin/bash -lc 'cat README.md'" },
    toolUseId: 'item_2',
  });
  expect(outputs[10]).toEqual({
    type: 'tool_result',
    content: 'cat: missing.txt: No such file or directory\n',
    toolName: 'command_execution',
    toolUseId: 'item_5',
    isError: true,
    more: { status: 'failed', exit_code: 1 },
  });
  expect(outputs.at(-1)?.content).toMatch(/^Done\. The project has a README/);
});

test('a retry is marked as a retry, and a warning as a warning', () => {
  const retry = readLines(codex, linesOf('codex/error401')).outputs[2];
  expect(retry).toEqual({
    type: 'system',
    content: `Reconnecting... 1/5 (${UNAUTHORIZED})`,
    more: { message_type: 'error', retry: true },
  });
  const warning = readLines(codex, linesOf('codex/unknown-model')).outputs[1];
  expect(warning).toMatchObject({ type: 'system', more: { level: 'warning' } });
  expect(warning?.content).toMatch(/^Model metadata for `gpt-unknown-1` not found\./);
});

const started = { type: 'turn.started' };
const said = (text: string): object => ({ type: 'item.completed', item: { type: 'agent_message', text } });
const completed = (input: number): object => ({
  type: 'turn.completed',
  usage: { input_tokens: input, cached_input_tokens: 0, output_tokens: 1 },
});
const failed = { type: 'turn.failed', error: { message: 'no more' } };

test('the last of several turns decides, with the usage of the whole thread', () => {
  const { reader } = readObjects(
    codex,
    started,
    said('one'),
    completed(5),
    started,
    said('two'),
    completed(9),
  );
  expect(reader.verdict()).toMatchObject({ success: true, result: 'two', usage: { inputTokens: 9 } });
  expect(reader.verdict().usage.cacheCreationInputTokens).toBeNull(); // not printed by older releases
});

test('a failed or unfinished turn replaces the verdict of the turn before it', () => {
  const bad = readObjects(codex, started, said('one'), completed(5), started, failed).reader.verdict();
  expect(bad).toEqual({ ...FAILED, error: 'no more' });
  const open = readObjects(codex, started, said('one'), completed(5), started).reader.verdict();
  expect(open).toEqual(FAILED);
});

test('a turn without a message has no result', () => {
  const { reader } = readObjects(codex, started, said('one'), completed(5), started, completed(9));
  expect(reader.verdict()).toMatchObject({ success: true, result: null });
});

test('a stream error is the reason of a failure when the turn has no end, a retry is not', () => {
  const error = { type: 'error', message: 'stream disconnected' };
  expect(readObjects(codex, started, error).reader.verdict()).toEqual({
    ...FAILED,
    error: 'stream disconnected',
  });
  const retry = { type: 'error', message: 'Reconnecting... 5/5' };
  expect(readObjects(codex, started, retry).reader.verdict()).toEqual(FAILED);
  expect(readObjects(codex, started, retry, said('x'), completed(1)).reader.verdict().success).toBe(true);
});

test('a turn without counts has unknown usage', () => {
  const zeros = {
    type: 'turn.completed',
    usage: { input_tokens: 0, cached_input_tokens: 0, output_tokens: 0 },
  };
  expect(readObjects(codex, started, zeros).reader.verdict().usage).toEqual(UNKNOWN_USAGE);
});

test('an item that is printed only on completion is call and result', () => {
  const change = {
    id: 'item_1',
    type: 'file_change',
    changes: [{ path: 'a.js', kind: 'add' }],
    status: 'failed',
  };
  const search = { id: 'item_2', type: 'web_search', query: 'otlp', action: { type: 'search' } };
  const { outputs } = readObjects(
    codex,
    { type: 'item.completed', item: change },
    { type: 'item.completed', item: search },
  );
  expect(outputs.map(brief)).toEqual([
    ...['tool_call file_change item_1', 'tool_result file_change item_1!'],
    ...['tool_call web_search item_2', 'tool_result web_search item_2'],
  ]);
  expect(outputs[0]?.toolInput).toEqual({ changes: [{ path: 'a.js', kind: 'add' }] });
});

test('an MCP call has its server and tool as name, its arguments and its text', () => {
  const item = { id: 'i', type: 'mcp_tool_call', server: 'docs', tool: 'find', arguments: { q: 1 } };
  const result = { content: [{ type: 'text', text: 'found' }] };
  const { outputs } = readObjects(
    codex,
    { type: 'item.started', item: { ...item, status: 'in_progress' } },
    { type: 'item.completed', item: { ...item, result, error: null, status: 'completed' } },
    { type: 'item.completed', item: { ...item, id: 'j', error: { message: 'gone' }, status: 'failed' } },
  );
  expect(outputs.map(brief)).toEqual([
    ...[
      'tool_call docs.find i',
      'tool_result docs.find i',
      'tool_call docs.find j',
      'tool_result docs.find j!',
    ],
  ]);
  expect(outputs[0]?.toolInput).toEqual({ q: 1 });
  expect([outputs[1]?.content, outputs[3]?.content]).toEqual(['found', 'gone']);
});

test('a declined command is a failed tool', () => {
  const item = { id: 'i', type: 'command_execution', command: 'rm', status: 'declined', exit_code: null };
  expect(readObjects(codex, { type: 'item.completed', item }).outputs.at(-1)?.isError).toBe(true);
});

test('unknown messages and items are kept as they are', () => {
  const todo = '{"type":"item.updated","item":{"id":"i","type":"todo_list","items":[]}}';
  const later = '{"type":"thread.compacted","left":3}';
  const { outputs } = readLines(codex, [`${todo}\n`, `${later}\n`, 'warning: old\r\n']);
  expect(outputs).toEqual([
    { type: 'system', content: todo, more: { message_type: 'item.updated' } },
    { type: 'system', content: later, more: { message_type: 'thread.compacted' } },
    { type: 'output', content: 'warning: old\r\n' },
  ]);
  const item = { type: 'item.completed', item: { id: 'i', type: 'constructor' } };
  expect(readObjects(codex, item).outputs).toEqual([
    {
      type: 'system',
      content: JSON.stringify(item),
      more: { message_type: 'item.completed', item_type: 'constructor' },
    },
  ]);
});

const thread = (id: string): object => ({ type: 'thread.started', thread_id: id });

test('the amounts of each thread are named, so that a resumed thread is not counted twice', () => {
  const [first, second] = ['1', '2'].map((n) =>
    readLines(codex, linesOf(`made/codex-resume-${n}`)).reader.verdict(),
  );
  expect(first?.usage.threads).toMatchObject({ '0199-aaaa': { inputTokens: 18_080, outputTokens: 20 } });
  expect(second?.usage.threads).toMatchObject({ '0199-aaaa': { inputTokens: 36_197, outputTokens: 40 } });
});

test('two threads in one run add up, and a resumed one counts once', () => {
  const turn = (id: string, input: number): object[] => [thread(id), started, said('x'), completed(input)];
  const { usage } = readObjects(codex, ...turn('a', 5), ...turn('b', 7), ...turn('a', 9)).reader.verdict();
  expect(usage).toMatchObject({ inputTokens: 16, threads: { a: { inputTokens: 9 }, b: { inputTokens: 7 } } });
  // A release whose counters start again with the process.
  const again = readObjects(codex, ...turn('a', 9), ...turn('a', 4)).reader.verdict();
  expect(again.usage).toMatchObject({ inputTokens: 13, threads: { a: { inputTokens: 13 } } });
});

test('a blank message is no answer', () => {
  const { reader } = readObjects(codex, started, said('answer'), said('\n'), completed(1));
  expect(reader.verdict().result).toBe('answer');
});

test('the end of a turn is the last word until something follows', () => {
  const final = (...objects: readonly object[]): boolean => readObjects(codex, ...objects).reader.isFinal;
  expect(final(started, said('x'))).toBe(false);
  expect(final(started, said('x'), completed(1))).toBe(true);
  expect(final(started, failed)).toBe(true);
  expect(final(started, said('x'), completed(1), started)).toBe(false);
});
