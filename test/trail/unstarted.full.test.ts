import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { INDEX_URL } from '../support/built.ts';

let cwd: string;

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'tasktrail-unstarted-'));
});

afterAll(() => rm(cwd, { recursive: true, force: true }));

/** Runs a user's program; resolves with its standard error. */
async function run(code: string, env: Record<string, string> = {}): Promise<string> {
  const source = `import * as t from ${JSON.stringify(INDEX_URL)};
const work = () => t.recordTask({ source: 'cron', message: 'm' }, () => {});
${code}`;
  const { stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', source], {
    cwd,
    env: { HOME: cwd, TASK_LOGS_DIR: join(cwd, 'logs'), TASK_LOGS_OTLP_PORT: '0', ...env },
  });
  return stderr;
}

const WARNING = 'tasktrail is not started, nothing is recorded: await startTasktrail() first';

test.each([
  ['a task', 'await work(); await work();'],
  ['a task in two halves', "t.startTask({ source: 'a', message: 'b' }).end(); await work();"],
  ['a delivery', "await t.recordDelivery({ method: 'POST', headers: {} }, () => {}).catch(() => {});"],
])('%s before the start warns once in a process', async (_what, code) => {
  expect((await run(code)).split(WARNING)).toHaveLength(2);
});

test.each([
  [
    'recording is switched off',
    'await work(); await t.startTasktrail(); await work();',
    { TASK_LOGS_ENABLED: 'false' },
  ],
  [
    'the trail was open',
    'const s = await t.startTasktrail(); await work(); await s.shutdown(); await work();',
    {},
  ],
] as const)('there is no warning when %s', async (_what, code, env) => {
  expect(await run(code, env)).toBe('');
});
