import type { Config } from '../config/config.ts';
import type { Role } from '../service/start.ts';

/** What the start of root says when every user of this machine may start agents; undefined when none may. */
export function openDoorNote(
  { apiToken, agents, agentUser }: Pick<Config, 'apiToken' | 'agents' | 'agentUser'>,
  role: Role,
  uid: number | undefined = process.getuid?.(),
): string | undefined {
  if (uid !== 0 || apiToken !== undefined || role === 'worker') return undefined;
  // A service without a worker does not know the users of the others' agents.
  const users = role === 'serve' ? [undefined] : Object.values(agents).map(({ user }) => user ?? agentUser);
  const asRoot = users.includes(undefined) ? ', which run as root' : '';
  return `no token is set: every user of this machine can start tasks${asRoot}. Set TASK_LOGS_API_TOKEN`;
}
