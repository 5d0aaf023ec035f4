import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createClient } from '../../../src/client.ts';
import { ENDPOINTS } from '../../../src/serve/contract/endpoints.ts';
import { SECRET } from '../../support/deliveries.ts';
import { lessInCi } from '../../support/less-in-ci.ts';
import { firstTaskId, resultOf, ServiceProcess } from '../../support/service-process.ts';
import { findTool, pathOf } from '../../support/tool.ts';

const tool = findTool('schemathesis');
const run = promisify(execFile);

/** Cases for each operation, beside those at the edges of its schemas: the run takes half a minute on two busy cores. */
const CASES = lessInCi(15, 6);

/** A bound in seconds for the whole run, after which what has run counts. */
const SECONDS_MAX = lessInCi(80, 45);

/** These ask whether a valid request is accepted: a cursor, an id and a search of its own kind mean nothing to the server. */
const LEFT_OUT =
  'positive_data_acceptance,use_after_free,ensure_resource_availability,object_level_authorization';

let dir = '';
let service: ServiceProcess;

beforeAll(async () => {
  if ('missing' in tool) return;
  dir = await mkdtemp(join(tmpdir(), 'tasktrail-fuzz-'));
  const env = {
    TASK_LOGS_AGENT_COMMAND: 'cat',
    JIRA_WEBHOOK_SECRET: SECRET,
    SLACK_SIGNING_SECRET: SECRET,
  };
  service = await ServiceProcess.start({ cwd: dir, env });
  const tasks = [await service.sendComment('@agent review this')];
  for (const message of ['one', 'two\nlines', 'é😀'])
    tasks.push(firstTaskId(await (await service.submit({ message })).json()));
  for (const id of tasks) await resultOf(join(dir, 'logs'), id, 60_000);
}, 120_000);

afterAll(async () => {
  await service?.stop();
  if (dir !== '') await rm(dir, { recursive: true, force: true });
});

async function fuzz(more: readonly string[]): Promise<{ code: number; text: string }> {
  const client = createClient({ url: service.url });
  const tasks = (await client.listTasks()).items.map(({ task_id }) => task_id);
  const workflows = (await client.listWorkflows()).items.map(({ workflow_id }) => workflow_id);
  expect([tasks.length, workflows.length].every((count) => count >= 4)).toBe(true);
  const env = {
    PATH: process.env.PATH,
    HOME: dir,
    REAL_IDS: JSON.stringify({ tasks, workflows }),
    SCHEMATHESIS_HOOKS: join(import.meta.dirname, 'fuzz-hooks.py'),
    PYTHONPATH: import.meta.dirname,
    PYTHONDONTWRITEBYTECODE: '1',
    PYTHONIOENCODING: 'utf-8',
  };
  const words = ['-m', 'schemathesis.cli', 'run', `${service.url}/api/openapi.json`, '--no-color'];
  // A stream does not end: test/serve/contract/streams.full.test.ts.
  words.push('--exclude-path-regex', '/stream$', '--exclude-checks', LEFT_OUT, ...more);
  words.push('--max-examples', String(CASES), '--request-timeout', '20', '--generation-deterministic');
  return run(pathOf(tool), words, { env, cwd: dir, maxBuffer: 32 * 1024 * 1024 }).then(
    ({ stdout }) => ({ code: 0, text: stdout }),
    ({ code, stdout, stderr }) => ({ code, text: stdout + stderr }),
  );
}

test.skipIf('missing' in tool)(
  'no generated request of any operation is answered with 500, an undescribed status or another form',
  async () => {
    const { code, text } = await fuzz(['--max-time', String(SECONDS_MAX), '--phases', 'coverage,fuzzing']);
    expect(code, text.slice(-20_000)).toBe(0);
    const [, tested = '0'] = /Tested: +(\d+)/.exec(text) ?? [];
    const described = ENDPOINTS.filter(({ isOtherProtocol }) => !isOtherProtocol);
    const operations = described.filter(({ path }) => !path.endsWith('/stream')).length;
    // On a machine that is busy with other things the time ends it before the last operations.
    expect(Number(tested)).toBeGreaterThan(0.75 * operations);
    expect(Number(tested)).toBeLessThanOrEqual(operations);
    const [, cases = '0'] = /(\d+) generated, (\d+) passed/.exec(text) ?? [];
    expect(Number(cases)).toBeGreaterThan(150);
    const ready = await fetch(`${service.url}/readyz`);
    expect([ready.status, service.stderr]).toEqual([200, '']);
  },
  180_000,
);
