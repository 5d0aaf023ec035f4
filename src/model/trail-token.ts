import { createHmac } from 'node:crypto';
import { isPathSafeId } from './ids.ts';
import { isAnyOf } from './secret.ts';
import type { Sender } from './sender.ts';

const AGENT_PREFIX = 'agent.';

/** The token of processes that may say everything, derived from the key of the log directory. */
export function trailTokenOf(key: string): string {
  return `trail.${sign(key, 'tasktrail trail')}`;
}

/** The token of a task's agent, `agent.<task id>.<signature>`: for records about that task while it runs. */
export function agentTokenOf(key: string, taskId: string): string {
  return `${AGENT_PREFIX}${taskId}.${sign(key, `tasktrail agent ${taskId}`)}`;
}

/** The sender that a token of the directory's key proves; undefined for any other text. */
export function senderOfToken(key: string, token: string): Sender | undefined {
  if (isAnyOf([trailTokenOf(key)], token)) return { kind: 'trail' };
  if (!token.startsWith(AGENT_PREFIX)) return undefined;
  const taskId = token.slice(AGENT_PREFIX.length, token.lastIndexOf('.'));
  if (!isPathSafeId(taskId) || !isAnyOf([agentTokenOf(key, taskId)], token)) return undefined;
  return { kind: 'agent', taskId };
}

/** Shows that a process which knows the key wrote this text. */
export function macOf(key: string, text: string): string {
  return sign(key, `tasktrail mac ${text}`);
}

function sign(key: string, purpose: string): string {
  return createHmac('sha256', key).update(purpose).digest('base64url');
}
