import { createHash } from 'node:crypto';
import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { isTracingSuppressed } from '@opentelemetry/core';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { LoggerProvider } from '@opentelemetry/sdk-logs';
import {
  AlwaysOffSampler,
  BasicTracerProvider,
  InMemorySpanExporter,
  type Sampler,
  SimpleSpanProcessor,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { encodeLogRecord } from '../../src/export/encode.ts';
import { logRecordProcessor, OtelRecorder, spanProcessor } from '../../src/export/otel-recorder.ts';
import { partsOf, requestBody } from '../../src/export/otlp-request.ts';
import type { Journal } from '../../src/journal/journal.ts';
import { derivedSpanId, derivedTraceId } from '../../src/model/workflow-span.ts';
import { setRecorder } from '../../src/record/recorder.ts';
import { recordTask } from '../../src/record/task/attempt.ts';
import { resumeKnownWorkflow, startWorkflow } from '../../src/record/workflow/orchestration.ts';
import { openJournal, readSegments, tempDir } from '../support/journal-records.ts';
import { startCollector, startSending } from './fixture.ts';

const INPUT = { source: 'test', message: 'm', taskId: 'task-1' };

interface Value {
  readonly stringValue?: string;
  readonly intValue?: number;
  readonly doubleValue?: number | string;
  readonly arrayValue?: { readonly values: readonly Value[] };
}
interface Item {
  readonly name: string;
  readonly eventName: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly kind: number;
  readonly status?: { readonly code: number };
  readonly timeUnixNano: string;
  readonly body: unknown;
  readonly attributes: readonly { readonly key: string; readonly value: Value }[];
}

function clear(): void {
  trace.disable();
  context.disable();
  propagation.disable();
}
beforeEach(clear);
afterEach(clear);

function openTrail(
  directory: string,
  emitWorkflowEvents = true,
): { recorder: OtelRecorder; journal: Journal } {
  const { journal } = openJournal(directory);
  const recorder = new OtelRecorder({
    resource: resourceFromAttributes({ 'service.name': 'mine' }),
    journal,
    emitWorkflowEvents,
  });
  recorder.install();
  setRecorder(recorder);
  onTestFinished(() => {
    setRecorder(undefined);
    recorder.uninstall();
  });
  return { recorder, journal };
}

function setGlobal(spanProcessors: SpanProcessor[], sampler?: Sampler): void {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors, ...(sampler && { sampler }) }));
}

/** Content of the journal as a receiver gets it. */
async function received(journal: Journal): Promise<{ logs: Item[]; spans: Item[] }> {
  journal.flush();
  const logs: Item[] = [];
  const spans: Item[] = [];
  for (let batch = await journal.next('holder'); batch !== undefined; batch = await journal.next('holder')) {
    for (const part of partsOf(batch.entries)) {
      const body = JSON.parse(requestBody(part).toString('utf8'));
      for (const { scopeLogs } of body.resourceLogs ?? [])
        for (const { logRecords } of scopeLogs) logs.push(...logRecords);
      for (const { scopeSpans } of body.resourceSpans ?? [])
        for (const { spans: more } of scopeSpans) spans.push(...more);
    }
    await journal.done('holder', batch);
  }
  return { logs, spans };
}

function attribute(item: Item | undefined, key: string): Value | undefined {
  return item?.attributes.find((one) => one.key === key)?.value;
}

function named(items: readonly Item[], name: string): Item | undefined {
  return items.find((item) => item.name === name);
}

test('facts carry name, time, ids and body; spans their kind, parent and status', async () => {
  const { journal } = openTrail(await tempDir());
  const boom = new Error('boom');
  const run = recordTask(INPUT, (task) =>
    task.workflow('w', {}, () => {
      task.output('line\n');
      throw boom;
    }),
  );
  await expect(run).rejects.toBe(boom);
  const { logs, spans } = await received(journal);
  const process = named(spans, 'process test');
  const workflow = named(spans, 'workflow w');
  expect(process).toMatchObject({ kind: 1, status: { code: 2, message: 'boom' } });
  expect(process?.parentSpanId).toBeUndefined();
  expect(workflow?.parentSpanId).toBe(process?.spanId);
  const output = logs.find(({ eventName }) => eventName === 'tasktrail.agent.output');
  expect(output).toMatchObject({
    body: { stringValue: 'line\n' },
    traceId: workflow?.traceId,
    spanId: workflow?.spanId,
  });
  expect(output?.timeUnixNano).toMatch(/^\d{19}$/);
  expect(Math.abs(Number(output?.timeUnixNano) / 1e6 - Date.now())).toBeLessThan(60_000);
  for (const item of [...logs, ...spans])
    expect(attribute(item, 'tasktrail.task.id')).toEqual({ stringValue: 'task-1' });
  for (const item of logs)
    expect(attribute(item, 'tasktrail.event.id')?.stringValue).toMatch(/^[0-9A-Z]{26}$/);
});

test("a user's provider with tasktrail's processor gets tasktrail's spans, and the user's spans get the task id", async () => {
  const exporter = new InMemorySpanExporter();
  setGlobal([spanProcessor(), new SimpleSpanProcessor(exporter)]);
  const { journal } = openTrail(await tempDir());
  await recordTask(INPUT, () =>
    trace.getTracer('pg').startActiveSpan('SELECT', (outer) => {
      trace.getTracer('pg').startSpan('inner').end();
      outer.end();
    }),
  );
  trace.getTracer('pg').startSpan('outside').end();
  expect(exporter.getFinishedSpans().map(({ name }) => name)).toEqual([
    'inner',
    'SELECT',
    'process test',
    'outside',
  ]);
  const { spans } = await received(journal);
  expect(spans.map(({ name }) => name)).toEqual(['inner', 'SELECT', 'process test']);
  for (const span of spans) expect(attribute(span, 'tasktrail.task.id')).toEqual({ stringValue: 'task-1' });
  expect(named(spans, 'SELECT')?.parentSpanId).toBe(named(spans, 'process test')?.spanId);
});

test.each<[string, () => void]>([
  ['whose sampler drops everything', () => setGlobal([spanProcessor()], new AlwaysOffSampler())],
  ['without the processor', () => setGlobal([])],
  [
    'without the processor, which another provider has',
    () => {
      new BasicTracerProvider({ spanProcessors: [spanProcessor()] });
      setGlobal([]);
    },
  ],
  [
    'whose sampler throws',
    () =>
      setGlobal([spanProcessor()], {
        shouldSample: () => {
          throw new Error('no');
        },
        toString: () => 'broken',
      }),
  ],
  ['that is not registered', () => undefined],
])('a global provider %s drops no span', async (_which, arrange) => {
  arrange();
  const { journal } = openTrail(await tempDir());
  await recordTask(INPUT, (task) => task.workflow('w', {}, () => 1));
  const { spans } = await received(journal);
  expect(spans.map(({ name }) => name)).toEqual(['workflow w', 'process test']);
  expect(spans[0]?.parentSpanId).toBe(spans[1]?.spanId);
});

test('each span is written to the journal once', async () => {
  setGlobal([spanProcessor()]);
  const { journal } = openTrail(await tempDir());
  await recordTask(INPUT, () => 1);
  expect((await received(journal)).spans).toHaveLength(1);
});

test('without an open trail the processors do nothing, and work once one is open', async () => {
  const directory = await tempDir();
  const exporter = new InMemorySpanExporter();
  setGlobal([spanProcessor(), new SimpleSpanProcessor(exporter)]);
  const loggers = new LoggerProvider({ processors: [logRecordProcessor()] });
  const useAll = (): Promise<void> =>
    recordTask(INPUT, () => {
      trace.getTracer('pg').startSpan('SELECT').end();
      loggers.getLogger('app').emit({ body: 'hello' });
    });
  await useAll();
  expect(exporter.getFinishedSpans()[0]?.attributes).toEqual({});
  const { recorder, journal } = openTrail(directory);
  await useAll();
  loggers.getLogger('app').emit({ body: 'outside' });
  setRecorder(undefined);
  recorder.uninstall();
  await useAll();
  const { logs, spans } = await received(journal);
  expect(spans.map(({ name }) => name)).toEqual(['SELECT', 'process test']);
  const foreign = logs.filter(({ eventName }) => eventName === undefined);
  expect(foreign.map(({ body }) => body)).toEqual([{ stringValue: 'hello' }]);
  expect(attribute(foreign[0], 'tasktrail.task.id')).toEqual({ stringValue: 'task-1' });
});

test('requests are sent with tracing suppressed, also when the context manager is set later', async () => {
  const seen: boolean[] = [];
  const { journal, sender } = await startSending({
    send: async () => {
      await new Promise((resolve) => setImmediate(resolve));
      seen.push(isTracingSuppressed(context.active()));
      return { kind: 'accepted', rejected: 0 };
    },
    close: async () => undefined,
  });
  // Set now, while the sender is running.
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  journal.append({ resource: { attributes: [] }, scope: { name: 's' } }, { kind: 'L', json: '{}' });
  await sender.drain(5_000);
  expect(seen).toEqual([true]);
});

test("a user's attribute limits do not truncate tasktrail's records", async () => {
  process.env.OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT = '5';
  process.env.OTEL_ATTRIBUTE_COUNT_LIMIT = '1';
  onTestFinished(() => {
    delete process.env.OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT;
    delete process.env.OTEL_ATTRIBUTE_COUNT_LIMIT;
  });
  const { journal } = openTrail(await tempDir());
  await recordTask({ ...INPUT, agent: 'long agent name' }, (task) => {
    task.output({
      type: 'tool_call',
      content: '',
      toolName: 'a long tool name',
      toolInput: { a: [1, { b: 'c' }] },
    });
  });
  const { logs, spans } = await received(journal);
  expect(attribute(spans[0], 'gen_ai.agent.name')).toEqual({ stringValue: 'long agent name' });
  const output = logs.find(({ eventName }) => eventName === 'tasktrail.agent.output');
  expect(attribute(output, 'gen_ai.tool.name')).toEqual({ stringValue: 'a long tool name' });
  expect(attribute(output, 'gen_ai.tool.call.arguments')).toBeDefined();
});

test('numbers without a JSON form are written as in proto3 JSON', async () => {
  const { journal } = openTrail(await tempDir());
  setGlobal([spanProcessor()]);
  await recordTask(INPUT, () => {
    const span = trace.getTracer('t').startSpan('odd');
    span.setAttributes({ nan: Number.NaN, half: 0.5, whole: 3, list: [1, 2] });
    span.addEvent('e', { x: 'y' }, [1_700_000_000, 5.7]);
    span.end();
  });
  const odd = named((await received(journal)).spans, 'odd');
  expect(attribute(odd, 'nan')).toEqual({ doubleValue: 'NaN' });
  expect(attribute(odd, 'half')).toEqual({ doubleValue: 0.5 });
  expect(attribute(odd, 'whole')).toEqual({ intValue: 3 });
  expect(attribute(odd, 'list')).toEqual({ arrayValue: { values: [{ intValue: 1 }, { intValue: 2 }] } });
  expect(odd).toMatchObject({ events: [{ name: 'e', timeUnixNano: '1700000000000000005' }] });
});

test('the JSON-compatible parts of a body are recorded', async () => {
  const { journal } = openTrail(await tempDir());
  const cycle: Record<string, unknown> = { fine: 1 };
  cycle.self = cycle;
  await recordTask(INPUT, (task) => task.metadata(cycle as { fine: number }));
  const { logs } = await received(journal);
  expect(JSON.stringify(logs)).toContain('[circular]');
});

test('a collector receives the complete, masked records of a task', async () => {
  const collector = await startCollector();
  const { HolderTransport } = await import('../../src/export/holder-transport.ts');
  const { journal, sender, directory } = await startSending(
    new HolderTransport({ locate: async () => ({ url: collector.url }) }),
  );
  const recorder = new OtelRecorder({
    resource: resourceFromAttributes({ 'service.name': 'mine' }),
    journal,
  });
  recorder.install();
  setRecorder(recorder);
  onTestFinished(() => setRecorder(undefined));
  const secret = `ghp_${'a1B2'.repeat(9)}`;
  await recordTask({ ...INPUT, message: `use ${secret}` }, (task) => task.output(`${secret}\n`));
  await sender.drain(5_000);
  const text = collector.got.map(({ body }) => body).join('');
  for (const { body } of collector.got) JSON.parse(body);
  expect(text).toContain('use [redacted:github-token]');
  expect(text + (await readSegments(directory))).not.toContain(secret);
});

test('a log record of the SDK keeps its severity, both times and its span', () => {
  const encoded = encodeLogRecord({
    hrTime: [1, 5],
    hrTimeObserved: [2, 0],
    severityNumber: 9,
    severityText: 'INFO',
    body: { a: [1, null] },
    attributes: { k: { nested: true } },
    spanContext: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 },
  } as unknown as Parameters<typeof encodeLogRecord>[0]);
  expect(encoded).toEqual({
    timeUnixNano: '1000000005',
    observedTimeUnixNano: '2000000000',
    severityNumber: 9,
    severityText: 'INFO',
    body: {
      kvlistValue: { values: [{ key: 'a', value: { arrayValue: { values: [{ intValue: 1 }, {}] } } }] },
    },
    attributes: [
      { key: 'k', value: { kvlistValue: { values: [{ key: 'nested', value: { boolValue: true } }] } } },
    ],
    traceId: 'a'.repeat(32),
    spanId: 'b'.repeat(16),
  });
});

test.each([true, false])('spans do not depend on the setting of workflow events: %s', async (isOn) => {
  const { journal } = openTrail(await tempDir(), isOn);
  await recordTask(INPUT, (task) =>
    task.workflow('review', {}, (workflow) =>
      workflow.phase('build', {}, (phase) => phase.step('run', {}, () => undefined)),
    ),
  );
  const { logs, spans } = await received(journal);
  const events = logs.map(({ eventName }) => eventName).filter((name) => /_(?:start|complete)$/.test(name));
  expect(events).toHaveLength(isOn ? 6 : 0);
  expect(logs.some(({ eventName }) => eventName === 'tasktrail.task.result')).toBe(true);
  expect(spans.map(({ name }) => name).sort()).toEqual([
    'phase build',
    'process test',
    'step run',
    'workflow review',
  ]);
});

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** A phase with a step that starts twice. */
function runThrough(workflow: ReturnType<typeof startWorkflow>): string {
  const phase = workflow.startPhase('build');
  phase.startStep('run').end();
  phase.startStep('run').end();
  phase.end();
  workflow.end();
  return workflow.id;
}

test('every process derives the same ids for the spans of a workflow', async () => {
  const { journal } = openTrail(await tempDir());
  const workflowId = runThrough(startWorkflow('w'));
  const { spans } = await received(journal);
  const traceId = derivedTraceId(workflowId, sha256);
  const idOf = (phase: string | null, step: string | null, attempt: number): string =>
    derivedSpanId(traceId, { workflowId, phase, step, attempt }, sha256);
  expect(spans.map(({ traceId: trace, spanId, parentSpanId }) => [trace, spanId, parentSpanId])).toEqual([
    [traceId, idOf('build', 'run', 1), idOf('build', null, 1)],
    [traceId, idOf('build', 'run', 2), idOf('build', null, 1)],
    [traceId, idOf('build', null, 1), idOf(null, null, 1)],
    [traceId, idOf(null, null, 1), undefined],
  ]);
  runThrough(resumeKnownWorkflow(workflowId, { name: 'w' }, undefined));
  const again = await received(journal);
  expect(again.spans.map(({ spanId }) => spanId)).toEqual(spans.map(({ spanId }) => spanId));
});

test('inside a task spans use its trace, and spans without an identity keep random ids', async () => {
  const { journal } = openTrail(await tempDir());
  const workflowId = await recordTask(INPUT, (task) => runThrough(task.startWorkflow('w')));
  await recordTask(INPUT, () => undefined);
  const { spans } = await received(journal);
  expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(6);
  const process = named(spans, 'process test');
  expect(process?.traceId).not.toBe(derivedTraceId(workflowId, sha256));
  const workflow = named(spans, 'workflow w');
  const at = { workflowId, phase: null, step: null, attempt: 1 };
  expect(workflow).toMatchObject({
    traceId: process?.traceId,
    spanId: derivedSpanId(process?.traceId ?? '', at, sha256),
    parentSpanId: process?.spanId,
  });
});

test.each([
  [
    'whose id was given',
    () => {
      runThrough(startWorkflow('w', { workflowId: 'mine' }));
      runThrough(startWorkflow('w', { workflowId: 'mine' }));
    },
  ],
  [
    "that goes through a user's provider",
    () => {
      setGlobal([spanProcessor()]);
      runThrough(resumeKnownWorkflow('mine', { name: 'w' }, undefined));
      runThrough(resumeKnownWorkflow('mine', { name: 'w' }, undefined));
    },
  ],
])('the spans of a workflow %s have random ids', async (_which, run) => {
  const { journal } = openTrail(await tempDir());
  run();
  const { spans } = await received(journal);
  expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(8);
});
