import type { AgentConfig, CommandConfig } from './file/agent-schema.ts';
import { SAMPLE_AGENT } from './file/agent-schema.ts';
import type { Given } from './read-settings.ts';

type Agents = Readonly<Record<string, AgentConfig>>;

/** Name of the agent that `TASK_LOGS_AGENT_COMMAND` describes. */
export const SHORT_FORM_AGENT = 'default';

/** The agents of the file and the one of the short form, which wins over an agent of its name in the file. */
export function resolveAgents(given: Given, ofFile: Agents = {}): Agents {
  const command = given('TASK_LOGS_AGENT_COMMAND');
  if (command === undefined) return ofFile;
  const dialect = given('TASK_LOGS_AGENT_DIALECT') ?? 'auto';
  const short: AgentConfig = { type: 'coding', command, dialect };
  // First: the first agent runs every command that names no other.
  return Object.assign({ [SHORT_FORM_AGENT]: short }, ofFile, { [SHORT_FORM_AGENT]: short });
}

/** A line for each command whose agent does not exist. */
export function unknownAgents(
  agents: Agents,
  commands: Readonly<Record<string, CommandConfig>>,
  path: string,
): readonly string[] {
  return Object.entries(commands).flatMap(([name, { agent = SAMPLE_AGENT }]) =>
    agent === SAMPLE_AGENT || Object.hasOwn(agents, agent)
      ? []
      : [`${path}: commands.${name}.agent: there is no agent ${JSON.stringify(agent)}`],
  );
}
