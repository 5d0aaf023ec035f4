import { setTimeout as delay } from 'node:timers/promises';
import { context, trace } from '@opentelemetry/api';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type JsonObject, type JsonValue, objectOf } from '../../../src/model/json.ts';
import { recordDelivery, startDelivery } from '../../../src/record/delivery.ts';
import { mintMoment } from '../../../src/record/mint.ts';
import { type Recorder, setRecorder } from '../../../src/record/recorder.ts';
import { setAgentRunner } from '../../../src/record/task/agent-port.ts';
import { recordAttempt, recordTask, startTask } from '../../../src/record/task/attempt.ts';
import { prepareTask } from '../../../src/record/task/queued-task.ts';
import { installMemory } from '../../support/memory-recorder.ts';

const INPUT = { source: 'test', message: 'm', taskId: 'task-1' };

/** Calls every function of the API once. */
async function useEverything(fields: JsonObject = {}): Promise<string> {
  return recordDelivery({ headers: {} }, (delivery) => {
    delivery.stage('received', fields as Record<string, string>);
    const queued = delivery.task({ ...INPUT, metadata: fields, sourceMetadata: fields });
    return queued.enqueue({ queue: 'q', system: 'test' }, (carrier) =>
      recordAttempt(
        {
          taskId: queued.id,
          message: 'm',
          attempt: 1,
          willRetry: () => false,
          queue: 'q',
          system: 'test',
          carrier,
        },
        (task) =>
          task.workflow('w', {}, (workflow) =>
            workflow.phase('p', {}, (phase) =>
              phase.step('s', {}, (step) => {
                task.metadata(fields);
                task.output({
                  type: 'tool_call',
                  content: 'x',
                  toolName: 't',
                  toolUseId: '1',
                  toolInput: fields,
                  more: fields as Record<string, JsonValue>,
                });
                task.output(fields as unknown as string);
                step.artifact({ type: 'a', metadata: fields });
                step.artifact(fields as typeof fields & { type: string });
                return 'value';
              }),
            ),
          ),
      ),
    );
  });
}

test('without a recorder everything works and the value is returned', async () => {
  setRecorder(undefined);
  expect(await useEverything()).toBe('value');
  const task = startTask({ source: 's', message: 'm' });
  task.retryLater(new Error('x'));
  task.end();
  expect(task.traceparent).toBeUndefined();
});

function awkward(): JsonObject {
  const value: Record<string, unknown> = {
    big: 10n,
    nan: Number.NaN,
    fn: () => 1,
    symbol: Symbol('s'),
    deep: {},
    date: new Date(Number.NaN),
  };
  value.self = value;
  // Two paths to itself at each level: a walk without cycle detection visits 2^64 values.
  value.again = [value, { value }, { other: value }];
  Object.defineProperty(value, 'thrower', {
    enumerable: true,
    get: () => {
      throw new Error('mine');
    },
  });
  value.proxy = new Proxy(
    {},
    {
      ownKeys: () => {
        throw new Error('mine');
      },
    },
  );
  return value as JsonObject;
}

test('values that JSON does not have do not throw, and the value is returned', async () => {
  const memory = installMemory();
  expect(await useEverything(awkward())).toBe('value');
  expect(memory.facts.length).toBeGreaterThan(10);
});

test('a recorder that throws does not affect the caller', async () => {
  const broken: Recorder = {
    emit: () => {
      throw new Error('emit');
    },
    startSpan: () => {
      throw new Error('startSpan');
    },
    flush: () => undefined,
    synced: async () => undefined,
  };
  setRecorder(broken);
  try {
    expect(await useEverything()).toBe('value');
    const full = new Error('queue is full');
    const push = (): Promise<never> => Promise.reject(full);
    const enqueued = prepareTask(INPUT).enqueue({ queue: 'q', system: 's' }, push);
    await expect(enqueued).rejects.toBe(full);
  } finally {
    setRecorder(undefined);
  }
});

test.each([
  ['an error', new Error('x')],
  ['undefined', undefined],
  ['an object without a prototype', Object.create(null)],
  [
    'an error whose message throws',
    Object.defineProperty(new Error('x'), 'message', {
      get: () => {
        throw new Error('other');
      },
    }),
  ],
  ['a frozen string', 'text'],
])(
  '%s that the caller throws is rethrown unchanged from every form, sync or async',
  async (_what, thrown) => {
    const memory = installMemory();
    const fail = (): never => {
      throw thrown;
    };
    const failLater = async (): Promise<never> => {
      throw thrown;
    };
    const forms = [fail, failLater].flatMap((fn) => [
      () => recordTask(INPUT, fn),
      () => recordDelivery({ headers: {} }, fn),
      () => recordTask(INPUT, (task) => task.workflow('w', {}, fn)),
      () =>
        recordTask(INPUT, (task) =>
          task.workflow('w', {}, (w) => w.phase('p', {}, (p) => p.step('s', {}, fn))),
        ),
      () =>
        recordDelivery({ headers: {} }, (delivery) =>
          delivery.task(INPUT).enqueue({ queue: 'q', system: 's' }, failLater),
        ),
    ]);
    for (const form of forms) {
      const caught = await form().then(
        () => 'nothing',
        (error: unknown) => ({ error }),
      );
      expect(caught).toHaveProperty('error');
      if (typeof caught === 'object') expect(Object.is(caught.error, thrown)).toBe(true);
    }
    // Each form ended its spans.
    expect(memory.spans.filter(({ name }) => name === 'process test')).toHaveLength(6);
    expect(memory.spans.filter(({ name }) => name === 'POST /')).toHaveLength(4);
    // One each, also for tasks that were not queued.
    expect(memory.bodies('tasktrail.task.result')).toHaveLength(8);
  },
);

test('a result sums known amounts and keeps unknown amounts null', async () => {
  const memory = installMemory();
  await recordTask(INPUT, (task) => {
    task.usage({ costUsd: 0.1, inputTokens: 10 });
    task.usage({ costUsd: 0.2, inputTokens: null, outputTokens: Number.NaN });
    task.end({ result: 'done' });
    task.fail(new Error('too late'));
  });
  expect(memory.bodies('tasktrail.task.result')).toEqual([
    {
      success: true,
      result: 'done',
      error: null,
      status: 'completed',
      completed_at: expect.stringMatching(/^\d{4}-.*Z$/),
      metrics: {
        cost_usd: 0.3,
        input_tokens: 10,
        output_tokens: null,
        duration_seconds: expect.any(Number),
        cache_read_input_tokens: null,
        cache_creation_input_tokens: null,
      },
    },
  ]);
});

test('a result that exceeds the request limit is cut instead of lost', async () => {
  const memory = installMemory();
  await recordTask(INPUT, (task) => task.end({ result: 'ü'.repeat(5_000_000) }));
  const [body] = memory.bodies('tasktrail.task.result') as [{ result: string }];
  expect(Buffer.byteLength(body.result)).toBe(1024 * 1024);
});

test('an attempt that will be retried sends no result, but an error line and the status queued', async () => {
  const memory = installMemory();
  const input = { taskId: 'task-1', message: 'm', attempt: 2, queue: 'q', system: 's', carrier: {} };
  const boom = new Error('boom');
  const fail = (): never => {
    throw boom;
  };
  await expect(recordAttempt({ ...input, willRetry: () => true }, fail)).rejects.toBe(boom);
  expect(memory.bodies('tasktrail.task.result')).toEqual([]);
  expect(memory.facts.find(({ eventName }) => eventName === 'tasktrail.agent.output')).toMatchObject({
    body: 'boom',
    attributes: { 'tasktrail.agent.output.type': 'error', 'tasktrail.task.attempt': 2 },
  });
  expect(memory.facts.at(-1)).toMatchObject({
    body: { status: 'queued', attempt: 3 },
    attributes: { 'tasktrail.task.attempt': 3 },
  });
  await expect(recordAttempt({ ...input, willRetry: () => false }, fail)).rejects.toBe(boom);
  expect(memory.bodies('tasktrail.task.result')).toMatchObject([
    { success: false, status: 'failed', error: 'boom' },
  ]);
});

test('metadata of the caller does not replace the identity of the task', async () => {
  const memory = installMemory();
  await recordTask(
    { ...INPUT, metadata: { status: 'completed', source: 'x', created_at: 'y', command: 'c', model: 'm' } },
    () => 1,
  );
  const [first] = memory.bodies('tasktrail.task.metadata');
  expect(first).toMatchObject({ status: 'queued', source: 'test', command: 'c', model: 'm' });
  expect(first).not.toMatchObject({ created_at: 'y' });
});

test.each([
  ['ü', 1024 * 1024],
  ['€', 1024 * 1024 - 1],
  ['😀', 1024 * 1024],
  ['x', 1024 * 1024],
])('content of %s is cut at 1 MiB between characters', async (char, bytes) => {
  const memory = installMemory();
  const content = char.repeat(1024 * 1024 + 5);
  await recordTask(INPUT, (task) => task.output(content));
  const fact = memory.facts.find(({ eventName }) => eventName === 'tasktrail.agent.output');
  const body = String(fact?.body);
  expect(Buffer.byteLength(body)).toBe(bytes);
  expect(content.startsWith(body)).toBe(true);
  expect(fact?.attributes).toMatchObject({
    'tasktrail.agent.output.truncated': true,
    'tasktrail.agent.output.original_bytes': Buffer.byteLength(content),
  });
});

test('a token at the cut of an output, a tool input, a result or an error is not recorded in part', async () => {
  const memory = installMemory();
  const long = `${'q'.repeat(1024 * 1024 - 20)}ghp_${'B'.repeat(36)} and more`;
  await recordTask(INPUT, (task) => {
    task.output({ type: 'tool_call', content: long, toolName: 't', toolInput: { command: long } });
    task.end({ result: long, error: long });
  });
  const text = JSON.stringify(memory.facts);
  expect(text).not.toContain('ghp_');
  // The input starts a few characters later in its JSON: the cut hits the mask.
  expect(text.split('q[reda')).toHaveLength(5);
});

test('stages are held and then recorded once per task with their original times', async () => {
  vi.useFakeTimers({ now: Date.now() + 3_600_000, toFake: ['Date'] });
  const memory = installMemory();
  const delivery = startDelivery(
    {
      method: 'POST',
      url: '/webhooks/github?x=1',
      headers: { 'x-github-event': 'issues', traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` },
    },
    { deliveryId: 'd-1' },
  );
  const at = Date.now();
  delivery.stage('received', { labels: [1, 2], none: undefined });
  vi.setSystemTime(at + 1000);
  expect(memory.facts).toEqual([]);
  const first = delivery.task({ ...INPUT, taskId: 'task-a' });
  delivery.stage('immediate_response', { only: 'a' }, { taskId: 'task-a' });
  delivery.task({ ...INPUT, taskId: 'task-b' });
  await first.enqueue({ queue: 'q', system: 's' }, async (carrier) => carrier.traceparent);
  delivery.end(202);
  delivery.end(500);
  vi.useRealTimers();
  const stages = memory.facts
    .filter(({ attributes }) => attributes['tasktrail.webhook.stage'] !== undefined)
    .map(({ attributes, timeMs }) => [
      attributes['tasktrail.task.id'],
      attributes['tasktrail.webhook.stage'],
      timeMs - at,
    ]);
  expect(stages).toEqual([
    ['task-a', 'received', 0],
    ['task-a', 'task_created', 1000],
    ['task-a', 'immediate_response', 1000],
    ['task-b', 'received', 0],
    ['task-b', 'task_created', 1000],
    ['task-a', 'queue_push', 1000],
  ]);
  expect(memory.facts[0]?.attributes).toMatchObject({
    'tasktrail.webhook.provider': 'github',
    'tasktrail.webhook.delivery_id': 'd-1',
    'tasktrail.webhook.labels': [1, 2],
  });
  expect(memory.bodies('tasktrail.webhook.delivery')).toMatchObject([
    { outcome: 'accepted', task_ids: ['task-a', 'task-b'] },
  ]);
  const span = memory.span('POST /webhooks/github');
  expect(span.attributes['tasktrail.task.ids']).toEqual(['task-a', 'task-b']);
  expect(span.parentSpanContext).toBeUndefined();
  expect(span.links[0]?.context.traceId).toBe('a'.repeat(32));
  expect(memory.span('send q').parentSpanContext?.spanId).toBe(span.spanContext().spanId);
});

test('a delivery without tasks leaves only its own record; a crashed one has the reason', async () => {
  const memory = installMemory();
  await recordDelivery({ headers: {} }, (delivery) => delivery.stage('received'));
  await expect(
    recordDelivery({ headers: {} }, () => {
      throw new Error('crash');
    }),
  ).rejects.toThrow('crash');
  expect(memory.facts.map(({ eventName }) => eventName)).toEqual(Array(2).fill('tasktrail.webhook.delivery'));
  expect(memory.facts.map(({ body }) => body)).toMatchObject([
    { outcome: 'unmatched', reason: null, stages: [{ stage: 'received' }] },
    { outcome: 'rejected', reason: 'crash' },
  ]);
});

test('event ids ascend strictly, also after the clock steps back', () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const moments = [];
  for (const step of [0, 0, 5, -60_000, 0, -1, 30_000, 61_000]) {
    vi.setSystemTime(Date.now() + step);
    moments.push(mintMoment(), mintMoment());
  }
  vi.useRealTimers();
  const ids = moments.map(({ eventId }) => eventId);
  expect(ids).toEqual([...new Set(ids)].sort());
  for (const [at, { timeMs }] of moments.entries())
    expect(timeMs).toBeGreaterThanOrEqual(moments[at - 1]?.timeMs ?? 0);
});

test('an agent run and its tools end when the runner throws', async () => {
  const memory = installMemory();
  const boom = new Error('spawn');
  setAgentRunner({
    resume: async () => undefined,
    run: async (_command, _options, recording) => {
      const call = { type: 'tool_call', content: '', toolName: 'bash', toolUseId: '1' } as const;
      recording.output(call, { stream: 'stdout', line: 0, index: 0, timeMs: Date.now() });
      throw boom;
    },
    forget: () => {},
  });
  await expect(recordTask(INPUT, (task) => task.runAgent(['claude']))).rejects.toBe(boom);
  expect(memory.span('invoke_agent claude').status.code).toBe(2);
  expect(memory.span('execute_tool bash').attributes['error.type']).toBe('unfinished');
  expect(memory.span('execute_tool bash').parentSpanContext?.spanId).toBe(
    memory.span('invoke_agent claude').spanContext().spanId,
  );
});

test('the span of a task is active inside the task', async () => {
  installMemory();
  await recordTask(INPUT, (task) => {
    const active = trace.getSpanContext(context.active());
    expect(task.traceparent).toBe(`00-${active?.traceId}-${active?.spanId}-01`);
  });
});

test.for([-3_600_000, 7_200_000])(
  'the wall clock set by %d ms while a task runs changes no duration',
  async (step) => {
    const memory = installMemory();
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    const startedAt = performance.now();
    await recordTask(INPUT, (task) =>
      task.workflow('w', {}, (workflow) =>
        workflow.phase('p', {}, (phase) =>
          phase.step('s', {}, async () => {
            vi.setSystemTime(Date.now() + step);
            await delay(20);
          }),
        ),
      ),
    );
    const tookMs = performance.now() - startedAt;
    const durations = memory.facts.flatMap(({ body }) => {
      const { duration_ms: own, step: inner, metrics } = objectOf(body);
      const { duration_seconds: seconds } = objectOf(metrics);
      const found = [
        own,
        objectOf(inner).duration_ms,
        typeof seconds === 'number' ? seconds * 1_000 : undefined,
      ];
      return found.filter((value) => typeof value === 'number');
    });
    expect(durations).toHaveLength(4);
    // A timer may fire up to a millisecond early.
    for (const ms of durations) expect(ms).toBeGreaterThanOrEqual(18);
    for (const ms of durations) expect(ms).toBeLessThanOrEqual(tookMs + 1);
  },
);
