import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { MAIN } from '../support/built.ts';
import { type ProjectDir, projectDir } from '../support/project-dir.ts';
import { killProcessesWith, resultOf, ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const DOOR = {
  webhooks: { door: { preset: 'gitlab', secret: 'Zq9w8e7r6t5y4u3i' } },
  agents: { door: { command: ['touch', 'opened'] } },
};

/** An agent that writes the configuration of its service. */
const AGENT = `const fs = require('node:fs');
fs.writeFileSync('tasktrail.config.json', ${JSON.stringify(JSON.stringify(DOOR))});
fs.writeFileSync('.env', 'TASK_LOGS_DIR=elsewhere\\nTASK_LOGS_RETENTION_DAYS=1\\n');
console.log('written');
if (process.argv[2] === 'stay') setInterval(() => {}, 1000);
`;

interface Place extends ProjectDir {
  start(args?: string): Promise<ServiceProcess>;
  /** Waits for the end of a service that must not start. */
  refused(): Promise<string>;
}

function place(word: string): Place {
  const [project, logs] = [projectDir(), projectDir().cwd];
  project.put('agent.cjs', AGENT);
  const options = {
    cwd: project.cwd,
    env: {
      TASK_LOGS_DIR: '',
      XDG_STATE_HOME: logs,
      TASK_LOGS_AGENT_COMMAND: `${process.execPath} agent.cjs ${word}`,
      TASK_LOGS_TEST_PLACE: project.cwd,
    },
  };
  onTestFinished(() => killProcessesWith(`TASK_LOGS_TEST_PLACE=${project.cwd}`));
  return {
    ...project,
    start: async () => {
      const service = await ServiceProcess.start(options);
      onTestFinished(() => service.dispose());
      return service;
    },
    refused: async () => {
      const service = new ServiceProcess(options);
      onTestFinished(() => service.dispose());
      expect((await service.exited).code).toBe(2);
      return service.stderr;
    },
  };
}

async function accept({ cwd }: Place): Promise<void> {
  const service = new ServiceProcess({
    cwd,
    env: { TASK_LOGS_DIR: '', XDG_STATE_HOME: await stateOf(cwd) },
    args: ['config', '--accept'],
    main: MAIN,
  });
  expect(await service.exited).toMatchObject({ code: 0 });
}

const states = new Map<string, string>();

async function stateOf(cwd: string): Promise<string> {
  return states.get(cwd) ?? '';
}

test('a configuration that an agent wrote is not taken up by the next start until it is accepted', async () => {
  const at = place('go');
  const first = await at.start();
  const logDir = /writes to +(\S+)/.exec(first.stdout)?.[1] ?? '';
  states.set(at.cwd, join(logDir, '..', '..'));
  const id = await first.sendComment('@agent review');
  expect(await resultOf(logDir, id)).toMatchObject({ success: true });
  await first.stop();

  const stderr = await at.refused();
  expect(stderr).toContain(`${join(at.cwd, 'tasktrail.config.json')}: changed at `);
  expect(stderr).toContain(`${join(at.cwd, '.env')}: changed at `);
  expect(stderr).toContain('tasktrail config --accept');

  // The administrator removes what the agent wrote, while none runs.
  await rm(join(at.cwd, 'tasktrail.config.json'));
  await rm(join(at.cwd, '.env'));
  const second = await at.start();
  await second.stop();

  // And writes a configuration.
  at.put('tasktrail.config.json', DOOR);
  const third = await at.start();
  expect(third.stdout).toContain('door');
  await third.stop();
});

test('what an agent wrote is taken up once it is accepted', async () => {
  const at = place('go');
  const first = await at.start();
  const logDir = /writes to +(\S+)/.exec(first.stdout)?.[1] ?? '';
  states.set(at.cwd, join(logDir, '..', '..'));
  await resultOf(logDir, await first.sendComment('@agent review'));
  await first.stop();
  await rm(join(at.cwd, '.env'));
  await at.refused();
  await accept(at);
  const second = await at.start();
  expect(second.stdout).toContain('door');
  await second.stop();
});

test('after a kill of service and agent, what the agent wrote is refused', async () => {
  const at = place('stay');
  const first = await at.start();
  const logDir = /writes to +(\S+)/.exec(first.stdout)?.[1] ?? '';
  const id = await first.sendComment('@agent review');
  await until(
    async () => (await import('node:fs')).existsSync(join(at.cwd, '.env')) && id !== '' && logDir !== '',
    'the agent to write',
  );
  await first.stop('SIGKILL');
  // Still running.
  expect(await at.refused()).toContain('tasktrail.config.json: changed at ');
  await killProcessesWith(`TASK_LOGS_TEST_PLACE=${at.cwd}`);
  expect(await at.refused()).toContain('tasktrail.config.json: changed at ');
});
