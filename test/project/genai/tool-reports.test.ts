import { describe, expect, test } from 'vitest';
import type { JsonValue } from '../../../src/model/json.ts';
import { type ToolReport, toolsOfLog, toolsOfSpan } from '../../../src/project/genai/tool-reports.ts';
import { T0 } from '../../support/records.ts';
import { given } from './spans.ts';

function reported(attributes: Record<string, JsonValue>): ToolReport[] {
  return toolsOfSpan(given({ id: 1, attributes, at: [0, 10] }));
}

const START = `${T0}000000`;
const END = `${T0 + 10}000000`;
const CALL = {
  type: 'tool_call',
  toolUseId: 'call_1',
  toolName: 'get_weather',
  value: { city: 'Oslo' },
  isError: false,
};
const ANSWER = { type: 'tool_result', toolUseId: 'call_1', value: 'sunny', isError: false };
const ARGUMENTS = '{"city":"Oslo"}';

const asked = [
  {
    role: 'assistant',
    parts: [{ type: 'tool_call', id: 'call_1', name: 'get_weather', arguments: { city: 'Oslo' } }],
  },
];
const answered = [{ role: 'tool', parts: [{ type: 'tool_call_response', id: 'call_1', response: 'sunny' }] }];

describe('an answer that asks for a tool', () => {
  test.each<[string, Record<string, JsonValue>]>([
    ['GenAI, as text', { 'gen_ai.output.messages': JSON.stringify(asked) }],
    ['GenAI, as a list', { 'gen_ai.output.messages': asked }],
    [
      'OpenInference',
      {
        'openinference.span.kind': 'LLM',
        'llm.output_messages.0.message.tool_calls.0.tool_call.id': 'call_1',
        'llm.output_messages.0.message.tool_calls.0.tool_call.function.name': 'get_weather',
        'llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments': ARGUMENTS,
      },
    ],
    [
      'OpenLLMetry, numbered',
      {
        'gen_ai.completion.0.tool_calls.0.id': 'call_1',
        'gen_ai.completion.0.tool_calls.0.name': 'get_weather',
        'gen_ai.completion.0.tool_calls.0.arguments': ARGUMENTS,
      },
    ],
    [
      'AI SDK 5',
      {
        'ai.operationId': 'ai.generateText.doGenerate',
        'ai.response.toolCalls': JSON.stringify([
          { toolCallId: 'call_1', toolName: 'get_weather', input: ARGUMENTS },
        ]),
      },
    ],
    [
      'AI SDK 3',
      {
        'ai.result.toolCalls': JSON.stringify([
          { toolCallType: 'function', toolCallId: 'call_1', toolName: 'get_weather', args: ARGUMENTS },
        ]),
      },
    ],
  ])('%s', (_, attributes) => {
    expect(reported(attributes)).toEqual([{ ...CALL, timeUnixNano: END }]);
  });

  test('an input with the result of a tool: the result was there when the call started', () => {
    const result = [{ ...ANSWER, toolName: null, timeUnixNano: START }];
    expect(reported({ 'gen_ai.input.messages': JSON.stringify([...asked, ...answered]) })).toEqual(result);
    expect(
      reported({
        'llm.input_messages.1.message.tool_calls.0.tool_call.id': 'call_1',
        'llm.input_messages.2.message.role': 'tool',
        'llm.input_messages.2.message.tool_call_id': 'call_1',
        'llm.input_messages.2.message.content': 'sunny',
      }),
    ).toEqual(result);
    expect(
      reported({ 'gen_ai.prompt.2.tool_call_id': 'call_1', 'gen_ai.prompt.2.content': 'sunny' }),
    ).toEqual(result);
  });
});

describe('the execution of a tool', () => {
  test.each<[string, Record<string, JsonValue>]>([
    [
      'GenAI, Logfire',
      {
        'gen_ai.operation.name': 'execute_tool',
        'gen_ai.tool.name': 'get_weather',
        'gen_ai.tool.call.id': 'call_1',
        'gen_ai.tool.call.arguments': ARGUMENTS,
        'gen_ai.tool.call.result': 'sunny',
      },
    ],
    [
      'Pydantic AI 1',
      {
        'gen_ai.operation.name': 'execute_tool',
        'gen_ai.tool.name': 'get_weather',
        'gen_ai.tool.call.id': 'call_1',
        tool_arguments: ARGUMENTS,
        tool_response: 'sunny',
      },
    ],
    [
      'OpenInference',
      {
        'openinference.span.kind': 'TOOL',
        'tool.name': 'get_weather',
        'tool.id': 'call_1',
        'tool.parameters': ARGUMENTS,
        'output.value': 'sunny',
      },
    ],
    [
      'AI SDK',
      {
        'ai.operationId': 'ai.toolCall',
        'ai.toolCall.name': 'get_weather',
        'ai.toolCall.id': 'call_1',
        'ai.toolCall.args': ARGUMENTS,
        'ai.toolCall.result': 'sunny',
      },
    ],
  ])('%s', (_, attributes) => {
    expect(reported(attributes)).toEqual([
      { ...CALL, timeUnixNano: START },
      { ...ANSWER, toolName: 'get_weather', timeUnixNano: END },
    ]);
  });

  test('a failed one is an error', () => {
    const span = given({
      id: 1,
      attributes: { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.call.id': 'c' },
    });
    const failed = { ...span, span: { ...span.span, status: { code: 2 } } };
    expect(toolsOfSpan(failed).map(({ type, isError }) => [type, isError])).toEqual([
      ['tool_call', false],
      ['tool_result', true],
    ]);
  });

  test('one without the id of its call gives no line: it could not be told from the same call elsewhere', () => {
    expect(reported({ 'traceloop.span.kind': 'tool', 'traceloop.entity.name': 'get_weather' })).toEqual([]);
  });
});

describe('log records', () => {
  const at = { timeUnixNano: START, attributes: {} };

  test('of conventions before 1.37 have the call in their body, with or without its arguments', () => {
    const call = { id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: ARGUMENTS } };
    const body = {
      index: 0,
      finish_reason: 'tool_calls',
      message: { role: 'assistant', tool_calls: [call] },
    };
    expect(toolsOfLog({ ...at, eventName: 'gen_ai.choice', body })).toEqual([
      { ...CALL, timeUnixNano: START },
    ]);
    const bare = { tool_calls: [{ id: 'call_1', function: { name: 'get_weather' } }] };
    expect(toolsOfLog({ ...at, eventName: 'gen_ai.assistant.message', body: bare })).toMatchObject([
      { toolName: 'get_weather', value: null },
    ]);
    expect(
      toolsOfLog({ ...at, eventName: 'gen_ai.tool.message', body: { id: 'call_1', content: 'sunny' } }),
    ).toEqual([{ ...ANSWER, toolName: null, timeUnixNano: START }]);
  });

  test('since then in their attributes', () => {
    const attributes = { 'gen_ai.output.messages': asked };
    const details = {
      ...at,
      eventName: 'gen_ai.client.inference.operation.details',
      attributes,
      body: undefined,
    };
    expect(toolsOfLog(details)).toEqual([{ ...CALL, timeUnixNano: START }]);
  });

  test('other records with the same attributes report no calls', () => {
    expect(
      toolsOfLog({ ...at, eventName: 'app', attributes: { 'gen_ai.output.messages': asked }, body: {} }),
    ).toEqual([]);
  });
});

test.each<[JsonValue]>([
  ['no JSON'],
  ['['],
  ['{}'],
  [5],
  [null],
  [[null, 5, 'x']],
  [[{ parts: 'x' }]],
  [[{ parts: [null, 5] }]],
  [[{ parts: [{ type: 'tool_call' }] }]],
  [[{ parts: [{ type: 'tool_call', id: 5, name: [] }] }]],
  [`${'['.repeat(5000)}`],
  [[{ parts: [{ type: 'tool_call', id: 'x'.repeat(201) }] }]],
])('messages of another form report nothing', (messages) => {
  expect(reported({ 'gen_ai.output.messages': messages, 'ai.response.toolCalls': messages })).toEqual([]);
});

test('of one span at most a thousand calls are read', () => {
  const parts = Array.from({ length: 3000 }, (_, index) => ({
    type: 'tool_call',
    id: `c${index}`,
    name: 'x',
  }));
  expect(reported({ 'gen_ai.output.messages': [{ parts }] })).toHaveLength(1000);
});
