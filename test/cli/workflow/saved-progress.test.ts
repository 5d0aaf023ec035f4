import { expect, test } from 'vitest';
import type { CurrentWorkflow } from '../../../src/cli/workflow/current-workflow.ts';
import { openNodes, restoreProgress, savedState } from '../../../src/cli/workflow/saved-progress.ts';

const STEP = { phase: 'a', step: 's' };

/** Two attempts of one step ran in parallel; the first one has failed. */
const STATE: CurrentWorkflow = {
  version: 1,
  workflow_id: 'w',
  name: null,
  task_id: null,
  trace_id: '0af7651916cd43dd8448eb211c80319c',
  work_item_id: null,
  project: 'shop',
  environment: 'development',
  attempt: 2,
  started_at_ms: 1_000,
  status: 'running',
  phase: {
    name: 'a',
    attempt: 3,
    started_at_ms: 2_000,
    steps_completed: 1,
    artifacts_created: 1,
    failed: ['s'],
    ended: ['s'],
  },
  steps: [
    { name: 's', skill: null, attempt: 2, started_at_ms: 3_000, artifacts: [{ type: 'x' }], owner: null },
  ],
  failed: ['b'],
  starts: [
    { phase: 'b', step: null, count: 1 },
    { phase: 'a', step: null, count: 3 },
    { phase: 'a', step: 's', count: 2 },
  ],
  artifacts: [{ type: 'x' }, { type: 'x' }],
  artifact_keys: ['one', 'other'],
  artifact_steps: [null, 0],
};

test('a restored step is open beside its failed attempt', () => {
  const progress = restoreProgress(STATE);
  expect(progress.isOpen(STEP)).toBe(true);
  expect(progress.failedChildren({ phase: 'a', step: null }, 3)).toMatchObject([STEP]);
  expect(progress.artifactsOf(STEP, 2)).toEqual([{ type: 'x' }]);
  expect(progress.start(STEP, 0).attempt).toBe(3);
});

test('a state file is unchanged after restore and save', () => {
  expect(savedState(STATE, openNodes(STATE), restoreProgress(STATE))).toEqual(STATE);
});

test('a file that does not name the steps of its artifacts finds them by their content', () => {
  const { artifact_steps: _, ...earlier } = STATE;
  expect(savedState(earlier, openNodes(earlier), restoreProgress(earlier))).toEqual(STATE);
});
