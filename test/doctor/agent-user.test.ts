import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { checkAgentAccess } from '../../src/doctor/agent-user.ts';
import { linesOf, subjectOf, tempDir } from './subject.ts';

const isRoot = process.getuid?.() === 0;

async function look(settings: Readonly<Record<string, string>>): Promise<string> {
  return linesOf(await checkAgentAccess(subjectOf(settings)));
}

/** A folder that other users may enter, with a program. */
function openFolder(): string {
  const folder = tempDir();
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, 'my-agent'), '#!/bin/sh\n', { mode: 0o755 });
  return folder;
}

test.runIf(isRoot)('a user that does not exist is a problem, because the start fails', async () => {
  expect(await look({ TASK_LOGS_AGENT_USER: 'no-such-user' })).toContain(
    'problem TASK_LOGS_AGENT_USER: there is no user "no-such-user" on this machine: the service cannot start -> create it',
  );
});

test('a service that is not root cannot run agents as another user', async () => {
  const getuid = vi.spyOn(process, 'getuid').mockReturnValue(1_000);
  try {
    expect(await look({ TASK_LOGS_AGENT_USER: 'daemon' })).toMatch(
      /^problem TASK_LOGS_AGENT_USER: only root can run agents as "daemon": the service cannot start -> start the service as root/,
    );
  } finally {
    getuid.mockRestore();
  }
});

test.runIf(isRoot)('a working directory and a program that the user cannot use are problems', async () => {
  const folder = openFolder();
  const subject = subjectOf({
    TASK_LOGS_AGENT_USER: 'daemon',
    TASK_LOGS_AGENT_COMMAND: `${folder}/my-agent`,
  });
  const see = async (): Promise<string> => linesOf(await checkAgentAccess(subject));
  chmodSync(subject.cwd, 0o700);
  expect(await see()).toContain(
    `problem agent default: its user daemon cannot enter the working directory ${subject.cwd} -> give daemon the right`,
  );
  chmodSync(subject.cwd, 0o755);
  expect(await see()).toMatch(/^ok TASK_LOGS_AGENT_USER: agents run as daemon \(uid \d+\)$/m);
  chmodSync(folder, 0o700);
  expect(await see()).toContain(`problem agent default: its user daemon cannot run ${folder}/my-agent`);
});

test.runIf(isRoot)('a log directory that agents can read is a warning', async () => {
  const logs = tempDir();
  const open = join(logs, 'open');
  mkdirSync(open, { mode: 0o755 });
  chmodSync(logs, 0o755);
  const settings = { TASK_LOGS_AGENT_USER: 'daemon', TASK_LOGS_DIR: open };
  expect(await look(settings)).toContain(`warning ${open}: agents, which run as daemon, can read the log`);
  chmodSync(open, 0o700);
  expect(await look(settings)).not.toContain('can read the log');
});

test('a variable that is named and not set is a warning', async () => {
  const settings = { TASK_LOGS_AGENT_COMMAND: 'my-agent', TASK_LOGS_AGENT_ENV: 'NOT_SET_IN_TESTS' };
  expect(await look(settings)).toContain(
    'warning agents: NOT_SET_IN_TESTS is not set, so the agent default starts without it -> see docs/agents.md',
  );
});
