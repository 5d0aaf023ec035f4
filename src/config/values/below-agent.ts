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

/** As in the header that an agent gets: the token of its task. */
const AGENT_TOKEN = /(?:^|,)\s*authorization=Bearer(?:%20| )agent\./i;

/**
 * Whether the endpoint of this process is the receiver that an agent got for its own task. What a command in an agent of
 * `tasktrail run` stores itself must not go there too: about any other task the receiver refuses it.
 */
export function hasAgentEndpoint(variables: Readonly<Record<string, string | undefined>>): boolean {
  return isBelowAgent(variables) && AGENT_TOKEN.test(variables.OTEL_EXPORTER_OTLP_HEADERS ?? '');
}
