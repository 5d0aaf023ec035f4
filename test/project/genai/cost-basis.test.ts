import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { claude } from '../../../src/agent/dialects/claude.ts';
import { codex } from '../../../src/agent/dialects/codex.ts';
import type { Dialect } from '../../../src/agent/dialects/dialect.ts';
import { gemini } from '../../../src/agent/dialects/gemini.ts';
import type { FinalResult, Usage } from '../../../src/model/documents.ts';
import type { JsonObject } from '../../../src/model/json.ts';
import { readGenAiSpan } from '../../../src/project/genai/call-span.ts';
import { GenAiUsage } from '../../../src/project/genai/call-usage.ts';
import { withCostBasis } from '../../../src/project/genai/cost-basis.ts';
import { loggedCall } from '../../../src/project/genai/logged-call.ts';
import { UsageTotal } from '../../../src/record/task/usage.ts';
import { fc } from '../../support/fast-check.ts';
import { type Given, given, RESULT } from './spans.ts';

type Line = JsonObject & { readonly event_id: string };

const SAMPLES = new URL('../../samples/', import.meta.url);

/** The lines that a recorded OTLP request becomes, as far as calls are read from them. */
function telemetryLines(file: string): Line[] {
  interface Value {
    readonly stringValue?: string;
    readonly intValue?: string | number;
    readonly doubleValue?: number;
  }
  const request = JSON.parse(readFileSync(new URL(file, SAMPLES), 'utf8')) as {
    resourceLogs: { scopeLogs: { logRecords: { attributes: { key: string; value: Value }[] }[] }[] }[];
  };
  const records = request.resourceLogs.flatMap(({ scopeLogs }) =>
    scopeLogs.flatMap(({ logRecords }) => logRecords),
  );
  return records.map(({ attributes }, index) => {
    const plain = Object.fromEntries(
      attributes.map(({ key, value }) => [
        key,
        value.stringValue ??
          value.doubleValue ??
          (value.intValue === undefined ? null : Number(value.intValue)),
      ]),
    );
    return {
      type: 'system',
      event: String(plain['event.name']),
      event_id: `event-${index}`,
      attributes: plain,
    };
  });
}

function streamUsage(dialect: Dialect, file: string): Usage {
  const reader = dialect.open();
  for (const line of readFileSync(new URL(file, SAMPLES), 'utf8').split(/(?<=\n)/)) reader.read(line, false);
  return reader.verdict().usage;
}

interface Sources {
  readonly usage?: Usage;
  readonly lines?: readonly Line[];
  readonly spans?: readonly Given[];
  readonly end?: Partial<FinalResult>;
  readonly attempt?: number;
}

function metricsOf({ usage, lines = [], spans = [], end, attempt = 1 }: Sources): JsonObject {
  const total = new UsageTotal();
  if (usage !== undefined) total.add(usage);
  const stated = { ...RESULT, ...end, metrics: total.metrics(1) };
  const calls = new GenAiUsage();
  for (const line of lines) {
    const call = loggedCall(line);
    if (call !== undefined) calls.addLogged(line.event_id, call);
  }
  for (const span of spans) calls.add(readGenAiSpan(given(span), span.own === true));
  const reported = { ...calls.reported(stated.metrics, attempt), isCut: false };
  return withCostBasis(stated, calls.result(stated, attempt), reported).metrics;
}

const CALLS = { cost_usd: 0.03212, input_tokens: 15_180, output_tokens: 285 };

describe('the recorded telemetry of an agent agrees with its result line', () => {
  test.each([
    ['claude-code', claude, 0.03212],
    ['codex', codex, null],
    ['gemini-cli', gemini, null],
  ] as const)('%s', (folder, dialect, cost) => {
    const said = { ...CALLS, cost_usd: cost };
    const lines = telemetryLines(`${folder}/otlp-logs.json`);
    const metrics = metricsOf({ usage: streamUsage(dialect, `${folder}/demo.jsonl`), lines });
    expect(metrics).toMatchObject(said);
    expect(metrics.cost_basis).toEqual({
      source: 'result',
      verdict: 'agrees',
      said: { result: said, telemetry: said },
    });
  });
});

test('a killed agent has the amounts of its telemetry, and they are said to be a part', () => {
  const usage = { incompleteReason: 'the agent ended without its result line' };
  const metrics = metricsOf({ usage, lines: telemetryLines('claude-code/otlp-logs.json') });
  expect(metrics).toMatchObject({
    ...CALLS,
    cost_basis: {
      source: 'telemetry',
      verdict: 'incomplete: the agent ended without its result line',
      said: { telemetry: CALLS },
    },
  });
});

test('an agent that was ended before its report has the amounts of its messages, unless telemetry has them', () => {
  const seen = { inputTokens: 500, outputTokens: 1, cacheReadInputTokens: 20 };
  const usage = { incompleteReason: 'the agent ended without its result line', seen };
  const stream = { cost_usd: null, input_tokens: 500, output_tokens: 1 };
  expect(metricsOf({ usage })).toMatchObject({
    ...stream,
    cache_read_input_tokens: 20,
    cost_basis: {
      source: 'stream',
      verdict: 'incomplete: the agent ended without its result line',
      said: { stream },
    },
  });
  const filled = metricsOf({ usage, lines: telemetryLines('claude-code/otlp-logs.json') });
  expect(filled).toMatchObject({ ...CALLS, cost_basis: { source: 'telemetry', said: { stream } } });
});

test('runs that were ended add to what other runs have reported, once for each thread', () => {
  const total = new UsageTotal();
  total.add({ inputTokens: 100, outputTokens: 10, threads: { t: { inputTokens: 100, outputTokens: 10 } } });
  const seen = { inputTokens: 130, outputTokens: 12, threads: { t: { inputTokens: 130, outputTokens: 12 } } };
  total.add({ incompleteReason: 'ended', seen });
  expect(total.with({}).tokens).toBe(142);
  const stated = { ...RESULT, metrics: total.metrics(1) };
  const reported = { ...new GenAiUsage().reported(stated.metrics, 1), isCut: false };
  expect(withCostBasis(stated, stated, reported).metrics).toMatchObject({
    ...{ input_tokens: 130, output_tokens: 12 },
    cost_basis: { source: 'result', verdict: 'incomplete: ended' },
  });
});

test('without any report the source is none and the verdict unknown; of a lost worker it is incomplete', () => {
  expect(metricsOf({}).cost_basis).toEqual({ source: 'none', verdict: 'unknown' });
  const lost = metricsOf({ end: { status: 'abandoned', success: false } });
  expect(lost.cost_basis).toEqual({
    source: 'none',
    verdict: 'incomplete: its worker was lost before the end',
  });
});

test('one source alone has nothing to agree with', () => {
  const said = { cost_usd: 1, input_tokens: 10, output_tokens: 2 };
  expect(metricsOf({ usage: { costUsd: 1, inputTokens: 10, outputTokens: 2 } }).cost_basis).toEqual({
    source: 'result',
    verdict: 'unknown',
    said: { result: said },
  });
});

test('a difference names its amounts and the source that has them', () => {
  const lines = telemetryLines('claude-code/otlp-logs.json');
  const metrics = metricsOf({ usage: { costUsd: 0.05, inputTokens: 15_000, outputTokens: 285 }, lines });
  expect(metrics).toMatchObject({ cost_usd: 0.05, input_tokens: 15_000 });
  expect(metrics.cost_basis).toMatchObject({
    verdict: 'differs by -0.01788 USD, +180 input tokens (telemetry)',
  });
});

test('telemetry that comes twice, also changed by a relay, and in any order counts once', () => {
  const lines = telemetryLines('claude-code/otlp-logs.json');
  const relayed = lines.map((line) => ({
    ...line,
    event_id: `relayed-${line.event_id}`,
    attributes: { ...(line.attributes as JsonObject), 'collector.hop': 1, model: 'renamed' },
  }));
  const all = [...lines, ...relayed];
  const first = JSON.stringify(metricsOf({ lines: all }));
  expect(metricsOf({ lines: all })).toMatchObject(CALLS);
  fc.assert(
    fc.property(fc.shuffledSubarray(all, { minLength: all.length }), (order) => {
      expect(JSON.stringify(metricsOf({ lines: order }))).toBe(first);
    }),
    { numRuns: 20 },
  );
});

test('cached input that a span of Claude Code leaves out is added, also where it is the smaller part', () => {
  const attributes = { input_tokens: 5_000, output_tokens: 10, cache_read_tokens: 3_000, model: 'm' };
  const metrics = metricsOf({ spans: [{ id: 1, scope: 'com.anthropic.claude_code.tracing', attributes }] });
  expect(metrics).toMatchObject({ input_tokens: 8_000, cache_read_input_tokens: 3_000 });
  expect(metrics.cost_basis).toMatchObject({ source: 'spans', verdict: 'unknown' });
});

test('of spans and log records of the same calls the source that was not cut counts', () => {
  const lines = telemetryLines('claude-code/otlp-logs.json');
  const span = (id: number, tokens: number): Given => ({
    id,
    attributes: { 'gen_ai.operation.name': 'chat', 'gen_ai.usage.input_tokens': tokens },
  });
  expect(metricsOf({ lines, spans: [span(1, 4_200)] }).cost_basis).toMatchObject({
    source: 'telemetry',
    verdict: 'differs by -10980 input tokens (spans)',
  });
  expect(metricsOf({ lines, spans: [span(1, 4_200), span(2, 20_000)] }).cost_basis).toMatchObject({
    source: 'spans',
    verdict: 'differs by -9020 input tokens (telemetry)',
  });
});

test('runs of earlier attempts stand apart from those that count', () => {
  const run = (id: number, attempt: number, input: number): Given => ({
    id,
    own: true,
    attributes: {
      'gen_ai.operation.name': 'invoke_agent',
      'tasktrail.task.attempt': attempt,
      'gen_ai.usage.input_tokens': input,
      'gen_ai.usage.output_tokens': 1,
      'tasktrail.cost.usd': 0.5,
    },
  });
  const metrics = metricsOf({
    usage: { costUsd: 0.5, inputTokens: 30, outputTokens: 1 },
    spans: [run(1, 1, 10), run(2, 2, 20), run(3, 3, 30)],
    attempt: 3,
  });
  expect(metrics).toMatchObject({ cost_usd: 0.5, input_tokens: 30 });
  expect(metrics.cost_basis).toMatchObject({
    earlier_attempts: { cost_usd: 1, input_tokens: 30, output_tokens: 2 },
  });
});
