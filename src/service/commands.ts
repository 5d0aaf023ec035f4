import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEFAULT_DIALECT, DIALECT_NAMES } from '../agent/dialects/dialects.ts';
import { findProgram, isDirectory } from '../agent/executable.ts';
import type { Config } from '../config/config.ts';
import { inheritedEnvironment } from '../config/environment.ts';
import {
  AGENT_TIMEOUT_SECONDS,
  type AgentConfig,
  type PhaseConfig,
  SAMPLE_AGENT,
} from '../config/file/agent-schema.ts';
import { TasktrailError } from '../errors.ts';
import { type Budget, smallestBudget } from '../model/budget.ts';
import { firstOfText } from '../model/text.ts';
import { DEFAULT_COMMANDS } from '../webhooks/receive-webhooks.ts';

/** The agent that runs a task, and the workflow phases that it runs in. */
export interface Plan {
  readonly agentName: string;
  readonly agent: AgentConfig;
  readonly workflow: string;
  readonly phases: readonly PhaseConfig[];
  /** Of agent, command and request: of each kind the smallest limit. */
  readonly budget: Budget | undefined;
}

/** Default: a single run of the agent. */
const ONE_STEP: readonly PhaseConfig[] = [{ name: 'build', steps: ['run-agent'] }];

/** The phases of the workflow managers that the sample imitates. */
const SAMPLE_PHASES: readonly PhaseConfig[] = ['frame', 'architect', 'build', 'evaluate', 'release'].map(
  (name) => ({
    name,
    steps: ['run-agent'],
  }),
);

/** The command names that may follow the trigger. */
export function commandNames(config: Config): readonly string[] {
  const configured = Object.keys(config.commands);
  return configured.length > 0 ? configured : DEFAULT_COMMANDS;
}

/** Whether tasks run the bundled sample because no agent is configured. */
export function usesSampleAgent(config: Config): boolean {
  return Object.keys(config.agents).length === 0;
}

/** Throws `ERR_INPUT_INVALID` for an agent or a command that is not configured. */
export function planFor(
  config: Config,
  order: {
    readonly command: string | null;
    readonly agent: string | null;
    readonly budget?: Budget | undefined;
  },
): Plan {
  const command = order.command === null ? undefined : ownEntry(config.commands, order.command);
  if (order.command !== null && !commandNames(config).includes(order.command)) {
    throw unknown('command', order.command, commandNames(config));
  }
  const agentName = order.agent ?? command?.agent ?? defaultAgent(config);
  const agent =
    ownEntry(config.agents, agentName) ?? (agentName === SAMPLE_AGENT ? sampleAgent() : undefined);
  if (agent === undefined) throw unknown('agent', agentName, agentNames(config));
  const phases = command?.phases ?? (agent.type === 'sample' ? SAMPLE_PHASES : ONE_STEP);
  const budget = smallestBudget(agent.budget, command?.budget, order.budget);
  return { budget, agentName, agent, workflow: command?.workflow ?? order.command ?? 'task', phases };
}

/** Throws `ERR_CONFIG_INVALID` for an unknown dialect, so that the start fails and not the first task. */
export function checkAgents(config: Config): void {
  const problems: string[] = [];
  for (const [name, { dialect = DEFAULT_DIALECT }] of Object.entries(config.agents)) {
    if (DIALECT_NAMES.includes(dialect)) continue;
    const known = DIALECT_NAMES.join(', ');
    // An agent that is set by TASK_LOGS_AGENT_COMMAND has no entry in the file.
    const isShort = name === 'default' && config.sources.TASK_LOGS_AGENT_COMMAND !== 'default';
    const where = isShort ? 'TASK_LOGS_AGENT_DIALECT' : `agents.${name}.dialect`;
    problems.push(`${where}: ${JSON.stringify(dialect)} is not known; use one of ${known}`);
  }
  if (problems.length > 0) throw new TasktrailError('ERR_CONFIG_INVALID', problems.join('\n'));
}

/** Messages about agents that cannot be started on this machine. The service still starts: other agents may work. */
export function agentProblems(config: Config): readonly string[] {
  const { PATH: path = '' } = inheritedEnvironment();
  return Object.entries(config.agents).flatMap(([name, { command, cwd = '.' }]) => {
    const [program = ''] = command;
    if (!isDirectory(cwd)) return [`${name}: working directory not found: ${cwd}`];
    if (findProgram(program, { path, cwd }) !== undefined) return [];
    return [`${name}: program not found: ${program} (install it, or give its full path)`];
  });
}

export function timeoutMsOf(agent: AgentConfig): number {
  return (agent.timeout_seconds ?? AGENT_TIMEOUT_SECONDS) * 1_000;
}

/** Own properties only: a sender may choose a name such as `constructor`. */
function ownEntry<T>(entries: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(entries, name) ? entries[name] : undefined;
}

function defaultAgent(config: Config): string {
  return Object.keys(config.agents)[0] ?? SAMPLE_AGENT;
}

function agentNames(config: Config): readonly string[] {
  return [...new Set([...Object.keys(config.agents), SAMPLE_AGENT])];
}

function sampleAgent(): AgentConfig {
  const script = fileURLToPath(new URL('../agent/sample/sample-agent.js', import.meta.url));
  // Tests load this file from src; the sample agent is a process of its own and needs the built file.
  const built = existsSync(script) ? script : script.replace(/src([\\/])agent/, 'dist$1agent');
  return {
    type: 'sample',
    command: [process.execPath, built, '--phase', '{phase}', '--step', '{step}'],
    dialect: 'claude',
  };
}

function unknown(what: string, name: string, known: readonly string[]): TasktrailError {
  return new TasktrailError(
    'ERR_INPUT_INVALID',
    `there is no ${what} ${JSON.stringify(firstOfText(name, 60))}; known: ${known.join(', ')}`,
  );
}

/** The program of an agent, without its arguments: they may hold a prompt. */
export function programOf(agent: AgentConfig): string {
  return basename(agent.command[0] ?? '');
}
