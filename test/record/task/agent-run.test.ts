import { ROOT_CONTEXT, type Span, SpanStatusCode } from '@opentelemetry/api';
import { expect, onTestFinished, test } from 'vitest';
import type { AgentOutcome, AgentOutput, OutputPlace, RunOrigin } from '../../../src/model/agent-output.ts';
import { ATTR } from '../../../src/model/attributes.ts';
import { EVENT } from '../../../src/model/events.ts';
import type { JsonObject } from '../../../src/model/json.ts';
import { outputEventId } from '../../../src/record/mint.ts';
import { type SpanStart, setRecorder } from '../../../src/record/recorder.ts';
import { setAgentRunner } from '../../../src/record/task/agent-port.ts';
import { AgentRun, type RunOwner } from '../../../src/record/task/agent-run.ts';
import { recordTask } from '../../../src/record/task/attempt.ts';
import { fc } from '../../support/fast-check.ts';
import { installMemory, MemoryRecorder } from '../../support/memory-recorder.ts';

const ORIGIN: RunOrigin = {
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  spanId: '00f067aa0ba902b7',
  startedAtMs: 1_700_000_000_000,
};

const OUTCOME: AgentOutcome = {
  success: true,
  result: 'done',
  error: null,
  exitCode: 0,
  signal: null,
  model: 'model-1',
  usage: {
    costUsd: 0.5,
    inputTokens: 10,
    outputTokens: 2,
    cacheReadInputTokens: null,
    cacheCreationInputTokens: null,
  },
};

/** Keeps the given start time of each span. */
class StartRecorder extends MemoryRecorder {
  readonly starts = new Map<string, number | undefined>();

  override startSpan(start: SpanStart): Span {
    const span = super.startSpan(start);
    this.starts.set(span.spanContext().spanId, start.startedAtMs);
    return span;
  }
}

function installStarts(): StartRecorder {
  const recorder = new StartRecorder();
  setRecorder(recorder);
  onTestFinished(() => setRecorder(undefined));
  return recorder;
}

function owner(): RunOwner & { readonly costs: (number | null)[] } {
  const costs: (number | null)[] = [];
  const attributes = { [ATTR.taskId]: 'task-1' };
  return {
    costs,
    attempt: 1,
    attributes,
    spanAttributes: attributes,
    used: () => ({ usd: 0, tokens: 0, seconds: 0 }),
    usage: (usage) => {
      costs.push(usage.costUsd ?? null);
      return usage;
    },
    metadata: () => {},
  };
}

function open(origin?: RunOrigin): AgentRun {
  return new AgentRun(owner(), { agent: 'a', parent: ROOT_CONTEXT, origin });
}

function at(line: number, more: Partial<OutputPlace> = {}): OutputPlace {
  return { stream: 'stdout', line, index: 0, timeMs: 1_700_000_001_000 + line, ...more };
}

function call(toolUseId: string): AgentOutput {
  return { type: 'tool_call', content: 'ls', toolName: 'Bash', toolUseId };
}

function answer(toolUseId: string, isError = false): AgentOutput {
  return { type: 'tool_result', content: 'x', toolName: 'Bash', toolUseId, isError };
}

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

test('the id of an output is a ULID of the start time of its run, equal for equal places', () => {
  const id = outputEventId(ORIGIN, at(7));
  expect(id).toMatch(ULID);
  expect(outputEventId({ ...ORIGIN }, at(7, { timeMs: 5 }))).toBe(id);
  // 1_700_000_000_000 in Crockford's base 32.
  expect(id.slice(0, 10)).toBe('01HF7YAT00');
});

test('ids ascend within a stream and differ for all places of all runs', () => {
  const places = fc.record({
    stream: fc.constantFrom('stdout' as const, 'stderr' as const),
    line: fc.oneof(fc.nat({ max: 300_000 }), fc.constantFrom(2 ** 17 - 1, 2 ** 17, 2 ** 31, 2 ** 32 - 1)),
    index: fc.oneof(fc.nat({ max: 70_000 }), fc.constantFrom(65_535, 65_536, 2 ** 23 - 1)),
    timeMs: fc.constant(0),
  });
  fc.assert(
    fc.property(places, places, (a, b) => {
      const [first, second] = [outputEventId(ORIGIN, a), outputEventId(ORIGIN, b)];
      expect(first).toMatch(ULID);
      if (a.stream === b.stream) {
        const order = Math.sign(a.line - b.line || a.index - b.index);
        expect(first < second ? -1 : first > second ? 1 : 0).toBe(order);
      } else expect(first).not.toBe(second);
      expect(outputEventId({ ...ORIGIN, spanId: '00f068aa0ba902b7' }, a)).not.toBe(first);
      expect(outputEventId({ ...ORIGIN, startedAtMs: ORIGIN.startedAtMs + 1 }, a)).not.toBe(first);
    }),
    { numRuns: 2_000 },
  );
});

test('outputs have the time at which they were read and the ids of their places', () => {
  const recorder = installMemory();
  const run = open();
  run.output({ type: 'output', content: 'one\n' }, at(0));
  run.output({ type: 'output', content: 'two\n' }, at(1, { index: 1 }));
  const facts = recorder.facts.filter(({ eventName }) => eventName === EVENT.output);
  expect(facts.map(({ body, timeMs }) => [body, timeMs])).toEqual([
    ['one\n', at(0).timeMs],
    ['two\n', at(1).timeMs],
  ]);
  const { origin } = run;
  if (origin === undefined) throw new Error('no origin');
  expect(facts.map(({ eventId }) => eventId)).toEqual([
    outputEventId(origin, at(0)),
    outputEventId(origin, at(1, { index: 1 })),
  ]);
  expect(facts[0]?.span).toMatchObject({ traceId: origin.traceId, spanId: origin.spanId });
});

test('a tool call is a span from the time of its line, with an error when the tool failed or returned no result', () => {
  const recorder = installStarts();
  const run = open();
  run.output(call('good'), at(0));
  run.output(call('bad'), at(1));
  run.output(call('never'), at(2));
  run.output(answer('good'), at(3));
  run.output(answer('bad', true), at(4));
  run.output(answer('unknown'), at(5));
  run.end(OUTCOME);
  const tools = recorder.spans.filter(({ name }) => name === 'execute_tool Bash');
  const seen = tools.map((span) => [
    span.attributes[ATTR.genAiToolCallId],
    span.attributes[ATTR.errorType],
    recorder.starts.get(span.spanContext().spanId),
  ]);
  expect(seen).toEqual([
    ['good', undefined, at(0).timeMs],
    ['bad', 'tool_error', at(1).timeMs],
    ['never', 'unfinished', at(2).timeMs],
  ]);
  // A second process that reads the same lines builds the same spans.
  const ends = tools.slice(0, 2).map(({ endTime: [seconds, nanos] }) => seconds * 1e9 + nanos);
  expect(ends).toEqual([at(3).timeMs, at(4).timeMs].map((ms) => ms * 1e6 + 1_000));
});

test('records of an earlier process are not repeated, and its open calls keep their start times', () => {
  const recorder = installStarts();
  const run = open(ORIGIN);
  run.replay({ type: 'output', content: 'old' }, at(0));
  run.replay(call('answered'), at(1));
  run.replay(answer('answered'), at(2));
  run.replay(call('open'), at(3));
  run.replay(call('never'), at(4));
  expect(recorder.bodies(EVENT.output)).toEqual([]);
  run.output(answer('open'), at(9));
  run.end(OUTCOME);
  expect(recorder.bodies(EVENT.output)).toEqual(['x']);
  expect(
    recorder.spans.map((span) => [
      span.attributes[ATTR.genAiToolCallId],
      span.attributes[ATTR.errorType],
      recorder.starts.get(span.spanContext().spanId),
      span.spanContext().traceId,
      span.parentSpanContext?.spanId,
    ]),
  ).toEqual([
    ['open', undefined, at(3).timeMs, ORIGIN.traceId, ORIGIN.spanId],
    ['never', 'unfinished', at(4).timeMs, ORIGIN.traceId, ORIGIN.spanId],
  ]);
});

test('a resumed run keeps its ids, announces no span, and its end fact asks to build the span', () => {
  const recorder = installMemory();
  const run = open(ORIGIN);
  expect(run.origin).toEqual(ORIGIN);
  expect(run.traceparent).toBe(`00-${ORIGIN.traceId}-${ORIGIN.spanId}-01`);
  run.end({ ...OUTCOME, success: false, error: 'broken', errorType: 'exit_code', exitCode: 3 });
  run.end(OUTCOME);
  expect(recorder.spans).toEqual([]);
  const [start, ...ends] = recorder.facts;
  expect(start?.attributes[ATTR.spanName]).toBeUndefined();
  expect(ends).toHaveLength(1);
  expect(ends[0]).toMatchObject({
    eventName: EVENT.metadata,
    span: { traceId: ORIGIN.traceId, spanId: ORIGIN.spanId },
    attributes: {
      [ATTR.spanDerive]: true,
      [ATTR.errorType]: 'exit_code',
      [ATTR.costUsd]: 0.5,
      [ATTR.genAiInputTokens]: 10,
      [ATTR.genAiRequestModel]: 'model-1',
    },
  });
});

test('a run of this process ends its own span, and its end fact does not ask to build it', () => {
  const recorder = installMemory();
  const run = open();
  run.end({ ...OUTCOME, success: false, error: 'broken', errorType: 'timeout' });
  const span = recorder.span('invoke_agent a');
  expect(span.status).toEqual({ code: SpanStatusCode.ERROR, message: 'broken' });
  expect(span.attributes).toMatchObject({ [ATTR.errorType]: 'timeout', [ATTR.genAiInputTokens]: 10 });
  expect(recorder.facts.filter((fact) => fact.attributes[ATTR.spanDerive] === true)).toEqual([]);
});

test('tool calls beyond 1000 open ones are lines without a span', () => {
  const recorder = installMemory();
  const run = open();
  for (let n = 0; n < 1_200; n += 1) run.output(call(`call-${n}`), at(n));
  run.end(OUTCOME);
  expect(recorder.bodies(EVENT.output)).toHaveLength(1_200);
  expect(recorder.spans.filter(({ name }) => name === 'execute_tool Bash')).toHaveLength(1_000);
});

test('an SDK that returns no span loses no output', () => {
  class Spanless extends MemoryRecorder {
    override startSpan(): Span {
      throw new Error('no span today');
    }
  }
  const recorder = new Spanless();
  setRecorder(recorder);
  onTestFinished(() => setRecorder(undefined));
  const run = open();
  expect(run.origin).toBeUndefined();
  run.output({ type: 'output', content: 'one' }, at(0));
  run.output(call('x'), at(1));
  run.end(OUTCOME);
  expect(recorder.bodies(EVENT.output)).toEqual(['one', 'ls']);
  const ids = recorder.facts.map(({ eventId }) => eventId);
  expect(new Set(ids).size).toBe(ids.length);
});

test('without a recorder a run does nothing', () => {
  setRecorder(undefined);
  const run = open();
  expect([run.origin, run.traceparent]).toEqual([undefined, undefined]);
  run.output(call('x'), at(0));
  run.replay(call('y'), at(1));
  run.flush();
  run.end(OUTCOME);
});

/** Returns the runs of a killed process from `resume`, and counts the calls of `run` and `forget`. */
function installRunner(left: { outcome?: AgentOutcome; origin?: RunOrigin }, outcomes: AgentOutcome[] = []) {
  const seen = { runs: [] as (RunOrigin | undefined)[], forgotten: 0, resumes: 0 };
  setAgentRunner({
    resume: async () => {
      seen.resumes += 1;
      return left;
    },
    run: async (_command, _options, recording) => {
      seen.runs.push(recording.origin);
      const outcome = outcomes.shift() ?? OUTCOME;
      recording.end(outcome);
      return outcome;
    },
    forget: () => {
      seen.forgotten += 1;
    },
  });
  return seen;
}

const TASK = { source: 'test', message: 'm', taskId: 'task-1' };

test('a run with a known outcome is not run again, and its usage counts once', async () => {
  const recorder = installMemory();
  const seen = installRunner({ outcome: OUTCOME, origin: ORIGIN });
  await recordTask(TASK, async (task) => {
    expect(await task.resumeAgent(['a'], { key: 'k' })).toEqual(OUTCOME);
    expect(await task.runAgent(['a'], { key: 'k' })).toEqual(OUTCOME);
    expect(await task.runAgent(['a'], { key: 'k' })).toEqual(OUTCOME);
  });
  expect(seen).toEqual({ runs: [], forgotten: 1, resumes: 1 });
  expect(recorder.bodies(EVENT.result)).toMatchObject([
    { success: true, result: 'done', metrics: { cost_usd: 0.5, input_tokens: 10 } },
  ]);
  // The duration counts from the start in the killed process.
  const [{ metrics }] = recorder.bodies(EVENT.result) as [{ metrics: JsonObject }];
  expect(metrics.duration_seconds).toBeGreaterThan((Date.now() - ORIGIN.startedAtMs) / 1000 - 60);
});

test('a resumed run keeps its origin; a lost run starts again under new ids', async () => {
  const recorder = installMemory();
  const lost = { ...OUTCOME, success: false, errorType: 'lost', error: 'gone', usage: { costUsd: null } };
  const seen = installRunner({ origin: ORIGIN }, [lost as AgentOutcome, OUTCOME]);
  await recordTask(TASK, async (task) => task.runAgent(['a'], { key: 'k' }));
  expect(seen.runs).toHaveLength(2);
  expect(seen.runs[0]).toEqual(ORIGIN);
  expect(seen.runs[1]?.spanId).not.toBe(ORIGIN.spanId);
  expect(recorder.bodies(EVENT.result)).toMatchObject([{ success: true, metrics: { cost_usd: 0.5 } }]);
});
