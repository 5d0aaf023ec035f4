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

/** What stands behind a workflow's id, in `_workflow/<yyyy>/<mm>`. Only events and spans end in `.jsonl`. */
export const WORKFLOW_FILES = {
  /** Envelopes, live. */
  events: '.jsonl',
  /** Spans of a workflow outside any task. */
  trace: '.trace.jsonl',
  /** The document, once the workflow has ended. */
  document: '.json',
  /** JSONL: the events as they came, repeats included, of which the others are folds. */
  facts: '.facts',
  /** JSON: which revision is known to be in S3, and where. */
  uploaded: '.uploaded',
} as const;
export type WorkflowFile = keyof typeof WORKFLOW_FILES;

/** What else is in the log directory. */
export const OWN_NAMES = {
  workflows: '_workflow',
  /** Below `_workflow`: `<yyyy-mm-dd>.jsonl`, each event as it is stored; only the newest file is appended to. */
  feed: '_feed',
  webhooks: '_webhooks',
  lock: '_lock.json',
  /** What this directory is called. */
  directory: '_directory.json',
  /** JSONL: what retention has removed. */
  pruned: '_pruned.jsonl',
} as const;

/** The directory of a task below the log directory; throws `ERR_ID_INVALID` for an id that could not be a path. */
export function taskDir(logDir: string, taskId: string): string {
  return join(logDir, checkId('task id', taskId));
}

export function taskFile(logDir: string, taskId: string, file: TaskFile): string {
  return join(taskDir(logDir, taskId), TASK_FILES[file]);
}
