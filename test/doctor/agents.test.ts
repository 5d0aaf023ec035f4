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
