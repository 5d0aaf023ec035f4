import { afterEach, beforeEach, expect, test } from 'vitest';
import { copyExample, openSandbox, type Sandbox } from '../support/sandbox.ts';
import { flagsOf, storeWorkflows } from '../support/stored-workflow.ts';

let sandbox: Sandbox;

beforeEach(async () => {
  sandbox = await openSandbox();
  await copyExample('shell-manager', sandbox);
});

afterEach(() => sandbox.remove());

test('manager.sh records a complete workflow with a retried step', async () => {
  const { code, stderr } = await sandbox.run(
    'cd shell-manager; ./manager.sh 199; echo $TASK_LOGS_WORKFLOW_ID',
    {
      TASK_LOGS_WORKFLOW_ID: '',
    },
  );
  expect([code, stderr.trim()]).toEqual([0, 'the tests fail']);
  const { stdout } = await sandbox.run('cd shell-manager; tasktrail workflow status');
  const { workflow_id: id } = JSON.parse(stdout) as { workflow_id: string };
  const [workflow] = await storeWorkflows(sandbox.logDir, [id]);
  expect(workflow?.state).toMatchObject({
    ...{ name: 'faber', work_item_id: '199', status: 'success' },
    measured: { phases: 4, steps: 4, artifacts: 1, retries: 1 },
  });
  expect(flagsOf(workflow)).toEqual([]);
  const steps = workflow?.events.filter(({ event_type: type }) => type === 'step_complete') ?? [];
  expect(steps.map(({ payload, attempt }) => [Reflect.get(Object(payload), 'step').status, attempt])).toEqual(
    [
      ...[
        ['success', 1],
        ['success', 1],
        ['failure', 1],
        ['success', 2],
        ['success', 1],
      ],
    ],
  );
});

test('emit.sh with the same id again records no duplicates', async () => {
  const first = await sandbox.run('cd shell-manager; ./emit.sh 200');
  expect([first.code, first.stderr]).toEqual([0, '']);
  const id = first.stdout.trim();
  expect(id).toMatch(/^workflow-200-\d{8}T\d{6}Z$/);
  const second = await sandbox.run(`cd shell-manager; ./emit.sh 200 ${id}`);
  expect(second).toMatchObject({ code: 0, stdout: `${id}\n` });
  const [workflow] = await storeWorkflows(sandbox.logDir, [id]);
  expect(workflow?.events.map(({ event_type: type }) => type)).toEqual([
    ...['workflow_start', 'phase_start', 'step_start', 'artifact_create'],
    ...['step_complete', 'phase_complete', 'workflow_complete'],
  ]);
  expect(flagsOf(workflow)).toEqual([]);
});
