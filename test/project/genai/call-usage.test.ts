import { describe, expect, test } from 'vitest';
import { GENAI_ATTRIBUTES } from '../../../src/model/genai-conventions.ts';
import type { JsonValue } from '../../../src/model/json.ts';
import { readGenAiSpan } from '../../../src/project/genai/call-span.ts';
import { GenAiUsage } from '../../../src/project/genai/call-usage.ts';
import { fc } from '../../support/fast-check.ts';
import { type Given, given, METADATA, RESULT } from './spans.ts';

function usageOf(spans: readonly Given[]): GenAiUsage {
  const usage = new GenAiUsage();
  for (const one of spans) usage.add(readGenAiSpan(given(one), one.own === true));
  return usage;
}

function metricsOf(spans: readonly Given[], attempt = 1): Record<string, JsonValue> {
  return usageOf(spans).result(RESULT, attempt).metrics;
}

const CHAT = { 'gen_ai.operation.name': 'chat' };

describe('each convention gives model and tokens', () => {
  const CONVENTIONS: Record<string, Readonly<Record<string, JsonValue>>> = {
    'GenAI 1.41': {
      ...CHAT,
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o',
      'gen_ai.response.model': 'gpt-4o-2024-08-06',
      'gen_ai.usage.input_tokens': 101,
      'gen_ai.usage.output_tokens': 21,
      'gen_ai.usage.cache_read.input_tokens': 40,
      'gen_ai.usage.cache_creation.input_tokens': 3,
    },
    'GenAI 0.1.0, its own repository': {
      ...CHAT,
      'gen_ai.response.model': 'gpt-4o-2024-08-06',
      'gen_ai.usage.input_tokens': 101,
      'gen_ai.usage.output_tokens': 21,
      'gen_ai.usage.cache_read.input_tokens': 40,
      'gen_ai.usage.cache_write.input_tokens': 3,
    },
    'GenAI 1.26': {
      'gen_ai.system': 'openai',
      'gen_ai.request.model': 'gpt-4o',
      'gen_ai.response.model': 'gpt-4o-2024-08-06',
      'gen_ai.usage.prompt_tokens': 101,
      'gen_ai.usage.completion_tokens': 21,
      'gen_ai.usage.cache_read_input_tokens': 40,
      'gen_ai.usage.cache_creation_input_tokens': 3,
    },
    'OpenLLMetry, first releases': {
      'llm.request.type': 'chat',
      'llm.request.model': 'gpt-4o',
      'llm.response.model': 'gpt-4o-2024-08-06',
      'llm.usage.prompt_tokens': 101,
      'llm.usage.completion_tokens': 21,
      'llm.usage.total_tokens': 122,
      'llm.usage.cache_read_input_tokens': 40,
      'llm.usage.cache_creation_input_tokens': 3,
    },
    OpenInference: {
      'openinference.span.kind': 'LLM',
      'llm.model_name': 'gpt-4o-2024-08-06',
      'llm.token_count.prompt': 101,
      'llm.token_count.completion': 21,
      'llm.token_count.total': 122,
      'llm.token_count.prompt_details.cache_read': 40,
      'llm.token_count.prompt_details.cache_write': 3,
    },
    'AI SDK 4': {
      'ai.operationId': 'ai.generateText.doGenerate',
      'ai.model.id': 'gpt-4o',
      'ai.response.model': 'gpt-4o-2024-08-06',
      'ai.usage.promptTokens': 101,
      'ai.usage.completionTokens': 21,
      'ai.usage.cachedInputTokens': 40,
      'ai.usage.inputTokenDetails.cacheWriteTokens': 3,
    },
    'AI SDK 6': {
      'ai.operationId': 'ai.streamText.doStream',
      'ai.response.model': 'gpt-4o-2024-08-06',
      'ai.usage.inputTokens': 101,
      'ai.usage.outputTokens': 21,
      'ai.usage.inputTokenDetails.cacheReadTokens': 40,
      'ai.usage.inputTokenDetails.cacheWriteTokens': 3,
    },
    'Pydantic AI, an agent without spans of its calls': {
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.response.model': 'gpt-4o-2024-08-06',
      'gen_ai.aggregated_usage.input_tokens': 101,
      'gen_ai.aggregated_usage.output_tokens': 21,
      'gen_ai.aggregated_usage.cache_read.input_tokens': 40,
      'gen_ai.aggregated_usage.cache_creation.input_tokens': 3,
    },
  };
  test.each(Object.entries(CONVENTIONS))('%s', (_, attributes) => {
    const tokens = {
      cost_usd: null,
      input_tokens: 101,
      output_tokens: 21,
      cache_read_input_tokens: 40,
      cache_creation_input_tokens: 3,
    };
    const spans = [{ id: 1, attributes }];
    expect(metricsOf(spans)).toEqual({
      ...tokens,
      duration_seconds: 2,
      models: { 'gpt-4o-2024-08-06': tokens },
    });
    expect(usageOf(spans).metadata(METADATA).model).toBe('gpt-4o-2024-08-06');
  });

  test('old and new names on one span are the same tokens', () => {
    const attributes = {
      ...CHAT,
      'gen_ai.usage.prompt_tokens': 10,
      'gen_ai.usage.input_tokens': 10,
      'llm.usage.prompt_tokens': 10,
      'llm.token_count.prompt': 10,
    };
    expect(metricsOf([{ id: 1, attributes }])).toMatchObject({ input_tokens: 10, output_tokens: null });
  });

  test('no attribute name has two rows', () => {
    const names = GENAI_ATTRIBUTES.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  test('the price of a call, when every call has one', () => {
    const call = (id: number, cost: number | null): Given => ({
      id,
      attributes: { ...tokens(10, 1), ...(cost !== null && { 'operation.cost': cost }) },
    });
    expect(metricsOf([call(1, 0.1), call(2, 0.2)]).cost_usd).toBe(0.3);
    expect(metricsOf([call(1, 0.1), call(2, null)]).cost_usd).toBeNull();
  });

  test('cached input that a sender leaves out of the input is added', () => {
    const attributes = { ...tokens(100, 1), 'gen_ai.usage.cache_read.input_tokens': 4000 };
    expect(metricsOf([{ id: 1, attributes }])).toMatchObject({ input_tokens: 4100 });
  });
});

function tokens(
  input: JsonValue,
  output: JsonValue,
  more: Record<string, JsonValue> = {},
): Record<string, JsonValue> {
  return {
    ...CHAT,
    'gen_ai.response.model': 'm',
    'gen_ai.usage.input_tokens': input,
    'gen_ai.usage.output_tokens': output,
    ...more,
  };
}

describe('the same tokens count once', () => {
  const agent = (input: number, output: number): Record<string, JsonValue> => ({
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.usage.input_tokens': input,
    'gen_ai.usage.output_tokens': output,
  });

  test.each<[string, readonly Given[], number | null]>([
    [
      'an agent around its calls',
      [
        { id: 1, attributes: agent(30, 3) },
        { id: 2, parent: 1, attributes: tokens(10, 1) },
        { id: 3, parent: 1, attributes: tokens(20, 2) },
      ],
      30,
    ],
    [
      'an agent that reports its last step only (AI SDK)',
      [
        { id: 1, attributes: { 'ai.operationId': 'ai.generateText', 'ai.usage.promptTokens': 20 } },
        { id: 2, parent: 1, attributes: tokens(10, 1, { 'ai.operationId': 'ai.generateText.doGenerate' }) },
        { id: 3, parent: 1, attributes: tokens(20, 2, { 'ai.operationId': 'ai.generateText.doGenerate' }) },
      ],
      30,
    ],
    ['an agent without spans of its calls', [{ id: 1, attributes: agent(30, 3) }], 30],
    [
      'agents in agents, with spans between',
      [
        { id: 1, attributes: agent(60, 6) },
        { id: 2, parent: 1, attributes: { 'http.route': '/x' } },
        { id: 3, parent: 2, attributes: agent(30, 3) },
        { id: 4, parent: 3, attributes: tokens(30, 3) },
      ],
      30,
    ],
    [
      'two instrumentations of one client, nested',
      [
        { id: 1, attributes: tokens(10, 1, { 'gen_ai.response.id': 'r' }), scope: 'a' },
        {
          id: 2,
          parent: 1,
          at: [1, 9],
          attributes: { 'openinference.span.kind': 'LLM', 'llm.token_count.prompt': 10 },
          scope: 'b',
        },
      ],
      10,
    ],
    [
      'two instrumentations of one client, beside each other',
      [
        { id: 1, attributes: tokens(10, 1, { 'gen_ai.response.id': 'r' }), scope: 'a' },
        { id: 2, attributes: tokens(10, 1, { 'gen_ai.response.id': 'r' }), scope: 'b', at: [1, 11] },
      ],
      10,
    ],
    [
      'two instrumentations of one client, one around the other, whose clocks differ',
      [
        { id: 1, attributes: tokens(10, 1, { 'gen_ai.response.id': 'r' }), scope: 'a', at: [10, 20] },
        {
          id: 2,
          parent: 1,
          attributes: tokens(10, 1, { 'gen_ai.response.id': 'r' }),
          scope: 'b',
          at: [9, 19],
        },
      ],
      10,
    ],
    [
      'calls one after the other with the id of a mock',
      [
        { id: 1, attributes: tokens(10, 1, { 'gen_ai.response.id': 'r' }) },
        { id: 2, attributes: tokens(10, 1, { 'gen_ai.response.id': 'r' }), at: [20, 30] },
      ],
      20,
    ],
    [
      'calls at the same time with the id of a mock',
      [
        { id: 1, attributes: tokens(10, 1, { 'gen_ai.response.id': 'r' }) },
        { id: 2, attributes: tokens(10, 1, { 'gen_ai.response.id': 'r' }) },
      ],
      20,
    ],
    [
      'a call below another one that had ended: a span that its instrumentation left open',
      [
        { id: 1, attributes: tokens(10, 1) },
        { id: 2, parent: 1, at: [20, 30], attributes: tokens(20, 2) },
      ],
      30,
    ],
    [
      'a call of another answer inside a call',
      [
        { id: 1, attributes: tokens(10, 1, { 'gen_ai.response.id': 'r1' }) },
        { id: 2, parent: 1, at: [1, 9], attributes: tokens(20, 2, { 'gen_ai.response.id': 'r2' }) },
      ],
      30,
    ],
    [
      'a call by a tool that a call runs',
      [
        { id: 1, attributes: tokens(10, 1) },
        { id: 2, parent: 1, at: [1, 9], attributes: { 'ai.operationId': 'ai.toolCall' } },
        { id: 3, parent: 2, at: [2, 8], attributes: tokens(20, 2) },
      ],
      30,
    ],
    [
      'an agent whose spans between it and its calls are missing',
      [
        { id: 1, at: [0, 50], attributes: agent(30, 3) },
        { id: 2, parent: 90, at: [1, 9], attributes: tokens(10, 1) },
        { id: 3, parent: 91, at: [11, 19], attributes: tokens(20, 2) },
      ],
      30,
    ],
    [
      'an agent beside a call, both below a span that is missing',
      [
        { id: 1, parent: 90, at: [0, 50], attributes: agent(30, 3) },
        { id: 2, parent: 90, at: [1, 9], attributes: tokens(10, 1) },
      ],
      40,
    ],
    [
      'a span that was sent again',
      [
        { id: 1, attributes: tokens(10, 1) },
        { id: 1, attributes: tokens(10, 1) },
      ],
      10,
    ],
    [
      "spans that are each other's parent",
      [
        { id: 1, parent: 2, attributes: agent(10, 1) },
        { id: 2, parent: 1, attributes: agent(10, 1) },
        { id: 3, parent: 3, attributes: tokens(5, 1) },
      ],
      5,
    ],
  ])('%s', (_, spans, input) => {
    expect(metricsOf(spans).input_tokens).toBe(input);
    expect(metricsOf([...spans].reverse()).input_tokens).toBe(input);
  });

  test('the innermost span of a call is completed from the outer ones', () => {
    const spans = [
      { id: 1, attributes: tokens(10, 1, { 'gen_ai.usage.cache_read.input_tokens': 4 }), scope: 'a' },
      { id: 2, parent: 1, at: [1, 9] as const, attributes: tokens(10, 1), scope: 'b' },
    ];
    expect(metricsOf(spans)).toMatchObject({ input_tokens: 10, cache_read_input_tokens: 4 });
  });

  test('a call without a model has that of the span around it', () => {
    const spans = [
      { id: 1, attributes: { model: 'gpt-5.5' }, scope: 'codex_exec' },
      { id: 2, parent: 1, attributes: { 'gen_ai.usage.input_tokens': 10 }, scope: 'codex_exec' },
    ];
    expect(metricsOf(spans).models).toMatchObject({ 'gpt-5.5': { input_tokens: 10 } });
  });

  test('records of calls count only where no span reports tokens', () => {
    const amounts = { ...readGenAiSpan(given({ id: 9, attributes: tokens(50, 5) }), false).amounts } as never;
    const usage = usageOf([]);
    usage.addLogged('e1', { attempt: 1, model: 'm', amounts });
    usage.addLogged('e1', { attempt: 1, model: 'm', amounts });
    expect(usage.result(RESULT, 1).metrics.input_tokens).toBe(50);
    usage.add(readGenAiSpan(given({ id: 1, attributes: tokens(50, 5) }), false));
    expect(usage.result(RESULT, 1).metrics.input_tokens).toBe(50);
  });
});

describe("the agent's own word counts before telemetry", () => {
  const said = { ...RESULT, metrics: { ...RESULT.metrics, input_tokens: 7, output_tokens: 1 } };
  const run = (id: number, more: Record<string, JsonValue>): Given => ({
    id,
    own: true,
    attributes: { 'gen_ai.operation.name': 'invoke_agent', 'tasktrail.task.attempt': 1, ...more },
  });
  const spoken = run(1, { 'gen_ai.usage.input_tokens': 7, 'gen_ai.usage.output_tokens': 1 });

  test('tokens of the result stay as they are', () => {
    const usage = usageOf([{ id: 2, attributes: tokens(10, 1) }]);
    expect(usage.result(said, 1)).toEqual(said);
    const free = { ...RESULT, metrics: { ...RESULT.metrics, input_tokens: 0, output_tokens: 0 } };
    expect(usage.result(free, 1)).toEqual(free);
  });

  test('a model of the metadata stays as it is', () => {
    const usage = usageOf([{ id: 2, attributes: tokens(10, 1) }]);
    expect(usage.metadata({ ...METADATA, model: 'opus' }).model).toBe('opus');
  });

  test('a price of the result stays, and tokens are added to it', () => {
    const priced = { ...RESULT, metrics: { ...RESULT.metrics, cost_usd: 0.02 } };
    const usage = usageOf([{ id: 2, attributes: tokens(10, 1, { 'operation.cost': 5 }) }]);
    expect(usage.result(priced, 1).metrics).toMatchObject({ cost_usd: 0.02, input_tokens: 10 });
  });

  test('telemetry of a run that reported its tokens counts no more, that of another run does', () => {
    const spans = [
      spoken,
      { id: 2, parent: 1, attributes: tokens(10, 1) },
      run(3, {}),
      { id: 4, parent: 3, attributes: tokens(100, 10) },
    ];
    expect(usageOf(spans).result(said, 1).metrics).toMatchObject({ input_tokens: 107, output_tokens: 11 });
  });

  test('telemetry of a silent run adds nothing to tokens that a caller has added', () => {
    const usage = usageOf([run(3, {}), { id: 4, parent: 3, attributes: tokens(7, 1) }]);
    expect(usage.result(said, 1)).toEqual(said);
  });

  test('an attempt counts its own calls: by the span of tasktrail around them, else by their attempt', () => {
    const attempt = { 'tasktrail.task.attempt': 2 };
    const spans = [
      { id: 1, attributes: tokens(1, 1) },
      { id: 2, attributes: tokens(10, 1, attempt) },
      run(3, attempt),
      { id: 4, parent: 3, attributes: tokens(100, 1, { 'tasktrail.task.attempt': 1 }) },
    ];
    expect([1, 2, 3].map((number) => metricsOf(spans, number).input_tokens)).toEqual([1, 110, null]);
  });
});

describe('bad values are no tokens', () => {
  test.each<[string, JsonValue, number | null]>([
    ['digits as text', '4200', 4200],
    ['text', 'many', null],
    ['text that JavaScript reads as a number', '1e3', null],
    ['hexadecimal text', '0x10', null],
    ['empty text', '', null],
    ['a negative number', -5, null],
    ['a billion', 1_000_000_000, null],
    ['a billion as text', '1000000000', null],
    ['more than a double holds', '99999999999999999999', null],
    ['NaN, as OTLP writes it', 'NaN', null],
    ['infinity', 'Infinity', null],
    ['a fraction', 1.5, null],
    ['a list', [1, 2], null],
    ['an object', { total: 5 }, null],
    ['true', true, null],
    ['null', null, null],
  ])('%s', (_, value, expected) => {
    const spans = [
      { id: 1, attributes: tokens(value, 3) },
      { id: 2, attributes: tokens('no', value) },
    ];
    expect(metricsOf(spans)).toMatchObject({ input_tokens: expected, output_tokens: 3 + (expected ?? 0) });
  });

  test('zeros alone are unknown: failed calls report them', () => {
    expect(metricsOf([{ id: 1, attributes: tokens(0, 0) }])).toEqual(RESULT.metrics);
  });

  test('a bad value of one spelling leaves the other one', () => {
    const attributes = tokens('x', 1, { 'gen_ai.usage.prompt_tokens': 12 });
    expect(metricsOf([{ id: 1, attributes }]).input_tokens).toBe(12);
  });

  test('general names of one agent are not read from others', () => {
    const attributes = { 'gen_ai.operation.name': 'chat', input_tokens: 10, model: 'x' };
    expect(metricsOf([{ id: 1, attributes }])).toEqual(RESULT.metrics);
  });

  test.each<[JsonValue]>([[5], [''], ['  '], [['m']], [null]])('a model that is %j is no model', (model) => {
    const attributes = { ...tokens(1, 1), 'gen_ai.response.model': model };
    expect(usageOf([{ id: 1, attributes }]).metadata(METADATA).model).toBeNull();
  });

  test('a model named __proto__ is a key, a long one is cut, and a hundred models are kept', () => {
    const named = (id: number, model: string): Given => ({
      id,
      attributes: { ...tokens(1, 1), 'gen_ai.response.model': model },
    });
    expect(JSON.stringify(metricsOf([named(1, '__proto__')]).models)).toContain('"__proto__":{');
    expect(usageOf([named(1, `${'m'.repeat(199)}😀`)]).metadata(METADATA).model).toBe('m'.repeat(199));
    const many = Array.from({ length: 150 }, (_, index) => named(index + 1, `m${index}`));
    const { models, input_tokens: input } = metricsOf(many);
    expect([Object.keys(models as object).length, input]).toEqual([100, 150]);
  });
});

const anySpan = fc.record({
  id: fc.integer({ min: 1, max: 12 }),
  parent: fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }),
  scope: fc.constantFrom('a', 'b'),
  at: fc.constantFrom([0, 10] as const, [2, 8] as const, [20, 30] as const),
  own: fc.boolean(),
  attributes: fc.record(
    {
      'gen_ai.operation.name': fc.constantFrom('chat', 'invoke_agent', 'execute_tool'),
      'gen_ai.response.model': fc.constantFrom('m', 'n'),
      'gen_ai.response.id': fc.constantFrom('r', 's'),
      'gen_ai.usage.input_tokens': fc.integer({ min: -1, max: 5 }),
      'gen_ai.usage.output_tokens': fc.integer({ min: 0, max: 5 }),
      'operation.cost': fc.constantFrom(0.1, 0.2),
      'tasktrail.task.attempt': fc.integer({ min: 1, max: 2 }),
    },
    { requiredKeys: [] },
  ),
});

test('order and repetition of spans change nothing', () => {
  const spans = fc.uniqueArray(anySpan, { selector: ({ id }) => id, maxLength: 12 });
  const runs = spans.chain((list) =>
    fc.tuple(
      fc.constant(list),
      fc.shuffledSubarray([...list, ...list], { minLength: list.length * 2, maxLength: list.length * 2 }),
    ),
  );
  const state = (list: readonly Given[]): unknown => {
    const usage = usageOf(list);
    return [usage.metadata(METADATA), usage.result(RESULT, 1), usage.result(RESULT, 2)];
  };
  fc.assert(
    fc.property(runs, ([list, shuffled]) => {
      expect(state(shuffled)).toEqual(state(list));
    }),
    { numRuns: 300 },
  );
});

test('a deep chain of calls takes time in proportion to its length', () => {
  const chain = Array.from({ length: 20_000 }, (_, index) => ({
    id: index + 1,
    parent: index,
    attributes: tokens(1, 0, { 'gen_ai.response.id': `r${index}` }),
  }));
  expect(metricsOf(chain).input_tokens).toBe(20_000);
});
