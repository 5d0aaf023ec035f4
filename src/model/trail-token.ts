import { createHmac } from 'node:crypto';
import { isPathSafeId } from './ids.ts';
import { isAnyOf } from './secret.ts';
import type { Sender } from './sender.ts';

const AGENT_PREFIX = 'agent.';
const LEFT_PREFIX = 'left.';

/** The token of processes that may say everything, derived from the key of the log directory. */
export function trailTokenOf(key: string): string {
  return `trail.${sign(key, 'tasktrail trail')}`;
}

/** The token of a task's agent, `agent.<task id>.<signature>`: for records about that task while it runs. */
export function agentTokenOf(key: string, taskId: string): string {
  return `${AGENT_PREFIX}${taskId}.${sign(key, `tasktrail agent ${taskId}`)}`;
}

/**
 * The token with which the trail sends what a task's agent has left: it permits what that of the agent does, and is also
 * good after the end of the task. It is never handed to an agent.
 */
export function leftRecordsTokenOf(key: string, taskId: string): string {
  return `${LEFT_PREFIX}${taskId}.${sign(key, `tasktrail left records ${taskId}`)}`;
}

/** The sender that a token of the directory's key proves; undefined for any other text. */
export function senderOfToken(key: string, token: string): Sender | undefined {
  if (isAnyOf([trailTokenOf(key)], token)) return { kind: 'trail' };
  const prefix = [AGENT_PREFIX, LEFT_PREFIX].find((known) => token.startsWith(known));
  if (prefix === undefined) return undefined;
  const taskId = token.slice(prefix.length, token.lastIndexOf('.'));
  if (!isPathSafeId(taskId)) return undefined;
  if (isAnyOf([agentTokenOf(key, taskId)], token)) return { kind: 'agent', taskId };
  if (isAnyOf([leftRecordsTokenOf(key, taskId)], token)) return { kind: 'agent', taskId, isLeft: true };
  return undefined;
}

/** Shows that a process which knows the key wrote this text. */
export function macOf(key: string, text: string): string {
  return sign(key, `tasktrail mac ${text}`);
}

function sign(key: string, purpose: string): string {
  return createHmac('sha256', key).update(purpose).digest('base64url');
}
