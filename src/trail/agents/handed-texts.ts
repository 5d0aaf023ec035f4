/** For a variable with a secret of the service in its value. */
export function droppedText(variable: string, ...agents: readonly string[]): string {
  return `${variable} is not handed to ${agentsText(agents)}: it holds a secret of the service`;
}

/** For variables that the agent's program reads and the agent does not get. `where`: the setting that hands them over. */
export function heldBackText(names: readonly string[], agents: readonly string[], where: string): string {
  const [verb, object] = names.length === 1 ? ['is', 'it'] : ['are', 'them'];
  return `${names.join(', ')} ${verb} set and not handed to ${agentsText(agents)}: name ${object} in ${where}`;
}

/** For a variable that a setting names and that is not there. */
export function missingText(variable: string, ...agents: readonly string[]): string {
  const verb = agents.length === 1 ? 'starts' : 'start';
  return `${variable} is not set, so ${agentsText(agents)} ${verb} without it`;
}

function agentsText(agents: readonly string[]): string {
  return `the ${agents.length === 1 ? 'agent' : 'agents'} ${agents.join(', ')}`;
}
