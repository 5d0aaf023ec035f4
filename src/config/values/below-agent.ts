import { BOOLEAN } from './value-kinds.ts';

/** `agent/run-processes.ts` sets it for agents; all their child processes inherit it. */
const AGENT_RUN = 'TASK_LOGS_RUN_ID';

/**
 * Whether this process was started by an agent, so that its working directory may hold files that the agent wrote. A
 * tasktrail command then reads neither `.env` nor a configuration file.
 */
export function isBelowAgent(variables: Readonly<Record<string, string | undefined>>): boolean {
  const isSet = (name: string): boolean => (variables[name] ?? '') !== '';
  if (isSet(AGENT_RUN)) return true;
  const store = BOOLEAN.schema.safeParse(variables.TASK_LOGS_STORE ?? '');
  return isSet('TASK_LOGS_TASK_ID') && store.data === false;
}
