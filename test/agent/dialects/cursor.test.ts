import { expect, test } from 'vitest';
import { cursor } from '../../../src/agent/dialects/cursor.ts';
import { NO_RESULT } from '../../../src/agent/dialects/dialect.ts';
import { brief, linesOf, readLines, readObjects } from '../reading.ts';

const LINES = linesOf('made/cursor');

test('each line gets its type, its tool and its id', () => {
  const { reader, outputs } = readLines(cursor, LINES);
  expect(outputs.map(brief)).toEqual([
    'system init',
    'system user',
    'output',
    ...['tool_call read toolu_1', 'tool_result read toolu_1'],
    ...['tool_call shell toolu_2', 'tool_result shell toolu_2!'],
    'result',
  ]);
  expect(reader.model).toBe('Claude 4.5 Sonnet');
  expect(
    outputs.filter(({ type }) => type === 'tool_result').map(({ content, more }) => [content, more]),
  ).toEqual([
    ['hello', { outcome: 'success' }],
    ['no', { outcome: 'failure', exit_code: 1 }],
  ]);
});

test('the result line has the result and the tokens, and no cost', () => {
  const { reader } = readLines(cursor, LINES);
  expect(reader.verdict()).toEqual({
    success: true,
    result: 'I look at the file.Fixed.',
    error: null,
    usage: {
      costUsd: null,
      inputTokens: 100,
      outputTokens: 20,
      cacheReadInputTokens: 0,
      cacheCreationInputTokens: 0,
    },
  });
  expect(reader.isFinal).toBe(true);
});

const said = (text: string): object => ({
  type: 'assistant',
  message: { role: 'assistant', content: [{ type: 'text', text }] },
});
const end = (more: object = {}): object => ({
  type: 'result',
  subtype: 'success',
  is_error: false,
  result: '',
  request_id: 'r1',
  ...more,
});

test('without a result line the run has no end, as after a failure', () => {
  const { reader } = readLines(cursor, LINES.slice(0, -1));
  expect(reader.verdict()).toEqual(NO_RESULT);
  expect(reader.isFinal).toBe(false);
});

test('an empty result falls back to the last text', () => {
  expect(readObjects(cursor, said('\nThe answer.'), said(' '), end()).reader.verdict().result).toBe(
    'The answer.',
  );
});

test('a failure has its words', () => {
  const failed = readObjects(cursor, end({ is_error: true, result: 'out of requests' })).reader.verdict();
  expect(failed).toMatchObject({ success: false, result: null, error: 'out of requests' });
});

test('cached input is part of the input, and two requests add up', () => {
  const usage = { inputTokens: 100, outputTokens: 20, cacheReadTokens: 900, cacheWriteTokens: 50 };
  const { reader } = readObjects(cursor, end({ usage }), end({ usage, request_id: 'r2' }));
  expect(reader.verdict().usage).toMatchObject({
    inputTokens: 2_100,
    outputTokens: 40,
    cacheReadInputTokens: 1_800,
  });
});

test('the pieces of a thought are one output', () => {
  const { outputs } = readObjects(
    cursor,
    { type: 'thinking', subtype: 'delta', text: 'Let me ', session_id: 's' },
    { type: 'thinking', subtype: 'delta', text: 'see.', session_id: 's' },
    { type: 'thinking', subtype: 'completed', session_id: 's' },
    said('Done.'),
  );
  expect(outputs.map(({ type, content }) => [type, content])).toEqual([
    ['thinking', 'Let me see.'],
    ['output', 'Done.'],
  ]);
});

test('a tool without a start is call and result, and a tool of another server has its name', () => {
  const call = { function: { name: 'search', arguments: '{"q":1}' }, result: undefined };
  const { outputs } = readObjects(cursor, {
    type: 'tool_call',
    subtype: 'completed',
    call_id: 'c1',
    tool_call: { function: { ...call.function, result: { rejected: { reason: 'not allowed' } } } },
  });
  expect(outputs.map(brief)).toEqual(['tool_call search c1', 'tool_result search c1!']);
  expect(outputs[1]?.content).toBe('not allowed');
});

test('unknown messages stay lines', () => {
  const { outputs } = readObjects(cursor, { type: 'later', x: 1 }, { type: 'tool_call', subtype: 'started' });
  expect(outputs.map(brief)).toEqual(['system later', 'system tool_call']);
});
