import { expect, test, vi } from 'vitest';
import { mintWorkflowId } from '../../../src/record/mint.ts';
import { recordTask } from '../../../src/record/task/attempt.ts';
import { activeTask } from '../../../src/record/task/task.ts';
import { installMemory } from '../../support/memory-recorder.ts';

const INPUT = { source: 'test', message: 'm', taskId: 'task-1' };

test('payloads have the fields of the format specification', async () => {
  const memory = installMemory();
  const spec = { type: 'spec', path: '/specs/x.md', metadata: { template: 'feature', work_id: '199' } };
  await recordTask(INPUT, (task) =>
    task.workflow(
      'review',
      { workItemId: '199', workflowId: 'workflow-199', autonomyLevel: 'guarded' },
      (workflow) =>
        workflow.phase('architect', { steps: ['generate-spec'] }, (phase) =>
          phase.step('generate-spec', { skill: 'spec-generator' }, (step) => step.artifact(spec)),
        ),
    ),
  );
  const payloads = memory.facts
    .filter(({ attributes }) => attributes['tasktrail.workflow.id'] === 'workflow-199')
    .map(({ eventName, body }) => [eventName.replace('tasktrail.', ''), body]);
  const ms = expect.any(Number);
  const artifacts = [{ type: 'spec', path: '/specs/x.md' }];
  expect(payloads).toEqual([
    ['workflow_start', { context: { work_item_id: '199', branch: null, autonomy_level: 'guarded' } }],
    ['phase_start', { phase: 'architect', steps: ['generate-spec'] }],
    ['step_start', { phase: 'architect', step: { name: 'generate-spec', skill: 'spec-generator' } }],
    ['artifact_create', { artifact: spec, step: 'generate-spec' }],
    [
      'step_complete',
      {
        phase: 'architect',
        step: {
          name: 'generate-spec',
          skill: 'spec-generator',
          status: 'success',
          duration_ms: ms,
          error: null,
        },
        artifacts,
      },
    ],
    [
      'phase_complete',
      { phase: 'architect', status: 'success', duration_ms: ms, steps_completed: 1, artifacts_created: 1 },
    ],
    [
      'workflow_complete',
      {
        status: 'success',
        duration_ms: ms,
        summary: { phases_executed: 1, steps_executed: 1, artifacts_created: 1, retries_used: 0 },
        artifacts,
      },
    ],
  ]);
  const chain = ['step generate-spec', 'phase architect', 'workflow review', 'process test'].map((name) =>
    memory.span(name),
  );
  for (const [at, span] of chain.entries()) {
    expect(span.parentSpanContext?.spanId).toBe(chain[at + 1]?.spanContext().spanId);
    expect(span.attributes['tasktrail.task.id']).toBe('task-1');
    expect(span.status.code).toBe(0);
  }
});

test('a step that throws fails with its phase and its workflow, and the exception is rethrown unchanged', async () => {
  const memory = installMemory();
  const mine = new RangeError('broken');
  const run = recordTask(INPUT, (task) =>
    task.workflow('w', {}, (workflow) =>
      workflow.phase('p', {}, (phase) =>
        phase.step('s', {}, () => {
          throw mine;
        }),
      ),
    ),
  );
  await expect(run).rejects.toBe(mine);
  for (const name of ['step s', 'phase p', 'workflow w', 'process test']) {
    expect(memory.span(name).status.code).toBe(2);
    expect(memory.span(name).attributes['error.type']).toBe('RangeError');
  }
  expect(memory.bodies('tasktrail.step_complete')).toMatchObject([
    { step: { status: 'failure', error: 'broken' } },
  ]);
  expect(memory.bodies('tasktrail.phase_complete')).toMatchObject([{ status: 'failure' }]);
  expect(memory.bodies('tasktrail.workflow_complete')).toMatchObject([{ status: 'failure' }]);
});

test('a failed step fails its phase also without an exception; a second start that succeeds clears the failure', async () => {
  const memory = installMemory();
  await recordTask(INPUT, async (task) => {
    for (const starts of [['failure'], ['failure', 'success'], ['success', 'failure']] as const) {
      await task.workflow('w', {}, (workflow) =>
        workflow.phase('p', {}, async (phase) => {
          for (const status of starts) await phase.step('s', {}, (step) => step.status(status));
        }),
      );
    }
  });
  const statuses = ['failure', 'success', 'failure'].map((status) => ({ status }));
  expect(memory.bodies('tasktrail.phase_complete')).toMatchObject(statuses);
  expect(memory.bodies('tasktrail.workflow_complete')).toMatchObject(statuses);
});

test('a node ends once; later calls are ignored', async () => {
  const memory = installMemory();
  await recordTask(INPUT, (task) => {
    const workflow = task.startWorkflow('w');
    const phase = workflow.startPhase('p');
    const step = phase.startStep('s');
    step.fail(new Error('no'));
    step.end();
    phase.end();
    phase.fail(new Error('late'));
    workflow.end();
    workflow.end();
    expect(activeTask()).toBe(task);
  });
  for (const type of ['step', 'phase', 'workflow'])
    expect(memory.bodies(`tasktrail.${type}_complete`)).toHaveLength(1);
  expect(memory.bodies('tasktrail.phase_complete')).toMatchObject([
    { status: 'failure', steps_completed: 1 },
  ]);
});

test('a workflow id contains the work item, as far as a path allows', () => {
  vi.useFakeTimers({ now: Date.parse('2100-12-02T15:00:00Z'), toFake: ['Date'] });
  expect(mintWorkflowId('PROJ-12')).toMatch(/^workflow-PROJ-12-21001202T150000Z-[0-9a-z]{4}$/);
  expect(mintWorkflowId('a/b c')).toMatch(/^workflow-a_b_c-/);
  expect(mintWorkflowId('')).toMatch(/^workflow-none-/);
  vi.useRealTimers();
});

test('an id that cannot be part of a path is rejected', async () => {
  installMemory();
  const run = recordTask(INPUT, (task) => task.startWorkflow('w', { workflowId: '../x' }));
  await expect(run).rejects.toMatchObject({ code: 'ERR_ID_INVALID' });
});
