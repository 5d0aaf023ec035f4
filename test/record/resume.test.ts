import { expect, test, vi } from 'vitest';
import type { JsonObject } from '../../src/model/json.ts';
import type { WorkflowLevel } from '../../src/model/workflow.ts';
import { setRecorder } from '../../src/record/recorder.ts';
import { recordTask } from '../../src/record/task/attempt.ts';
import { resumeKnownWorkflow, startWorkflow } from '../../src/record/workflow/orchestration.ts';
import type { Workflow } from '../../src/record/workflow/workflow.ts';
import { reversedKeys } from '../support/reversed-keys.ts';
import { DEADLINE } from '../support/until.ts';
import { type Ledger, openLedger } from './ledger.ts';

/** Starts a workflow with a phase and steps, and leaves it open. */
function abandon(ledger: Ledger): string {
  ledger.startProcess();
  const workflow = startWorkflow('release', { workItemId: '7' });
  const phase = workflow.startPhase('build', { steps: ['compile', 'test'] });
  const done = phase.startStep('compile');
  done.artifact({ type: 'file', path: '/a', metadata: { size: 1 } });
  done.end();
  phase.startStep('test');
  return workflow.id;
}

function resume(ledger: Ledger, id: string): Workflow {
  ledger.startProcess();
  return resumeKnownWorkflow(id, {}, ledger.known(id));
}

/** Type and attempt of the facts after the first `before`. */
function factsAfter(ledger: Ledger, before: number): [string, number | null][] {
  return ledger.facts.slice(before).map(({ event_type: type, attempt }) => [type, attempt]);
}

test('open nodes continue under their spans, and ended nodes are known', () => {
  const ledger = openLedger();
  const id = abandon(ledger);
  const before = ledger.facts.length;
  const { levels } = ledger.fold(id).state;
  const workflow = resume(ledger, id);
  expect(workflow).toMatchObject({ id, name: 'release', attempt: 1 });
  expect([
    workflow.isDone('build', 'compile'),
    workflow.isDone('build', 'test'),
    workflow.isDone('build'),
  ]).toEqual([true, false, false]);
  const phase = workflow.startPhase('build');
  const step = phase.startStep('test');
  expect([workflow, phase, step].map(({ traceparent }) => traceparent)).toEqual(
    [levels[0], levels[1], levels[3]].map((level) => `00-${level?.trace_id}-${level?.span_id}-01`),
  );
  step.fail(new RangeError('no'));
  phase.end();
  workflow.end();
  expect(factsAfter(ledger, before)).toEqual([
    ['workflow_resumed', 1],
    ['step_complete', 1],
    ['phase_complete', 1],
    ['workflow_complete', 1],
  ]);
  const [resumed, ...ends] = ledger.facts.slice(before);
  expect(resumed).toMatchObject({ payload: { from_phase: 'build', from_step: 'test' }, work_item_id: '7' });
  expect(resumed?.span).toBeUndefined();
  expect(ends.map(({ derive }) => derive?.attributes)).toMatchObject([
    { 'error.type': 'RangeError', 'tasktrail.step.status': 'failure' },
    { 'error.type': 'step_failed' },
    { 'error.type': 'phase_failed', 'cicd.pipeline.result': 'failure' },
  ]);
  expect(ends.map(({ payload }) => payload)).toMatchObject([
    { artifacts: [] },
    { steps_completed: 2, artifacts_created: 1 },
    {
      summary: { phases_executed: 1, steps_executed: 2, artifacts_created: 1, retries_used: 0 },
      artifacts: [{ type: 'file', path: '/a' }],
    },
  ]);
  // This process sends no spans: the store builds them from the facts.
  expect(ledger.spans.map(({ name }) => name)).toEqual(['step compile']);
});

test('a resumed step keeps its artifacts, each once', () => {
  const ledger = openLedger();
  ledger.startProcess();
  const first = startWorkflow('w');
  const open = first.startPhase('p').startStep('s');
  open.artifact({ type: 'a' });
  const step = resume(ledger, first.id).startPhase('p').startStep('s');
  step.artifact({ type: 'a' });
  step.artifact({ type: 'b' });
  step.end();
  const end = ledger.facts.findLast(({ event_type: type }) => type === 'step_complete');
  expect(end?.payload).toMatchObject({ artifacts: [{ type: 'a' }, { type: 'b' }] });
  expect(ledger.facts.filter(({ event_type: type }) => type === 'artifact_create')).toHaveLength(2);
});

test('an artifact that another program reported in its own form is known after a resume', () => {
  const ledger = openLedger();
  ledger.startProcess();
  const first = startWorkflow('w');
  const phase = first.startPhase('p');
  phase.artifact({ type: 'report', metadata: { a: 1, b: 2 } });
  phase.startStep('s').artifact({ type: 'pr', url: `https://bot:${'a'.repeat(20)}@example.org/1` });
  const known = ledger.known(first.id);
  const events = known?.events?.map((event) =>
    event.event_type === 'artifact_create'
      ? { ...event, payload: { ...(reversedKeys(event.payload) as JsonObject), phase: 'p' } }
      : event,
  );
  ledger.startProcess();
  const again = resumeKnownWorkflow(first.id, {}, { ...known, events });
  const before = ledger.facts.length;
  const resumed = again.startPhase('p');
  resumed.artifact({ metadata: { b: 2, a: 1 }, type: 'report' });
  resumed.startStep('s').artifact({ type: 'pr', url: `https://bot:${'b'.repeat(20)}@example.org/1` });
  expect(ledger.facts).toHaveLength(before);
  again.end();
  expect(ledger.facts.at(-1)?.payload).toMatchObject({ summary: { artifacts_created: 2 } });
});

test('a phase that another program ended as failed fails the resumed workflow', () => {
  const ledger = openLedger();
  const id = abandon(ledger);
  const known = ledger.known(id);
  const [first] = known?.events ?? [];
  const end = { ...first, event_type: 'phase_complete', payload: { phase: 'build', status: 'failed' } };
  ledger.startProcess();
  resumeKnownWorkflow(id, {}, { ...known, events: [...(known?.events ?? []), end] }).end();
  expect(ledger.facts.at(-1)?.payload).toMatchObject({ status: 'failure' });
});

test('a start after an end, a success or a failure, is the next attempt', () => {
  const ledger = openLedger();
  const id = abandon(ledger);
  const phase = resume(ledger, id).startPhase('build');
  expect(phase.startStep('compile').attempt).toBe(2);
  phase.startStep('test').fail(new Error('no'));
  expect(phase.startStep('test').attempt).toBe(2);
  phase.end();
  const again = resume(ledger, id).startPhase('build');
  expect([phase.attempt, again.attempt]).toEqual([1, 2]);
});

test('a resume after the end is another attempt, with its own span in the same trace', () => {
  const ledger = openLedger();
  const id = abandon(ledger);
  resume(ledger, id).fail(new Error('gave up'));
  const { trace_id: traceId, levels } = ledger.fold(id).state;
  const before = ledger.facts.length;
  const workflow = resume(ledger, id);
  expect(workflow.attempt).toBe(2);
  workflow.skipPhase('release');
  workflow.end();
  const facts = factsAfter(ledger, before);
  expect([facts[0], facts.at(-1), facts.length]).toEqual([
    ['workflow_resumed', 2],
    ['workflow_complete', 2],
    3,
  ]);
  const span = ledger.spans.findLast(({ name }) => name === 'workflow release');
  expect(span?.traceId).toBe(traceId);
  expect(span?.spanId).not.toBe(levels[0]?.span_id);
  expect(ledger.facts[before]).toMatchObject({ span_id: span?.spanId, span: { name: 'workflow release' } });
  expect(ledger.fold(id).state).toMatchObject({ attempt: 2, status: 'success' });
});

test('a resume after the end without further records changes nothing, also when it is ended again', () => {
  const ledger = openLedger();
  const id = abandon(ledger);
  resume(ledger, id).end();
  const before = ledger.facts.length;
  const spans = ledger.spans.length;
  const workflow = resume(ledger, id);
  expect(workflow.isDone('build', 'test')).toBe(
    ledger.fold(id).state.levels.some((one) => one.step === 'test' && one.status === 'success'),
  );
  workflow.end();
  expect([ledger.facts.length, ledger.spans.length]).toEqual([before, spans]);
  resume(ledger, id).fail(new Error('something was done after all'));
  expect(factsAfter(ledger, before)).toEqual([
    ['workflow_resumed', 2],
    ['workflow_complete', 2],
  ]);
});

test('the resume of an unknown id records the start too, and each process without the state records it again', () => {
  const ledger = openLedger();
  for (const _process of [1, 2]) {
    ledger.startProcess();
    const workflow = resumeKnownWorkflow('mine', { name: 'w', phases: ['p'], workItemId: '7' }, undefined);
    workflow.startPhase('p').end();
  }
  expect(ledger.facts.map(({ event_type: type, attempt }) => [type, attempt])).toEqual(
    [1, 2].flatMap(() => [
      ['workflow_start', 1],
      ['workflow_resumed', 1],
      ['phase_start', 1],
      ['phase_complete', 1],
    ]),
  );
  const fold = ledger.fold('mine');
  expect(fold.envelopes.map(({ event_type: type }) => type)).toEqual([
    'workflow_start',
    'workflow_resumed',
    'phase_start',
    'phase_complete',
    'workflow_resumed',
  ]);
  expect(new Set(ledger.spans.map(({ spanId }) => spanId)).size).toBe(1);
  expect(ledger.facts[0]).toMatchObject({ name: 'w', phases: ['p'], work_item_id: '7' });
});

test('durations count from the first start', () => {
  const ledger = openLedger();
  const id = abandon(ledger);
  const known = ledger.known(id);
  vi.useFakeTimers({ now: Date.now() + 3_600_000, toFake: ['Date'] });
  try {
    ledger.startProcess();
    const workflow = resumeKnownWorkflow(id, {}, known);
    const phase = workflow.startPhase('build');
    phase.startStep('test').end();
    phase.end();
    workflow.end();
  } finally {
    vi.useRealTimers();
  }
  const text = JSON.stringify(ledger.facts.slice(-3).map(({ payload }) => payload));
  const durations = [...text.matchAll(/"duration_ms":(\d+)/g)].map((match) => Number(match[1]));
  expect(durations).toHaveLength(3);
  for (const duration of durations) {
    expect(duration).toBeGreaterThanOrEqual(3_600_000);
    expect(duration).toBeLessThan(3_700_000);
  }
});

test('tries of earlier processes count, and the retry loop continues after them', async () => {
  const ledger = openLedger();
  ledger.startProcess();
  const first = startWorkflow('w');
  const open = first.startPhase('p');
  const never = new Promise<void>(() => undefined);
  void open.retryStep('s', {}, (step) => {
    if (step.attempt === 1) throw new Error('one');
    return never;
  });
  await vi.waitFor(
    () => expect(ledger.facts.at(-1)).toMatchObject({ event_type: 'step_start', attempt: 2 }),
    DEADLINE,
  );
  const phase = resume(ledger, first.id).startPhase('p');
  const seen: number[] = [];
  const fail = (step: { readonly attempt: number }): void => {
    seen.push(step.attempt);
    throw new Error(`no ${step.attempt}`);
  };
  await expect(phase.retryStep('s', {}, fail)).rejects.toThrow('no 3');
  expect(seen).toEqual([2, 3]);
  const after = resume(ledger, first.id).startPhase('p');
  await expect(after.retryStep('s', {}, fail)).rejects.toMatchObject({
    code: 'ERR_STEP_FAILED',
    message: 'step s failed 3 times: no 3',
  });
  // Another retry loop counts its own tries.
  await expect(after.retryStep('s', { maxAttempts: 4 }, fail)).rejects.toThrow('no 4');
  await expect(after.retryStep('s', { maxAttempts: 1 }, fail)).rejects.toThrow('no 5');
  const retries = ledger.fold(first.id).envelopes.filter(({ event_type: type }) => type === 'step_retry');
  expect(retries.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
});

test('a workflow that is resumed inside another task is linked to that task as well', async () => {
  const ledger = openLedger();
  const id = abandon(ledger);
  const known = ledger.known(id);
  await recordTask({ source: 'test', message: 'm', taskId: 'task-2' }, () => {
    resumeKnownWorkflow(id, {}, known).end();
  });
  const { task_ids: taskIds, trace_id: traceId } = ledger.fold(id).state;
  expect(taskIds).toEqual(['task-2']);
  expect(ledger.facts.at(-1)).toMatchObject({ trace_id: traceId, task_id: 'task-2' });
});

test.each([
  ['that is no workflow', { code: 'ERR_NOT_FOUND' }, /not a workflow/],
  ['with invalid levels', { workflow_id: 'mine', levels: [null] }, /not a workflow/],
  ['with invalid events', { workflow_id: 'mine', levels: [], events: [1] }, /not a workflow/],
  ['of another workflow', { workflow_id: 'other', levels: [] }, /of workflow other, not of mine/],
])('a state %s throws TypeError', (_what, state, message) => {
  const call = (): unknown => resumeKnownWorkflow('mine', {}, state);
  expect(call).toThrow(TypeError);
  expect(call).toThrow(message);
});

test('without a trail a resumed workflow knows the finished nodes and records nothing', () => {
  const ledger = openLedger();
  const id = abandon(ledger);
  const before = ledger.size;
  setRecorder(undefined);
  const workflow = resumeKnownWorkflow(id, {}, ledger.known(id));
  expect(workflow.isDone('build', 'compile')).toBe(true);
  workflow.startPhase('build').end();
  workflow.end();
  expect(workflow.traceparent).toBeUndefined();
  expect(ledger.size).toBe(before);
});

test('an id that cannot be part of a path is rejected', () => {
  expect(() => resumeKnownWorkflow('../x', {}, undefined)).toThrow(
    expect.objectContaining({ code: 'ERR_ID_INVALID' }),
  );
});

test('a run that was resumed after its end counts its tries from zero', async () => {
  const ledger = openLedger();
  ledger.startProcess();
  const first = startWorkflow('w');
  const fail = (): void => {
    throw new Error('no');
  };
  await expect(first.startPhase('p').retryStep('s', { maxAttempts: 2 }, fail)).rejects.toThrow('no');
  first.fail(new Error('gave up'));
  // The phase was left open: it continues in the second attempt of the workflow.
  const phase = resume(ledger, first.id).startPhase('p');
  expect(phase.attempt).toBe(1);
  expect(await phase.retryStep('s', { maxAttempts: 2 }, (step) => step.attempt)).toBe(3);
});

test('parallel open attempts are all resumed, and none once a later one has ended', () => {
  const ledger = openLedger();
  ledger.startProcess();
  const first = startWorkflow('w');
  const open = first.startPhase('p');
  for (const _number of [1, 2]) open.startStep('both');
  const [, later] = [open.startStep('one'), open.startStep('one')];
  later.end();
  const phase = resume(ledger, first.id).startPhase('p');
  const attempts = ['both', 'both', 'both', 'one'].map((name) => phase.startStep(name).attempt);
  expect(attempts).toEqual([1, 2, 3, 3]);
});

test('a workflow of a task stays in the trace of the task, also in an attempt after its end', async () => {
  const ledger = openLedger();
  ledger.startProcess();
  const id = await recordTask({ source: 'test', message: 'm', taskId: 'task-1' }, (task) =>
    task.workflow('w', {}, (workflow) => workflow.id),
  );
  resume(ledger, id).cancel();
  const runs = ledger.spans.filter(({ name }) => name === 'workflow w');
  expect(runs).toHaveLength(2);
  expect(new Set(runs.map(({ traceId }) => traceId)).size).toBe(1);
  expect(runs[1]?.parentSpanId).toBeUndefined();
});

test('a missing start is recorded again as that of attempt 1', () => {
  const ledger = openLedger();
  const id = abandon(ledger);
  resume(ledger, id).fail(new Error('no'));
  const known = ledger.known(id);
  const before = ledger.facts.length;
  ledger.startProcess();
  const events = known?.events?.filter(({ event_type: type }) => type !== 'workflow_start') ?? [];
  resumeKnownWorkflow(id, {}, { ...known, events }).end();
  expect(factsAfter(ledger, before)).toEqual([
    ['workflow_start', 1],
    ['workflow_resumed', 2],
    ['workflow_complete', 2],
  ]);
  const [start, resumed] = ledger.facts.slice(before);
  expect([start?.span, resumed?.span?.name]).toEqual([undefined, 'workflow release']);
});

/** A state without events; missing fields are filled in. */
function stateOf(levels: readonly Partial<WorkflowLevel>[], artifacts = 0): unknown {
  const none = { phase: null, step: null, attempt: 1, started_at: null, completed_at: null, status: null };
  return {
    workflow_id: 'mine',
    measured: { artifacts },
    levels: levels.map((level) => ({ ...none, trace_id: null, span_id: null, ...level })),
  };
}

const AT = (second: number): string => `2026-01-02T03:04:${String(second).padStart(2, '0')}.000Z`;

test('a state without events tells ended, skipped and failed nodes and their counts', () => {
  const ledger = openLedger();
  ledger.startProcess();
  const state = stateOf(
    [
      // A step may be listed before its phase, and a phase before the workflow.
      { phase: 'p', step: 'old', attempt: 2, started_at: AT(2), completed_at: AT(3), status: 'failure' },
      { started_at: AT(1) },
      { phase: 'p', attempt: 2, started_at: AT(4) },
      { phase: 'p', step: 'new', started_at: AT(5), completed_at: AT(6), status: 'success' },
      { phase: 'p', step: 'gone', status: 'skipped' },
      { phase: 'p', step: 'ended', completed_at: AT(6), status: 'success' },
      { phase: 'q', status: 'skipped' },
      { phase: 'q', step: 'again', attempt: 3, status: 'skipped' },
      { phase: 'r' },
    ],
    7,
  );
  const workflow = resumeKnownWorkflow('mine', {}, state);
  const done = ['old', 'new', 'gone', 'ended'].map((step) => workflow.isDone('p', step));
  expect(done).toEqual([false, true, true, true]);
  expect(['p', 'q', 'r'].map((phase) => workflow.isDone(phase))).toEqual([false, true, false]);
  const phase = workflow.startPhase('p');
  expect([phase.attempt, phase.startStep('gone').attempt]).toEqual([2, 1]);
  expect(workflow.isDone('q', 'again')).toBe(true);
  phase.end();
  workflow.startPhase('r').end();
  expect(workflow.startPhase('q').startStep('again').attempt).toBe(3);
  workflow.end();
  const [p, r, end] = ledger.facts.filter(({ event_type: type }) => type.endsWith('_complete'));
  // The failure was in an earlier attempt of the phase.
  expect(p).toMatchObject({ attempt: 2, payload: { status: 'success', steps_completed: 2 } });
  expect(r).toMatchObject({ attempt: 1 });
  expect(end?.payload).toMatchObject({
    summary: { phases_executed: 3, steps_executed: 5, artifacts_created: 7, retries_used: 1 + 2 },
  });
});

test('an end without a known start is an attempt', () => {
  const ledger = openLedger();
  const id = abandon(ledger);
  const phase = resume(ledger, id).startPhase('build');
  phase.startStep('test').fail(new Error('no'));
  phase.startStep('test');
  const known = ledger.known(id);
  const events = known?.events?.filter(
    ({ event_type: type, payload }) => type !== 'step_start' || !JSON.stringify(payload).includes('"test"'),
  );
  ledger.startProcess();
  const again = resumeKnownWorkflow(id, {}, { ...known, events }).startPhase('build');
  return expect(
    again.retryStep('test', { maxAttempts: 2 }, (step) => step.fail(new Error('last'))),
  ).rejects.toThrow('step test failed 2 times: last');
});
