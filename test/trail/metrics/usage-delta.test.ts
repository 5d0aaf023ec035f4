import { expect, test } from 'vitest';
import type { ResultMetrics } from '../../../src/model/documents.ts';
import type { JsonValue } from '../../../src/model/json.ts';
import { newAmounts } from '../../../src/trail/metrics/usage-delta.ts';

const NOTHING: ResultMetrics = {
  cost_usd: null,
  input_tokens: null,
  output_tokens: null,
  duration_seconds: null,
  cache_read_input_tokens: null,
  cache_creation_input_tokens: null,
};

const ZERO = {
  cost_usd: 0,
  input_tokens: 0,
  output_tokens: 0,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
};

function used(amounts: Readonly<Record<string, JsonValue>>): ResultMetrics {
  return { ...NOTHING, ...amounts };
}

test('without a previous result everything is new', () => {
  const found = newAmounts(used({ cost_usd: 0.5, input_tokens: 10 }), undefined, 'opus');
  expect([...found]).toEqual([['opus', { ...ZERO, cost_usd: 0.5, input_tokens: 10 }]]);
});

test('only the growth since the previous result counts, and a decrease counts as zero', () => {
  const before = used({ cost_usd: 0.5, input_tokens: 10, output_tokens: 9 });
  const found = newAmounts(used({ cost_usd: 0.75, input_tokens: 10, output_tokens: 4 }), before, 'opus');
  expect([...found]).toEqual([['opus', { ...ZERO, cost_usd: 0.25 }]]);
  expect(newAmounts(before, before, 'opus').size).toBe(0);
});

test('a rounding error of a difference is not growth', () => {
  const before = used({ cost_usd: 0.1 + 0.2 });
  expect(newAmounts(used({ cost_usd: 0.3 + 1e-12 }), before, 'opus').size).toBe(0);
});

test('the amounts of models are split, and the rest belongs to the model of the task', () => {
  const models = { haiku: { input_tokens: 30 }, opus: { input_tokens: 50 } };
  const found = newAmounts(used({ input_tokens: 100, models }), undefined, 'opus');
  expect(found.get('haiku')?.input_tokens).toBe(30);
  expect(found.get('opus')?.input_tokens).toBe(70);
});

test('an amount that moves to another model is not counted again', () => {
  const before = used({ input_tokens: 100 });
  const after = used({ input_tokens: 110, models: { haiku: { input_tokens: 110 } } });
  const found = newAmounts(after, before, 'opus');
  expect([...found].map(([model, { input_tokens }]) => [model, input_tokens])).toEqual([['haiku', 10]]);
});

test('values that are not positive numbers count as zero', () => {
  const odd = used({ cost_usd: Number.NaN, input_tokens: -5, models: { opus: 'many' } as never });
  expect(newAmounts(odd, undefined, 'opus').size).toBe(0);
});
