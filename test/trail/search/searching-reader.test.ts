import { expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../../../src/config/config.ts';
import { recordTask } from '../../../src/record/task/attempt.ts';
import { startTasktrail } from '../../../src/trail/trail.ts';
import { tempDir } from '../../support/log-dir.ts';
import { until } from '../../support/until.ts';

test('phases and steps are counted by their workflow', async () => {
  const env = { TASK_LOGS_DIR: await tempDir(), TASK_LOGS_OTLP_PORT: '0' };
  const trail = await startTasktrail({ config: loadConfig({ env, cwd: '/' }), log: () => {} });
  onTestFinished(() => trail.shutdown());
  for (const isFailing of [false, true]) {
    await recordTask({ source: 'test', message: 'm' }, (task) =>
      task.workflow('review', { workItemId: String(isFailing), phases: ['build'] }, (workflow) =>
        workflow.phase('build', { steps: ['compile'] }, async (phase) => {
          await phase.step('compile', {}, async () => {});
          if (isFailing) throw new Error('boom');
        }),
      ),
    ).catch(() => {});
  }
  const rowsOf = async (...groupBy: ('workflow' | 'phase' | 'step')[]): Promise<readonly object[]> =>
    (await trail.reader.countTasks?.({ groupBy }))?.rows ?? [];
  const phases = await until(async () => {
    const rows = await rowsOf('workflow', 'phase');
    return JSON.stringify(rows).includes('"count":2') && rows;
  }, 'both workflows');
  expect(phases).toMatchObject([
    { workflow: 'review', phase: 'build', count: 2, succeeded: 1, failed: 1, cost_usd: null },
  ]);
  expect(await rowsOf('step')).toMatchObject([{ step: 'compile', count: 2, succeeded: 2 }]);
  expect(await rowsOf('workflow')).toMatchObject([{ workflow: 'review', count: 2 }]);
});
