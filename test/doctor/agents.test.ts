import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkAgentPrograms } from '../../src/doctor/agents.ts';
import { linesOf, subjectOf, tempDir } from './subject.ts';

test('without an agent the sample is named, and git is searched in PATH', async () => {
  const bin = tempDir();
  const lines = linesOf(await checkAgentPrograms(subjectOf({ PATH: bin })));
  expect(lines).toMatch(
    /^ok agents: none is set, so tasks run the bundled sample.*\nwarning git: not found in PATH -> install it/,
  );
  writeFileSync(join(bin, 'git'), '#!/bin/sh\n');
  chmodSync(join(bin, 'git'), 0o755);
  expect(linesOf(await checkAgentPrograms(subjectOf({ PATH: bin })))).toContain(
    `ok git: ${join(bin, 'git')}`,
  );
});

test('an agent whose program is missing or not executable is a problem; its arguments are not printed', async () => {
  const bin = tempDir();
  const command = 'my-agent --api-key key-in-argument';
  const subject = subjectOf({ PATH: bin, TASK_LOGS_AGENT_COMMAND: command });
  const missing = linesOf(await checkAgentPrograms(subject));
  expect(missing).toMatch(
    /^problem agent default: cannot start "my-agent": not found -> install it, or give its full path/,
  );
  expect(missing).not.toContain('key-in-argument');
  writeFileSync(join(bin, 'my-agent'), '#!/bin/sh\n', { mode: 0o755 });
  expect(linesOf(await checkAgentPrograms(subject))).toContain(`ok agent default: ${join(bin, 'my-agent')}`);
});

test('a known agent without the options for messages is a warning with the options, unless its dialect is text', async () => {
  const bin = tempDir();
  for (const program of ['claude', 'codex', 'wrapper'])
    writeFileSync(join(bin, program), '#!/bin/sh\n', { mode: 0o755 });
  const check = async (command: string, more: Record<string, string> = {}): Promise<string> =>
    linesOf(await checkAgentPrograms(subjectOf({ PATH: bin, TASK_LOGS_AGENT_COMMAND: command, ...more })));
  expect(await check('claude -p')).toContain(
    'warning agent default: prints plain text, so its tool calls, tokens and cost stay unknown -> add --output-format stream-json --verbose',
  );
  expect(await check(`${bin}/codex exec`)).toContain('-> add --json');
  for (const command of [
    'claude -p --output-format stream-json',
    'claude --output-format=stream-json',
    'wrapper',
  ])
    expect(await check(command)).not.toContain('warning agent default');
  expect(await check('claude -p', { TASK_LOGS_AGENT_DIALECT: 'text' })).not.toContain(
    'warning agent default',
  );
});
