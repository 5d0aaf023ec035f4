import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Config, loadConfig } from '../../src/config/config.ts';
import {
  agentProblems,
  checkAgents,
  commandNames,
  planFor,
  programOf,
  timeoutMsOf,
  usesSampleAgent,
} from '../../src/service/commands.ts';
import { DEFAULT_COMMANDS } from '../../src/webhooks/receive-webhooks.ts';
import { tempDir } from '../support/log-dir.ts';

const AGENTS = {
  first: { command: ['node', '--version'], timeout_seconds: 5 },
  second: { command: ['cat', 'a secret prompt'], dialect: 'claude' },
};
const PHASES = [{ name: 'build', steps: ['compile', 'test'] }];

async function configOf(file: object = {}, env: Record<string, string> = {}): Promise<Config> {
  const cwd = await tempDir();
  await writeFile(join(cwd, 'tasktrail.config.json'), JSON.stringify(file));
  return loadConfig({ env: { PATH: process.env.PATH ?? '', ...env }, cwd });
}

test('without configuration tasks run the sample, in the phases of a workflow manager', async () => {
  const config = await configOf();
  expect(usesSampleAgent(config)).toBe(true);
  expect(commandNames(config)).toBe(DEFAULT_COMMANDS);
  const plan = planFor(config, { command: null, agent: null });
  expect(plan).toMatchObject({ agentName: 'sample-agent', workflow: 'task' });
  expect(plan.phases.map(({ name }) => name)).toEqual(['frame', 'architect', 'build', 'evaluate', 'release']);
  expect(existsSync(plan.agent.command[1] ?? '')).toBe(true);
});

test('a task without a command runs the first agent, in one step', async () => {
  const config = await configOf({ agents: AGENTS });
  expect(planFor(config, { command: null, agent: null })).toMatchObject({
    agentName: 'first',
    phases: [{ name: 'build', steps: ['run-agent'] }],
  });
  expect(planFor(config, { command: null, agent: 'second' }).agentName).toBe('second');
});

test('a command chooses agent, workflow and phases; the agent of the task takes precedence', async () => {
  const commands = { review: { agent: 'second', workflow: 'code-review', phases: PHASES } };
  const config = await configOf({ agents: AGENTS, commands });
  const expected = { agentName: 'second', workflow: 'code-review', phases: PHASES };
  expect(commandNames(config)).toEqual(['review']);
  expect(planFor(config, { command: 'review', agent: null })).toMatchObject(expected);
  expect(planFor(config, { command: 'review', agent: 'first' }).agentName).toBe('first');
});

test.each([
  [{ command: 'dance', agent: null }, 'there is no command "dance"; known: review'],
  [{ command: null, agent: 'third' }, 'there is no agent "third"; known: first, second, sample-agent'],
  [{ command: 'constructor', agent: null }, 'there is no command "constructor"'],
  [{ command: null, agent: 'constructor' }, 'there is no agent "constructor"'],
])('%j is refused with the names that exist', async (requested, message) => {
  const config = await configOf({ agents: AGENTS, commands: { review: { agent: 'second' } } });
  expect(() => planFor(config, requested)).toThrow(
    expect.objectContaining({ code: 'ERR_INPUT_INVALID', message: expect.stringContaining(message) }),
  );
});

test('an unknown dialect is an error that names its place', async () => {
  const inFile = await configOf({ agents: { first: { command: ['node'], dialect: 'klingon' } } });
  expect(() => checkAgents(inFile)).toThrow(/^agents\.first\.dialect: "klingon" is not known; use one of /);
  const env = { TASK_LOGS_AGENT_COMMAND: 'node', TASK_LOGS_AGENT_DIALECT: 'klingon' };
  const inEnvironment = await configOf({}, env);
  expect(() => checkAgents(inEnvironment)).toThrow(/^TASK_LOGS_AGENT_DIALECT: /);
  checkAgents(await configOf({ agents: AGENTS }));
});

test('an agent that cannot be started is named with the reason', async () => {
  const agents = {
    good: { command: [process.execPath] },
    absent: { command: ['no-such-program'] },
    lost: { command: [process.execPath], cwd: '/no/such/directory' },
  };
  expect(agentProblems(await configOf({ agents }))).toEqual([
    'absent: program not found: no-such-program (install it, or give its full path)',
    'lost: working directory not found: /no/such/directory',
  ]);
});

test('an agent has an hour unless it says otherwise, and is shown without its arguments', async () => {
  const { agents } = await configOf({ agents: AGENTS });
  expect(agents.first && timeoutMsOf(agents.first)).toBe(5_000);
  expect(agents.second && timeoutMsOf(agents.second)).toBe(3_600_000);
  expect(agents.second && programOf(agents.second)).toBe('cat');
});
