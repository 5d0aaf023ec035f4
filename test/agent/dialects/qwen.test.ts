import { expect, test } from 'vitest';
import { qwen } from '../../../src/agent/dialects/qwen.ts';
import { brief, linesOf, readLines, readObjects } from '../reading.ts';

const end = (more: object = {}): object => ({
  type: 'result',
  subtype: 'success',
  is_error: false,
  result: 'done',
  session_id: 'q1',
  ...more,
});

test('a run has its lines, its model, its result and its tokens', () => {
  const { reader, outputs } = readLines(qwen, linesOf('made/qwen'));
  expect(outputs.map(brief)).toEqual(['system session_start', 'output', 'result']);
  expect(reader.model).toBe('qwen3-coder-plus');
  expect(reader.isFinal).toBe(true);
  expect(reader.verdict()).toEqual({
    success: true,
    result: 'hi',
    error: null,
    usage: {
      costUsd: null,
      inputTokens: 10,
      outputTokens: 2,
      cacheReadInputTokens: 0,
      cacheCreationInputTokens: null,
    },
  });
});

test('input includes cached input, and output includes thoughts', () => {
  const usage = { input_tokens: 1_000, output_tokens: 20, cache_read_input_tokens: 900, total_tokens: 1_050 };
  const { reader } = readObjects(qwen, end({ usage }));
  expect(reader.verdict().usage).toMatchObject({
    inputTokens: 1_000,
    outputTokens: 50,
    cacheReadInputTokens: 900,
  });
});

test('a later result of the session covers the earlier one', () => {
  const usage = { input_tokens: 10, output_tokens: 2 };
  const { reader } = readObjects(
    qwen,
    end({ usage }),
    end({ usage: { input_tokens: 30, output_tokens: 5 } }),
  );
  expect(reader.verdict().usage).toMatchObject({ inputTokens: 30, outputTokens: 5 });
});

test('a failure has the words of its error', () => {
  const failed = end({ subtype: 'error_during_execution', is_error: true, result: undefined });
  const { reader } = readObjects(qwen, { ...failed, error: { message: 'quota exceeded' } });
  expect(reader.verdict()).toMatchObject({ success: false, error: 'error_during_execution: quota exceeded' });
});
