import { expect, test } from 'vitest';
import type { StoredWorkflow } from '../../src/model/workflow.ts';
import { cancelWorkflows, findOpenWorkflows } from '../../src/trail/lost-workflow.ts';
import { installMemory } from '../support/memory-recorder.ts';
import { foldOf, wholeRun } from '../support/workflow-files.ts';

/** After the first events of a run: with three of them a phase and a step are open. */
function stored(id: string, events: number): StoredWorkflow {
  const fold = foldOf(id, wholeRun(id).slice(0, events));
  return { state: fold.state, events: fold.envelopes, document: undefined, upload: undefined };
}

test('only workflows that are known and open are found', async () => {
  const known = new Map([
    ['open', stored('open', 3)],
    ['ended', stored('ended', 7)],
  ]);
  const reader = { readWorkflow: async (id: string) => known.get(id) };
  const metadata = { workflow_ids: ['open', 'ended', 'gone', '../etc', 7] };
  expect((await findOpenWorkflows(metadata, reader)).map(({ state }) => state.workflow_id)).toEqual(['open']);
  for (const other of [undefined, {}, { workflow_ids: 'open' }])
    expect(await findOpenWorkflows(other, reader)).toEqual([]);
});

test('a cancelled workflow ends with the reason, in the current attempt of its task', () => {
  const memory = installMemory();
  cancelWorkflows([stored('open', 3)], { taskId: 'task-1', attempt: 2, reason: 'its worker is gone' });
  const [end] = memory.bodies('tasktrail.workflow_complete');
  expect(end).toMatchObject({ status: 'cancelled', reason: 'its worker is gone' });
  for (const { attributes } of memory.facts) {
    expect(attributes).toMatchObject({ 'tasktrail.task.id': 'task-1', 'tasktrail.task.attempt': 2 });
  }
});
