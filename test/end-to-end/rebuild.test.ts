import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { filesIn } from '../support/log-dir.ts';
import { until } from '../support/until.ts';
import { ACCESS_KEY, SECRET_KEY } from '../support/versitygw.ts';
import { RAW_BUCKET, Rig, WORKFLOW_BUCKET } from './rig.ts';

const CLI = resolve(import.meta.dirname, '../../dist/cli/main.js');

let rig: Rig;
let taskId: string;

beforeAll(async () => {
  rig = await Rig.open({ s3: true });
  // The collector sends the copies back to the same service.
  const service = await rig.start('alone', 'start', { TASK_LOGS_OTLP_PORT: String(rig.holderPort) });
  taskId = await service.sendComment('@agent review this change');
  await rig.settled('alone', taskId);
  await until(
    async () => {
      const texts = [...((await rig.s3?.objectsIn(RAW_BUCKET)) ?? new Map()).values()].join('');
      return texts.includes('tasktrail.task.result') && texts.includes('process ') ? true : undefined;
    },
    'the records in S3',
    60_000,
  );
  await until(
    async () => (filesIn(rig.logDir('alone'))[`${taskId}/manifest.json`] === undefined ? undefined : true),
    'the manifest',
    60_000,
  );
  await service.stop();
}, 300_000);

afterAll(() => rig?.close(), 60_000);

/** The files of tasks, workflows and deliveries. The feed is in the order of storing. */
function stored(dir: string): Record<string, string> {
  const own = Object.entries(filesIn(dir)).filter(([name]) => /^task-|^_webhooks|^_workflow\/\d/.test(name));
  return Object.fromEntries(own.filter(([name]) => !name.endsWith('.uploaded')));
}

async function cli(args: readonly string[]): Promise<string> {
  const env = {
    PATH: process.env.PATH,
    TASK_LOGS_S3_BUCKET: WORKFLOW_BUCKET,
    TASK_LOGS_S3_ENDPOINT: rig.s3?.endpoint,
    AWS_ACCESS_KEY_ID: ACCESS_KEY,
    AWS_SECRET_ACCESS_KEY: SECRET_KEY,
  };
  const { stdout } = await promisify(execFile)(process.execPath, [CLI, ...args], { env, cwd: rig.root });
  return stdout;
}

test('the files of the service are clean', async () => {
  expect(await cli(['verify', '--dir', rig.logDir('alone')])).toMatch(/nothing is wrong/);
});

test.for(['s3', 'files'])('a wiped directory and the archive in %s give the same bytes', async (where) => {
  const from = where === 's3' ? `s3://${RAW_BUCKET}/` : join(rig.collector.data, 'archive');
  const wiped = join(rig.root, `wiped-${where}`);
  const out = await cli(['rebuild', '--dir', wiped, '--from', from]);
  expect(Object.keys(stored(rig.logDir('alone'))).length).toBeGreaterThan(10);
  expect(out).toMatch(/record\(s\) read, 0 refused/);
  expect(stored(wiped)).toEqual(stored(rig.logDir('alone')));
  expect(await cli(['verify', '--dir', wiped])).toMatch(/nothing is wrong/);
});
