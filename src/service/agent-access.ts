import { findAccount } from '../agent/account.ts';
import { heldBack } from '../agent/held-back.ts';
import type { Config } from '../config/config.ts';
import { processEnvironment } from '../config/environment.ts';
import { variablesOf } from '../config/file/agent-variables.ts';
import { SHORT_FORM_AGENT } from '../config/short-form-agent.ts';
import { TasktrailError } from '../errors.ts';
import { refusedVariables } from '../trail/agents/agent-environment.ts';
import { droppedText, heldBackText, missingText } from '../trail/agents/handed-texts.ts';

/** Throws `ERR_CONFIG_INVALID` with a line for each user that agents cannot run as, so that the start fails. */
export function checkAgentUsers(config: Config): void {
  const settings = new Map<string, string>(
    Object.entries(config.agents).flatMap(([name, { user }]) =>
      user === undefined ? [] : [[`agents.${name}.user`, user]],
    ),
  );
  if (config.agentUser !== undefined) settings.set('TASK_LOGS_AGENT_USER', config.agentUser);
  const problems: string[] = [];
  for (const [setting, user] of settings) {
    try {
      findAccount(user, setting);
    } catch (error) {
      if (!(error instanceof TasktrailError)) throw error;
      problems.push(error.message);
    }
  }
  if (problems.length > 0) throw new TasktrailError('ERR_CONFIG_INVALID', problems.join('\n'));
}

/** What the start says about the rights and the variables of agents. Each line says what to do. */
export function agentAccessNotes(
  config: Config,
  isRoot: boolean = process.getuid?.() === 0,
): readonly string[] {
  const agents = Object.entries(config.agents);
  const asRoot = agents.filter(([, { user = config.agentUser }]) => user === undefined).map(([name]) => name);
  return [...(isRoot && asRoot.length > 0 ? [rootNote(asRoot)] : []), ...variableNotes(config)];
}

function rootNote(names: readonly string[]): string {
  const verb = names.length === 1 ? 'runs' : 'run';
  return `${names.join(', ')} ${verb} as root and may read and change everything here: set TASK_LOGS_AGENT_USER to a user without rights, or start the service as one`;
}

/** A line for each variable, with all the agents that it is about. */
function variableNotes(config: Config): readonly string[] {
  const { variables } = processEnvironment();
  const back = new Map<string, string[]>();
  const refused = new Map<string, string[]>();
  const missing = new Map<string, string[]>();
  for (const [name, agent] of Object.entries(config.agents)) {
    const [own, shared] = [variablesOf(agent.env), variablesOf(config.agentEnv)];
    const values = { ...shared.values, ...own.values };
    const held = heldBack(agent.command, agent.dialect, { env: variables, handed: values });
    if (held.length > 0) addTo(back, held.join('\n'), name);
    for (const variable of refusedVariables(values, config)) addTo(refused, variable, name);
    for (const variable of new Set([...own.missing, ...shared.missing])) addTo(missing, variable, name);
  }
  return [
    ...[...back].map(([names, agents]) =>
      heldBackText(names.split('\n'), agents, agents.map((name) => settingOf(name, config)).join(', ')),
    ),
    ...[...refused].map(([variable, agents]) => droppedText(variable, ...agents)),
    ...[...missing].map(([variable, agents]) => missingText(variable, ...agents)),
  ];
}

function addTo(lists: Map<string, string[]>, key: string, value: string): void {
  lists.set(key, [...(lists.get(key) ?? []), value]);
}

/** An agent of the short form has no entry in the file. */
function settingOf(name: string, config: Config): string {
  const isShort = name === SHORT_FORM_AGENT && config.sources.TASK_LOGS_AGENT_COMMAND !== 'default';
  return isShort ? 'TASK_LOGS_AGENT_ENV' : `agents.${name}.env`;
}
