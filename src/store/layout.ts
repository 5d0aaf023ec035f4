import { join } from 'node:path';
import { checkId } from '../model/ids.ts';

/** The one table of file names inside a task's directory. */
export const TASK_FILES = {
  metadata: 'metadata.json',
  input: '01-input.json',
  webhookFlow: '02-webhook-flow.jsonl',
  agentOutput: '03-agent-output.jsonl',
  finalResult: '04-final-result.json',
  trace: 'trace.jsonl',
  facts: 'facts.jsonl',
} as const;
export type TaskFile = keyof typeof TASK_FILES;

export const WORKFLOW_DIR = '_workflow';
export const WEBHOOKS_DIR = '_webhooks';
export const LOCK_FILE = '_lock.json';

/** The directory of a task below the log directory; throws `ERR_ID_INVALID` for an id that could not be a path. */
export function taskDir(logDir: string, taskId: string): string {
  return join(logDir, checkId('task id', taskId));
}

export function taskFile(logDir: string, taskId: string, file: TaskFile): string {
  return join(taskDir(logDir, taskId), TASK_FILES[file]);
}
