import type { Config } from '../config/config.ts';
import type { Role } from '../service/start.ts';

/** What the start says when every user of this machine may have root's agents do something; undefined when none may. */
export function openDoorNote(
  { apiToken }: Pick<Config, 'apiToken'>,
  role: Role,
  uid: number | undefined = process.getuid?.(),
): string | undefined {
  if (uid !== 0 || apiToken !== undefined || role === 'worker') return undefined;
  return 'no token is set: every user of this machine can start tasks, which run as root. Set TASK_LOGS_API_TOKEN';
}
