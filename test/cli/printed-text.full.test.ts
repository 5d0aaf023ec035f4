import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tempDir } from '../support/log-dir.ts';
import { log } from '../support/records.ts';
import { runCommand } from './run-command.ts';
import { storeIn, writeTask } from './stored-tasks.ts';

/** What a terminal acts on, or does not show. Newlines and tabs are layout. */
const UNSAFE = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

/** CSI in both forms, DEL, an override of the direction, a zero-width space, a tag character, a line separator. */
const HOSTILE = 'x\x1b[2J\x9b31m\x7f\u202e\u200b\u{e0041}\u2028y';

test('no command prints foreign text that steers a terminal, and JSON keeps its value', {
  tags: ['long'],
  timeout: 300_000,
}, async () => {
  const cwd = await tempDir();
  const store = storeIn(cwd);
  await writeTask(store, {
    id: 'task-1',
    message: HOSTILE,
    metadata: {
      status: 'failed',
      source: HOSTILE,
      provider: HOSTILE,
      assigned_agent: HOSTILE,
      model: HOSTILE,
    },
    output: [{ type: 'output', content: HOSTILE }],
    result: { status: 'failed', success: false, error: HOSTILE },
  });
  await store.logs(
    log({
      event: 'tasktrail.workflow_start',
      id: '01KDY000000000000000009999',
      body: { name: HOSTILE, work_item_id: HOSTILE },
      attributes: { 'tasktrail.workflow.id': 'flow-20260102T030405Z' },
    }),
  );
  // A folder that retention keeps, with its reason.
  mkdirSync(join(cwd, 'logs', 'task-2'));
  writeFileSync(
    join(cwd, 'logs', 'task-2', 'metadata.json'),
    '{"status":"completed","completed_at":"never"}\n',
  );
  const env = { OTEL_SERVICE_NAME: HOSTILE, TASK_LOGS_AGENT_COMMAND: `agent '${HOSTILE}'` };
  for (const args of [
    ['tasks'],
    ['tasks', '--json'],
    ['workflows'],
    ['workflows', '--json'],
    ['workflows', 'flow-20260102T030405Z', '--json'],
    ['logs', 'task-1'],
    ['config'],
    ['config', '--json'],
    ['prune', '--dry-run'],
    ['prune', '--dry-run', '--json'],
    ['workflow', 'start', '--id', 'flow-20260103T030405Z', '--name', HOSTILE],
    ['workflow', 'status', '--workflow', 'flow-20260103T030405Z'],
    ['emit', 'workflow_start', 'flow-20260104T030405Z', JSON.stringify({ note: HOSTILE })],
    ['doctor'],
    ['doctor', '--json'],
    // Errors repeat what was given.
    ['tasks', '--status', HOSTILE],
    ['logs', HOSTILE],
    ['workflows', HOSTILE],
    ['run', '--dialect', HOSTILE, '--', 'true'],
    ['run', '--', `./${HOSTILE}`],
    ['emit', HOSTILE, 'w'],
    ['webhook', 'github', '--text', HOSTILE, '--dry-run'],
    [HOSTILE],
  ]) {
    // A command that holds the directory would prune the old task.
    const kept = args[0] === 'prune' ? {} : { TASK_LOGS_RETENTION_DAYS: '36500' };
    const { stdout, stderr } = await runCommand(args, { cwd, env: { ...env, ...kept } });
    expect(UNSAFE.exec(stdout + stderr)?.[0], `${args.join(' ')}: ${JSON.stringify(stdout + stderr)}`).toBe(
      undefined,
    );
    if (args.includes('--json')) for (const line of jsonTexts(args, stdout)) JSON.parse(line);
  }
  const { stdout } = await runCommand(['tasks', '--json'], { cwd });
  const stored = jsonTexts(['tasks'], stdout).map((line) => JSON.parse(line) as Record<string, unknown>);
  // The task of `run` above is newer.
  expect(stored.find(({ task_id }) => task_id === 'task-1')?.source).toBe(HOSTILE);
});

/** `config` prints one indented value, all others a value a line. */
function jsonTexts(args: readonly string[], stdout: string): readonly string[] {
  return args[0] === 'config' ? [stdout] : stdout.split('\n').filter((line) => line !== '');
}
