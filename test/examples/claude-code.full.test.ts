import { chmod, copyFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { checkAgents, planFor } from '../../src/service/commands.ts';
import { copyExample, openSandbox, type Sandbox } from '../support/sandbox.ts';

const SAMPLE = resolve(import.meta.dirname, '../samples/claude-code/demo.jsonl');

let sandbox: Sandbox;
let cwd: string;

beforeEach(async () => {
  sandbox = await openSandbox();
  cwd = await copyExample('claude-code', sandbox);
});

afterEach(() => sandbox.remove());

test('the configuration is valid and has the documented commands', () => {
  const config = loadConfig({ env: {}, cwd });
  checkAgents(config);
  expect(planFor(config, { command: 'review', agent: null })).toMatchObject({
    agentName: 'claude',
    phases: [{ name: 'build', steps: ['run-agent'] }],
  });
  expect(planFor(config, { command: 'fix', agent: null }).phases.map(({ name }) => name)).toEqual([
    ...['architect', 'build'],
  ]);
});

test('a run of Claude Code becomes a task with its cost, because the dialect is detected', async () => {
  // A script that prints a recorded run stands in for the program.
  await copyFile(SAMPLE, join(sandbox.dir, 'recorded.jsonl'));
  const program = join(sandbox.dir, '.bin', 'claude');
  await writeFile(program, `#!/bin/sh\nexec cat ${join(sandbox.dir, 'recorded.jsonl')}\n`);
  await chmod(program, 0o755);
  const end = await sandbox.run(
    'tasktrail run --telemetry -- claude -p --output-format stream-json --verbose "What does this project do?" >/dev/null\n' +
      'tasktrail tasks --json',
  );
  expect([end.code, end.stderr]).toEqual([0, '']);
  const task = JSON.parse(end.stdout) as { metrics: { cost_usd: number } };
  expect(task).toMatchObject({ status: 'completed', assigned_agent: 'claude', success: true });
  expect(task.metrics.cost_usd).toBeGreaterThan(0);
});
