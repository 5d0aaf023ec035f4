import { context } from '@opentelemetry/api';
import { expect, test } from 'vitest';
import { WORKFLOW_EVENT_TYPES } from '../../src/model/events.ts';
import type { Fact } from '../../src/model/fact.ts';
import { checkPayload } from '../../src/model/workflow-payloads.ts';
import { setRecorder } from '../../src/record/recorder.ts';
import { activeScope } from '../../src/record/scope.ts';
import { recordTask } from '../../src/record/task/attempt.ts';
import {
  recordWorkflow,
  resumeKnownWorkflow,
  startWorkflow,
} from '../../src/record/workflow/orchestration.ts';
import { installMemory, type MemoryRecorder } from '../support/memory-recorder.ts';

const ATTEMPT = 'tasktrail.event.attempt';

function events(memory: MemoryRecorder, ...types: string[]): Fact[] {
  return memory.facts.filter(({ eventName }) => types.includes(eventName.replace('tasktrail.', '')));
}

/** Type, phase, step and attempt of each event. */
function outline(memory: MemoryRecorder): string[] {
  return memory.facts.map(({ eventName, attributes }) =>
    [
      eventName.replace('tasktrail.', ''),
      attributes['tasktrail.phase.name'],
      attributes['tasktrail.step.name'],
      attributes[ATTEMPT],
    ]
      .filter((part) => part !== undefined)
      .join(' '),
  );
}

test('a workflow without a task has its own trace', async () => {
  const memory = installMemory();
  const given = await recordWorkflow('release', { workItemId: '7' }, (workflow) =>
    workflow.phase('build', {}, () => workflow.id),
  );
  expect(given).toMatch(/^workflow-7-\d{8}T\d{6}Z-[0-9a-z]{4}$/);
  expect(outline(memory)).toEqual([
    'workflow_start 1',
    'phase_start build 1',
    'phase_complete build 1',
    'workflow_complete 1',
  ]);
  for (const { attributes } of memory.facts) {
    expect(attributes['tasktrail.workflow.id']).toBe(given);
    expect(attributes['tasktrail.work_item.id']).toBe('7');
    expect(attributes['tasktrail.task.id']).toBeUndefined();
  }
  expect(memory.span('workflow release').parentSpanContext).toBeUndefined();
});

test('a workflow inside a task is linked to it, whether the task or a function started it', async () => {
  const memory = installMemory();
  const ids = await recordTask({ source: 'test', message: 'm', taskId: 'task-1' }, async (task) => [
    await recordWorkflow('a', {}, ({ id }) => id),
    await task.workflow('b', {}, ({ id }) => id),
  ]);
  expect(memory.bodies('tasktrail.task.metadata')).toEqual(
    expect.arrayContaining(ids.map((id) => ({ workflow_ids: [id] }))),
  );
  for (const { attributes } of events(memory, 'workflow_start', 'workflow_complete'))
    expect(attributes['tasktrail.task.id']).toBe('task-1');
  const process = memory.span('process test').spanContext().spanId;
  for (const name of ['workflow a', 'workflow b'])
    expect(memory.span(name).parentSpanContext?.spanId).toBe(process);
});

test('planned phases and the workflow name are attributes of the start, not fields of its payload', () => {
  const memory = installMemory();
  startWorkflow('release', { phases: ['build', 'test'] }).end();
  const [start] = events(memory, 'workflow_start');
  expect(start?.attributes).toMatchObject({
    'tasktrail.workflow.phases': ['build', 'test'],
    'gen_ai.workflow.name': 'release',
  });
  expect(start?.body).toEqual({ context: { work_item_id: null, branch: null, autonomy_level: null } });
});

test('for a given id the store counts the attempts, because other processes may have started some', () => {
  const memory = installMemory();
  const workflow = startWorkflow('w', { workflowId: 'mine' });
  const phase = workflow.startPhase('p');
  phase.startStep('s').fail(new Error('no'));
  const step = phase.startStep('s');
  expect([workflow.attempt, phase.attempt, step.attempt]).toEqual([1, 1, 2]);
  step.end();
  phase.end();
  workflow.end();
  for (const { attributes } of memory.facts) expect(attributes[ATTEMPT]).toBeUndefined();
});

test('decisions, approvals and errors name their node and are on its span too', () => {
  const memory = installMemory();
  const workflow = startWorkflow('w');
  const phase = workflow.startPhase('p');
  const step = phase.startStep('s');
  step.decision({ decision: 'engine', options: ['a', 'b'], chosen: 'b', reason: 'faster' });
  phase.requestApproval('merge', { asked: 'ann' });
  phase.grantApproval('merge', { by: 'ann' });
  workflow.requestApproval('deploy');
  workflow.denyApproval('deploy', { by: 'bob', reason: 'friday' });
  step.error(new RangeError('odd'), { retryable: true });
  step.end();
  phase.end();
  workflow.end();
  const recorded = memory.facts
    .filter(({ eventName }) => /decision|approval|error/.test(eventName))
    .map(({ eventName, body }) => [eventName.replace('tasktrail.', ''), body]);
  expect(recorded).toEqual([
    [
      'decision_point',
      { decision: 'engine', options: ['a', 'b'], chosen: 'b', reason: 'faster', phase: 'p', step: 's' },
    ],
    ['approval_request', { asked: 'ann', approval: 'merge', phase: 'p' }],
    ['approval_granted', { by: 'ann', approval: 'merge', phase: 'p' }],
    ['approval_request', { approval: 'deploy' }],
    ['approval_denied', { by: 'bob', reason: 'friday', approval: 'deploy' }],
    ['error', { retryable: true, error: { type: 'RangeError', message: 'odd' }, phase: 'p', step: 's' }],
  ]);
  const marks = memory.span('step s').events.map(({ name, attributes }) => [name, attributes]);
  expect(marks).toEqual([
    ['tasktrail.decision_point', { decision: 'engine', chosen: 'b' }],
    ['tasktrail.error', { 'exception.type': 'RangeError', 'exception.message': 'odd' }],
  ]);
  expect(memory.span('step s').status.code).toBe(0);
});

test('artifacts belong to a step, a phase or the workflow, and the same artifact twice is one', () => {
  const memory = installMemory();
  const workflow = startWorkflow('w');
  const phase = workflow.startPhase('p');
  const step = phase.startStep('s');
  step.artifact({ type: 'spec', path: '/a', metadata: { x: 1, y: 2 } });
  step.artifact({ path: '/a', type: 'spec', metadata: { y: 2, x: 1 } });
  step.artifact({ type: 'spec', path: '/b' });
  step.end();
  phase.artifact({ type: 'report' });
  phase.end();
  workflow.artifact({ type: 'pr', url: 'u' });
  workflow.end();
  expect(memory.bodies('tasktrail.artifact_create')).toEqual([
    { artifact: { type: 'spec', path: '/a', metadata: { x: 1, y: 2 } }, step: 's' },
    { artifact: { type: 'spec', path: '/b', metadata: {} }, step: 's' },
    { artifact: { type: 'report', metadata: {} }, step: null, phase: 'p' },
    { artifact: { type: 'pr', url: 'u', metadata: {} }, step: null },
  ]);
  const [a, b, report, pr] = [
    { type: 'spec', path: '/a' },
    { type: 'spec', path: '/b' },
    { type: 'report' },
    { type: 'pr', url: 'u' },
  ];
  expect(memory.bodies('tasktrail.step_complete')).toMatchObject([{ artifacts: [a, b] }]);
  expect(memory.bodies('tasktrail.phase_complete')).toMatchObject([{ artifacts_created: 3 }]);
  expect(memory.bodies('tasktrail.workflow_complete')).toMatchObject([
    { summary: { artifacts_created: 4 }, artifacts: [a, b, report, pr] },
  ]);
});

test('a skip is recorded, counts as done and is not counted as executed', () => {
  const memory = installMemory();
  const workflow = startWorkflow('w');
  workflow.skipPhase('docs', 'none changed');
  const phase = workflow.startPhase('p');
  phase.skipStep('lint');
  phase.startStep('test').fail(new Error('no'));
  phase.skipStep('test', 'flaky');
  phase.end();
  workflow.end();
  expect(outline(memory).filter((line) => line.includes('skip'))).toEqual([
    'phase_skip docs 1',
    'step_skip p lint 1',
    'step_skip p test 2',
  ]);
  expect(memory.bodies('tasktrail.phase_skip')).toEqual([{ phase: 'docs', reason: 'none changed' }]);
  expect(memory.bodies('tasktrail.step_skip')).toEqual([
    { phase: 'p', step: { name: 'lint' }, reason: null },
    { phase: 'p', step: { name: 'test' }, reason: 'flaky' },
  ]);
  expect([workflow.isDone('docs'), phase.isDone('lint'), workflow.isDone('p', 'test')]).toEqual([
    true,
    true,
    true,
  ]);
  expect(memory.bodies('tasktrail.workflow_complete')).toMatchObject([
    { status: 'success', summary: { phases_executed: 1, steps_executed: 1 } },
  ]);
});

test.each([
  ['success', true],
  ['warning', true],
  ['failure', false],
  ['pending_input', false],
] as const)('a step with the status %s is done: %s', (status, isDone) => {
  const memory = installMemory();
  const workflow = startWorkflow('w');
  const phase = workflow.startPhase('p');
  const step = phase.startStep('s');
  expect(workflow.isDone('p', 's')).toBe(false);
  step.status(status);
  step.end();
  phase.end();
  expect([workflow.isDone('p', 's'), phase.isDone('s'), workflow.isDone('p')]).toEqual([
    isDone,
    isDone,
    status !== 'failure',
  ]);
  expect(memory.span('step s').attributes['tasktrail.step.status']).toBe(status);
});

test('the summary counts phases and steps once, and further starts as retries', () => {
  const memory = installMemory();
  const workflow = startWorkflow('w');
  for (const _round of [1, 2]) {
    const phase = workflow.startPhase('evaluate');
    phase.startStep('a').end();
    phase.startStep('b').fail(new Error('no'));
    phase.startStep('b').end();
    phase.end();
    workflow.startPhase('bare').end();
  }
  workflow.end();
  expect(memory.bodies('tasktrail.workflow_complete')).toMatchObject([
    { status: 'success', summary: { phases_executed: 2, steps_executed: 2, retries_used: 1 + 3 + 1 } },
  ]);
  expect(memory.bodies('tasktrail.phase_complete')).toMatchObject([
    { phase: 'evaluate', steps_completed: 2 },
    { phase: 'bare', steps_completed: 0 },
    { phase: 'evaluate', steps_completed: 2 },
    { phase: 'bare', steps_completed: 0 },
  ]);
  expect(outline(memory).filter((line) => line.startsWith('step_start'))).toEqual([
    'step_start evaluate a 1',
    'step_start evaluate b 1',
    'step_start evaluate b 2',
    'step_start evaluate a 2',
    'step_start evaluate b 3',
    'step_start evaluate b 4',
  ]);
});

test('a cancelled workflow is recorded as cancelled, once', () => {
  const memory = installMemory();
  const workflow = startWorkflow('w');
  workflow.cancel('superseded');
  workflow.end();
  expect(memory.bodies('tasktrail.workflow_complete')).toMatchObject([
    { status: 'cancelled', reason: 'superseded' },
  ]);
  expect(memory.span('workflow w')).toMatchObject({
    status: { code: 2, message: 'superseded' },
    attributes: { 'error.type': 'cancelled', 'cicd.pipeline.result': 'cancellation' },
  });
});

test('parallel steps are siblings with separate artifacts, also those of one name', async () => {
  const memory = installMemory();
  await recordWorkflow('w', {}, (workflow) =>
    workflow.phase('p', {}, async (phase) => {
      const seen = await Promise.all(
        ['a', 'b', 'a'].map((name) =>
          phase.step(name, {}, async (step) => {
            await new Promise((resolve) => setImmediate(resolve));
            step.artifact({ type: name, number: step.attempt });
            return [activeScope()?.ids?.spanId, step.traceparent?.slice(36, 52)];
          }),
        ),
      );
      for (const [active, own] of seen) expect(active).toBe(own);
      expect(new Set(seen.map(([active]) => active)).size).toBe(3);
    }),
  );
  const parent = memory.span('phase p').spanContext().spanId;
  const steps = memory.spans.filter(({ name }) => name.startsWith('step'));
  expect(steps.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual([parent, parent, parent]);
  const ends = events(memory, 'step_complete').map(({ attributes, body }) => [attributes[ATTEMPT], body]);
  expect(ends).toMatchObject([
    [1, { step: { name: 'a' }, artifacts: [{ type: 'a', number: 1 }] }],
    [1, { step: { name: 'b' }, artifacts: [{ type: 'b', number: 1 }] }],
    [2, { step: { name: 'a' }, artifacts: [{ type: 'a', number: 2 }] }],
  ]);
  expect(activeScope()).toBeUndefined();
});

test('a failed attempt beside a parallel success of the same step fails the phase', () => {
  const memory = installMemory();
  const phase = startWorkflow('w').startPhase('p');
  const [one, other] = [phase.startStep('s'), phase.startStep('s')];
  one.fail(new Error('no'));
  other.end();
  phase.end();
  expect(memory.bodies('tasktrail.phase_complete')).toMatchObject([{ status: 'failure' }]);
});

test('no recorded value throws', () => {
  const memory = installMemory();
  const cycle: Record<string, unknown> = { big: 1n };
  cycle.self = cycle;
  const throwing = new Proxy(
    {},
    {
      ownKeys() {
        throw new Error('no');
      },
    },
  );
  const workflow = startWorkflow('w', { phases: 5 as never, branch: cycle as never, workItemId: '7' });
  const phase = workflow.startPhase('p', { steps: cycle as never });
  const step = phase.startStep('s', { skill: cycle as never });
  for (const level of [workflow, phase, step]) {
    for (const value of [undefined, null, 1n, 'x', Symbol('s'), cycle, throwing, [1]] as never[]) {
      level.artifact(value);
      level.decision(value);
      level.requestApproval(value, value);
      level.grantApproval(value, value);
      level.denyApproval(value);
      level.error(value, value);
    }
  }
  phase.skipStep('t', cycle as never);
  workflow.skipPhase('q', throwing as never);
  step.status(cycle as never);
  step.end();
  phase.fail(throwing);
  workflow.cancel(cycle as never);
  expect(events(memory, 'step_complete', 'phase_complete', 'workflow_complete')).toHaveLength(3);
});

test.each([
  ['workflow', () => startWorkflow(undefined as never)],
  ['phase', () => startWorkflow('w').startPhase(5 as never)],
  ['phase', () => startWorkflow('w').skipPhase(null as never)],
  [
    'step',
    () =>
      startWorkflow('w')
        .startPhase('p')
        .startStep({} as never),
  ],
  [
    'step',
    () =>
      startWorkflow('w')
        .startPhase('p')
        .skipStep(undefined as never),
  ],
] as const)('a name of a %s that is no text throws TypeError', (what, call) => {
  installMemory();
  expect(call).toThrow(TypeError);
  expect(call).toThrow(`the name of a ${what} must be text`);
});

test('without a recorder everything works and nothing is recorded', async () => {
  setRecorder(undefined);
  const result = await recordWorkflow('w', {}, (workflow) =>
    workflow.phase('p', {}, (phase) =>
      phase.step('s', {}, (step) => {
        step.artifact({ type: 'x' });
        step.error(new Error('e'));
        return [step.traceparent, context.active() === step.context];
      }),
    ),
  );
  expect(result[0]).toBeUndefined();
});

test('each attempt of a phase counts its own steps and artifacts', () => {
  const memory = installMemory();
  const workflow = startWorkflow('w');
  const first = workflow.startPhase('p');
  first.artifact({ type: 'x' });
  first.startStep('a').end();
  first.startStep('b').fail(new Error('no'));
  first.end();
  const second = workflow.startPhase('p');
  second.startStep('a').end();
  second.end();
  workflow.end();
  expect(memory.bodies('tasktrail.phase_complete')).toMatchObject([
    { status: 'failure', steps_completed: 2, artifacts_created: 1 },
    { status: 'success', steps_completed: 1, artifacts_created: 0 },
  ]);
});

test('every event type is recorded in the form of its schema', async () => {
  const memory = installMemory();
  const workflow = startWorkflow('w', { workItemId: '7', branch: 'b', autonomyLevel: 'guarded' });
  workflow.skipPhase('docs');
  await workflow.phase('p', { steps: ['s'] }, (phase) => {
    phase.skipStep('lint', 'not needed');
    return phase.retryStep('s', { skill: 'k' }, (step) => {
      step.artifact({ type: 'spec' });
      step.decision({ decision: 'd', options: ['a', 1], chosen: 1 });
      step.requestApproval('merge');
      step.grantApproval('merge');
      step.denyApproval('deploy');
      step.error(new Error('e'));
      if (step.attempt === 1) throw new Error('again');
    });
  });
  workflow.end();
  resumeKnownWorkflow(workflow.id, {}, undefined).cancel();
  const recorded = new Set<string>();
  for (const type of WORKFLOW_EVENT_TYPES) {
    for (const { body } of events(memory, type)) {
      recorded.add(type);
      expect(checkPayload(type, body), type).toEqual([]);
    }
  }
  expect([...recorded].sort()).toEqual([...WORKFLOW_EVENT_TYPES].sort());
});
