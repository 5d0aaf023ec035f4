import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../../src/model/json.ts';
import { waitingIn } from '../../../src/project/genai/waiting.ts';

const AT = '2026-01-01T00:00:00.000Z';

function line(type: string, more: JsonObject = {}): JsonObject {
  return { timestamp: AT, type, content: '', event_id: 'E', ...more };
}

const call = (id: string, name = 'Bash'): JsonObject =>
  line('tool_call', { tool_name: name, tool_use_id: id });
const answer = (id: string): JsonObject => line('tool_result', { tool_use_id: id });

describe('the end of an output says what is waited for', () => {
  const CASES: readonly (readonly [string, readonly JsonObject[], JsonObject])[] = [
    ['nothing printed', [], { kind: 'agent', name: null, since: null }],
    ['plain output', [line('output')], { kind: 'agent', name: null, since: AT }],
    ['a thought', [line('system'), line('thinking')], { kind: 'model', name: 'opus', since: AT }],
    ['an open call', [call('a')], { kind: 'tool', name: 'Bash', tool_use_id: 'a', since: AT }],
    ['an answered call', [call('a'), answer('a')], { kind: 'model', name: 'opus', since: AT }],
    [
      'two open calls, and text after them',
      [call('a'), call('b', 'Read'), line('output')],
      { kind: 'tool', name: 'Bash', tool_use_id: 'a', since: AT, others: 1 },
    ],
    [
      'the calls of another agent',
      [
        call('a', 'Task'),
        { ...call('b', 'Read'), parent_tool_use_id: 'a' },
        { ...call('c'), parent_tool_use_id: 'a' },
      ],
      { kind: 'tool', name: 'Read', tool_use_id: 'b', since: AT, others: 2 },
    ],
    [
      'the first of two answered',
      [call('a'), call('b', 'Read'), answer('b')],
      { kind: 'tool', name: 'Bash', tool_use_id: 'a', since: AT },
    ],
    ['a call without an id', [line('tool_call', { tool_name: 'x' })], { kind: 'tool', name: 'x', since: AT }],
    ['the last word', [call('a'), answer('a'), line('result')], { kind: 'exit', name: null, since: AT }],
    [
      'a retry',
      [line('system', { subtype: 'api_retry' })],
      { kind: 'model', name: 'opus', since: AT, retries: true },
    ],
  ];
  test.each(CASES)('%s', (_, lines, expected) => {
    expect(waitingIn(lines, 'opus')).toEqual(expected);
  });
});

test('telemetry, standard error, notices and anonymous lines are not the output of the agent', () => {
  const others = [
    line('system', { event: 'api_request', attributes: {} }),
    line('system', { stream: 'stderr' }),
    line('system', { budget: 'usd' }),
    line('result', { sender: 'anonymous' }),
  ];
  expect(waitingIn([call('a'), ...others], null)).toMatchObject({ kind: 'tool', name: 'Bash' });
  expect(waitingIn(others, null)).toEqual({ kind: 'agent', name: null, since: null });
});
