/** For a variable with a secret of the service in its value. */
export function droppedText(variable: string, agent: string): string {
  return `${variable} is not handed to the agent ${agent}: it holds a secret of the service`;
}

/** For variables that the agent's program reads and the agent does not get. `where`: the setting that hands them over. */
export function heldBackText(names: readonly string[], agent: string, where: string): string {
  const [verb, object] = names.length === 1 ? ['is', 'it'] : ['are', 'them'];
  return `${names.join(', ')} ${verb} set and not handed to the agent ${agent}: name ${object} in ${where}`;
}
