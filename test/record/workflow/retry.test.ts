import { expect, test } from 'vitest';
import { startWorkflow } from '../../../src/record/workflow/orchestration.ts';
import type { Phase } from '../../../src/record/workflow/phase.ts';
import { installMemory, type MemoryRecorder } from '../../support/memory-recorder.ts';

function begin(): { memory: MemoryRecorder; phase: Phase; end(): void } {
  const memory = installMemory();
  const workflow = startWorkflow('w');
  const phase = workflow.startPhase('p');
  return {
    memory,
    phase,
    end: () => {
      phase.end();
      workflow.end();
    },
  };
}

function outline(memory: MemoryRecorder): unknown[] {
  return memory.facts
    .filter(({ eventName }) => /step_/.test(eventName))
    .map(({ eventName, attributes }) => [
      eventName.replace('tasktrail.step_', ''),
      attributes['tasktrail.event.attempt'],
    ]);
}

test('a step is retried until it succeeds, which clears the failure', async () => {
  const { memory, phase, end } = begin();
  const value = await phase.retryStep('s', { skill: 'k' }, (step) => {
    if (step.attempt < 3) throw new RangeError(`no ${step.attempt}`);
    return step.attempt;
  });
  end();
  expect(value).toBe(3);
  expect(outline(memory)).toEqual([
    ['start', 1],
    ['complete', 1],
    ['retry', 1],
    ['start', 2],
    ['complete', 2],
    ['retry', 2],
    ['start', 3],
    ['complete', 3],
  ]);
  expect(memory.bodies('tasktrail.step_retry')).toEqual([
    { phase: 'p', step: { name: 's' }, attempt: 1, error: 'no 1' },
    { phase: 'p', step: { name: 's' }, attempt: 2, error: 'no 2' },
  ]);
  expect(memory.bodies('tasktrail.workflow_complete')).toMatchObject([
    { status: 'success', summary: { steps_executed: 1, retries_used: 2 } },
  ]);
});

test('the last exception is rethrown unchanged', async () => {
  const { memory, phase, end } = begin();
  const thrown: Error[] = [];
  const run = phase.retryStep('s', { maxAttempts: 2 }, () => {
    const error = new Error('no');
    thrown.push(error);
    throw error;
  });
  const caught = await run.catch((error: unknown) => error);
  end();
  expect(thrown).toHaveLength(2);
  expect(caught).toBe(thrown[1]);
  expect(memory.bodies('tasktrail.phase_complete')).toMatchObject([{ status: 'failure' }]);
});

test('a status of failure counts like an exception', async () => {
  const { memory, phase, end } = begin();
  await phase.retryStep('good', {}, (step) => step.status(step.attempt === 1 ? 'failure' : 'warning'));
  const bad = phase.retryStep('bad', { maxAttempts: 2 }, (step) => step.status('failure'));
  await expect(bad).rejects.toThrow('step bad failed 2 times');
  end();
  expect(memory.bodies('tasktrail.step_retry')).toEqual([
    { phase: 'p', step: { name: 'good' }, attempt: 1, error: null },
    { phase: 'p', step: { name: 'bad' }, attempt: 1, error: null },
  ]);
});

test('retryIf stops the retries, and delayMs delays them', async () => {
  const { memory, phase, end } = begin();
  const stop = new Error('stop');
  const run = phase.retryStep('s', { maxAttempts: 9, delayMs: 30, retryIf: (e) => e !== stop }, (step) => {
    throw step.attempt === 2 ? stop : new Error('again');
  });
  await expect(run).rejects.toBe(stop);
  end();
  const starts = memory.facts.filter(({ eventName }) => eventName === 'tasktrail.step_start');
  expect(starts).toHaveLength(2);
  expect((starts[1]?.timeMs ?? 0) - (starts[0]?.timeMs ?? 0)).toBeGreaterThanOrEqual(25);
});

test('an exception after a successful end is not retried', async () => {
  const { memory, phase, end } = begin();
  const late = new Error('late');
  const run = phase.retryStep('s', {}, (step) => {
    step.end();
    throw late;
  });
  await expect(run).rejects.toBe(late);
  end();
  expect(outline(memory)).toEqual([
    ['start', 1],
    ['complete', 1],
  ]);
});

test('a phase is retried with its steps', async () => {
  const memory = installMemory();
  const workflow = startWorkflow('w');
  const attempts = await workflow.retryPhase('p', { steps: ['s'] }, (phase) =>
    phase.step('s', {}, (step) => {
      step.status(phase.attempt === 1 ? 'failure' : 'success');
      return [phase.attempt, step.attempt];
    }),
  );
  expect(attempts).toEqual([2, 2]);
  const never = workflow.retryPhase('q', { maxAttempts: 1 }, (phase) =>
    phase.step('s', {}, (step) => step.status('failure')),
  );
  await expect(never).rejects.toThrow('phase q failed once');
  workflow.end();
  expect(memory.bodies('tasktrail.phase_complete')).toMatchObject([
    { phase: 'p', status: 'failure' },
    { phase: 'p', status: 'success' },
    { phase: 'q', status: 'failure' },
  ]);
  expect(memory.bodies('tasktrail.step_retry')).toEqual([]);
});
