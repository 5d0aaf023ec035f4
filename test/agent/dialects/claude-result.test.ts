import { describe, expect, test } from 'vitest';
import { claude } from '../../../src/agent/dialects/claude.ts';
import { UNKNOWN_USAGE } from '../../../src/agent/dialects/dialect.ts';
import { linesOf, readLines, readObjects } from '../reading.ts';

const end = (more: object = {}): object => ({
  type: 'result',
  subtype: 'success',
  is_error: false,
  result: 'done',
  session_id: 's1',
  ...more,
});
const init = { type: 'system', subtype: 'init', session_id: 's1', model: 'm' };
const said = (text: string, more: object = {}): object => ({
  type: 'assistant',
  message: { id: 'm1', role: 'assistant', content: [{ type: 'text', text }] },
  ...more,
});
const used = (input: number, costUSD: number): object => ({
  m: { inputTokens: input, outputTokens: 1, cacheReadInputTokens: 0, cacheCreationInputTokens: 0, costUSD },
});

function usageOf(...objects: readonly object[]): unknown {
  return readObjects(claude, ...objects).reader.verdict().usage;
}

describe('the answer that stands elsewhere', () => {
  test('a structured answer is the result as JSON, and its line keeps it with the denials', () => {
    const { reader, outputs } = readLines(claude, linesOf('made/claude-structured-output'));
    const answer = { verdict: 'reject', issues: ['no test'] };
    expect(JSON.parse(reader.verdict().result ?? '')).toEqual(answer);
    expect(outputs.at(-1)).toMatchObject({
      type: 'result',
      content: JSON.stringify(answer),
      more: { structured_output: answer, permission_denials: [] },
    });
  });

  test('a structured answer wins over a text, and 0, false and "" are answers', () => {
    for (const structured_output of [0, false, '', [], {}])
      expect(readObjects(claude, end({ structured_output })).reader.verdict().result).toBe(
        JSON.stringify(structured_output),
      );
    expect(readObjects(claude, end({ structured_output: null })).reader.verdict().result).toBe('done');
  });

  test('a release that leaves the answer out of the result has it in the call', () => {
    const input = { ok: true };
    const content = [{ type: 'tool_use', id: 't', name: 'StructuredOutput', input }];
    const call = { type: 'assistant', message: { id: 'm', content } };
    expect(
      readObjects(claude, init, said('thinking'), call, end({ result: '' })).reader.verdict().result,
    ).toBe('{"ok":true}');
    // The next turn has an answer of its own.
    const next = readObjects(
      claude,
      init,
      call,
      end({ result: '' }),
      init,
      said('text'),
      end({ result: '' }),
    );
    expect(next.reader.verdict().result).toBe('text');
  });

  test('an empty result falls back to the last text of the main thread', () => {
    const { reader } = readLines(claude, linesOf('made/claude-empty-result'));
    expect(reader.verdict()).toMatchObject({ success: true, result: 'The answer is 4.' });
    const inner = said('of a sub-agent', { parent_tool_use_id: 't' });
    for (const result of ['', '  \n', undefined]) {
      const { reader: other } = readObjects(claude, said('mine'), said('\n'), inner, end({ result }));
      expect(other.verdict().result).toBe('mine');
    }
  });

  test('a failure has no result, whatever was said before', () => {
    const { reader } = readObjects(claude, said('mine'), end({ is_error: true, result: '' }));
    expect(reader.verdict()).toMatchObject({ success: false, result: null });
  });
});

describe('tokens without modelUsage', () => {
  const usage = { input_tokens: 5, output_tokens: 13 };
  const turn = (more: object = {}): object => end({ result: 'x', total_cost_usd: 0.1, usage, ...more });

  test('come from usage; the cost stands beside it', () => {
    const { reader } = readLines(claude, linesOf('made/claude-empty-result'));
    expect(reader.verdict().usage).toEqual({
      ...UNKNOWN_USAGE,
      costUsd: 0.079,
      inputTokens: 5,
      outputTokens: 13,
    });
    const cached = { ...usage, cache_read_input_tokens: 100, cache_creation_input_tokens: 20 };
    expect(usageOf(turn({ usage: cached, modelUsage: {} }))).toMatchObject({
      inputTokens: 125,
      cacheReadInputTokens: 100,
      cacheCreationInputTokens: 20,
    });
  });

  test('of several turns add up; the cost is that of the last one', () => {
    expect(usageOf(turn({ uuid: 'a' }), turn({ uuid: 'b', total_cost_usd: 0.3 }))).toMatchObject({
      costUsd: 0.3,
      inputTokens: 10,
      outputTokens: 26,
    });
  });

  test('of a line that is printed twice count once', () => {
    expect(usageOf(turn({ uuid: 'a' }), turn({ uuid: 'a' }))).toMatchObject({ inputTokens: 5 });
  });

  test('are not added to modelUsage of the same session', () => {
    const modelUsage = used(50, 0.4);
    expect(usageOf(turn(), end({ total_cost_usd: 0.4, modelUsage, usage }))).toMatchObject({
      costUsd: 0.4,
      inputTokens: 50,
    });
  });

  test('are unknown when a sub-agent took part: usage leaves it out', () => {
    const inner = said('x', { parent_tool_use_id: 't' });
    expect(usageOf(inner, turn())).toEqual({ ...UNKNOWN_USAGE, costUsd: 0.1 });
  });

  test.each([-1, '5', null, Number.NaN, {}, []])('a count of %j is unknown', (bad) => {
    expect(usageOf(turn({ usage: { input_tokens: bad, output_tokens: 1 } }))).toMatchObject({
      inputTokens: null,
    });
  });
});

test('two sessions in one run add up, and a continued session that starts to count again too', () => {
  const first = end({ total_cost_usd: 0.4, modelUsage: used(50, 0.4) });
  const other = end({ session_id: 's2', total_cost_usd: 0.1, modelUsage: used(7, 0.1) });
  const again = end({ total_cost_usd: 0.2, modelUsage: used(20, 0.2) });
  expect(usageOf(first, other)).toMatchObject({
    costUsd: 0.5,
    inputTokens: 57,
    models: { m: { costUsd: 0.5 } },
  });
  expect(usageOf(first, again)).toMatchObject({ costUsd: 0.6, inputTokens: 70 });
});

describe('the last word', () => {
  const started = (id: string, more: object = {}): object => ({
    type: 'system',
    subtype: 'task_started',
    task_id: id,
    session_id: 's1',
    ...more,
  });
  const final = (...objects: readonly object[]): boolean => readObjects(claude, ...objects).reader.isFinal;

  test('is the result, until another turn begins', () => {
    expect(final(init, said('x'))).toBe(false);
    expect(final(init, said('x'), end())).toBe(true);
    expect(final(init, said('x'), end(), init)).toBe(false);
    expect(final(init, said('x'), end(), said('y'))).toBe(false);
    expect(
      final(init, said('x'), end(), { type: 'system', subtype: 'hook_response', session_id: 's1' }),
    ).toBe(true);
  });

  test('has not come while a sub-agent works in the background', () => {
    const done = { type: 'system', subtype: 'task_notification', task_id: 'a', status: 'completed' };
    const patch = { status: 'completed' };
    expect(final(init, started('a', { task_type: 'local_agent' }), end())).toBe(false);
    expect(final(init, started('a', { task_type: 'local_agent' }), end(), done)).toBe(true);
    expect(
      final(init, started('a'), end(), { type: 'system', subtype: 'task_updated', task_id: 'a', patch }),
    ).toBe(true);
    const changed = { type: 'system', subtype: 'background_tasks_changed', tasks: [] };
    expect(final(init, started('a'), end(), changed)).toBe(true);
  });

  test('has come although a shell command runs on in the background', () => {
    expect(final(init, started('a', { task_type: 'local_bash' }), end())).toBe(true);
  });

  test('is in every recording of a whole run', () => {
    for (const name of ['demo', 'subagent', 'subagent-fg', 'error529', 'partial'])
      expect([name, readLines(claude, linesOf(`claude-code/${name}`)).reader.isFinal]).toEqual([name, true]);
    const half = linesOf('claude-code/subagent');
    const first = half.findIndex((line) => line.includes('"type":"result"'));
    expect(readLines(claude, half.slice(0, first)).reader.isFinal).toBe(false);
  });
});
