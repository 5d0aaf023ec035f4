import { expect, test } from 'vitest';
import type { Usage } from '../../../src/model/documents.ts';
import { EVENT } from '../../../src/model/events.ts';
import { TaskFold } from '../../../src/project/fold.ts';
import { UsageTotal } from '../../../src/record/task/usage.ts';

function totalOf(...usages: readonly Parameters<UsageTotal['add']>[0][]): UsageTotal {
  const total = new UsageTotal();
  for (const usage of usages) total.add(usage);
  return total;
}

test('amounts that no run reported are null, and no model is listed', () => {
  expect(totalOf().metrics(null)).toEqual({
    cost_usd: null,
    input_tokens: null,
    output_tokens: null,
    duration_seconds: null,
    cache_read_input_tokens: null,
    cache_creation_input_tokens: null,
  });
  expect(totalOf({ costUsd: null, models: { m: { inputTokens: null } } }).metrics(1.5)).not.toHaveProperty(
    'models',
  );
});

test('the runs of a task are summed in total and by model', () => {
  const first = {
    costUsd: 0.1,
    inputTokens: 10,
    models: { a: { costUsd: 0.1, inputTokens: 10, outputTokens: 1 } },
  };
  const second = {
    costUsd: 0.2,
    inputTokens: 5,
    models: {
      a: { costUsd: 0.2, inputTokens: 3, cacheReadInputTokens: 2 },
      b: { costUsd: null, inputTokens: 2 },
    },
  };
  expect(totalOf(first, second).metrics(2)).toMatchObject({
    cost_usd: 0.3,
    input_tokens: 15,
    duration_seconds: 2,
    models: {
      a: {
        cost_usd: 0.3,
        input_tokens: 13,
        output_tokens: 1,
        cache_read_input_tokens: 2,
        cache_creation_input_tokens: null,
      },
      b: {
        cost_usd: null,
        input_tokens: 2,
        output_tokens: null,
        cache_read_input_tokens: null,
        cache_creation_input_tokens: null,
      },
    },
  });
});

test('a model named like an object property is counted like other models', () => {
  const usage = JSON.parse('{"models":{"__proto__":{"inputTokens":1},"constructor":{"inputTokens":2}}}');
  const { models } = totalOf(usage, usage).metrics(null);
  expect(Object.entries(models ?? {}).map(([name, { input_tokens }]) => [name, input_tokens])).toEqual([
    ['__proto__', 2],
    ['constructor', 4],
  ]);
});

test('invalid amounts and models beyond 100 are left out', () => {
  const odd = JSON.parse('{"inputTokens":"7","costUsd":-1,"models":{"a":null,"b":5,"c":{"inputTokens":-1}}}');
  expect(totalOf(odd).metrics(null)).toMatchObject({ input_tokens: null, cost_usd: null });
  expect(totalOf(odd).metrics(null)).not.toHaveProperty('models');
  expect(totalOf(JSON.parse('{"models":null}')).metrics(null)).not.toHaveProperty('models');
  const many = Object.fromEntries(Array.from({ length: 150 }, (_, n) => [`m${n}`, { inputTokens: 1 }]));
  const metrics = totalOf({ inputTokens: 150, models: many }, { models: many }).metrics(null);
  expect(Object.keys(metrics.models ?? {})).toHaveLength(100);
  expect(metrics.models).toMatchObject({ m0: { input_tokens: 2 } });
});

test('the models are in the final result', () => {
  const metrics = totalOf({ models: { 'claude-opus-5-5': { inputTokens: 5, costUsd: 0.5 } } }).metrics(1);
  const fold = new TaskFold('task-1');
  fold.add({
    event: EVENT.result,
    event_id: '01HZZZZZZZZZZZZZZZZZZZZZZZ',
    timestamp: '2026-11-21T00:00:00.000Z',
    attempt: 1,
    trace_id: null,
    span_id: null,
    body: JSON.parse(JSON.stringify({ status: 'completed', success: true, metrics })),
  });
  expect(fold.result()?.metrics).toEqual(metrics);
  expect(fold.result()?.metrics).toHaveProperty(['models', 'claude-opus-5-5', 'cost_usd'], 0.5);
});

test('a thread that a later run resumes counts once', () => {
  const runs = [
    { inputTokens: 18_080, cacheReadInputTokens: 4_000, outputTokens: 20 },
    { inputTokens: 36_197, cacheReadInputTokens: 22_000, outputTokens: 40 },
  ].map((amounts) => ({ ...amounts, threads: { t: amounts } }));
  const total = new UsageTotal();
  const added = runs.map((run) => total.add(run));
  expect(total.metrics(null)).toMatchObject({
    input_tokens: 36_197,
    cache_read_input_tokens: 22_000,
    output_tokens: 40,
  });
  // What the span of the second run says.
  expect(added[1]).toMatchObject({ inputTokens: 18_117, cacheReadInputTokens: 18_000, outputTokens: 20 });
});

test('threads of other ids, runs without threads, and a thread that starts to count again add up', () => {
  const run = (id: string, inputTokens: number): Usage => ({
    inputTokens,
    threads: { [id]: { inputTokens } },
  });
  expect(totalOf(run('a', 5), run('b', 7), { inputTokens: 1 }).metrics(null).input_tokens).toBe(13);
  expect(totalOf(run('a', 9), run('a', 4)).metrics(null).input_tokens).toBe(13);
  expect(totalOf(run('a', 9), run('a', 4), run('a', 6)).metrics(null).input_tokens).toBe(15);
});

test('with a run that reported a part the amounts of the task are unknown, with the reason', () => {
  const part = { costUsd: null, inputTokens: null, outputTokens: 3, unknownReason: 'a part is missing' };
  expect(totalOf({ costUsd: 0.5, inputTokens: 5 }, part, { costUsd: 1 }).metrics(null)).toMatchObject({
    cost_usd: null,
    input_tokens: null,
    output_tokens: 3,
    unknown_reason: 'a part is missing',
  });
});

test('amounts that no program can have are not counted, so that sums stay numbers', () => {
  const total = new UsageTotal();
  total.add({ inputTokens: 1e308, outputTokens: 5, costUsd: 1e308 });
  total.add({ inputTokens: 1e308, costUsd: 0.5 });
  expect(total.metrics(1)).toMatchObject({ input_tokens: null, output_tokens: 5, cost_usd: 0.5 });
  expect(total.with({ inputTokens: 1e308 })).toEqual({ usd: 0.5, tokens: 5 });
});
