import { join } from 'node:path';
import { checkId } from '../model/ids.ts';

/** File names inside a task's directory. */
export const TASK_FILES = {
  metadata: 'metadata.json',
  input: '01-input.json',
  webhookFlow: '02-webhook-flow.jsonl',
  agentOutput: '03-agent-output.jsonl',
  finalResult: '04-final-result.json',
  trace: 'trace.jsonl',
  facts: 'facts.jsonl',
  manifest: 'manifest.json',
} as const;
export type TaskFile = keyof typeof TASK_FILES;

/** Suffixes after a workflow's id, in `_workflow/<yyyy>/<mm>`. Only events and spans end in `.jsonl`. */
export const WORKFLOW_FILES = {
  /** Envelopes, appended as events arrive. */
  events: '.jsonl',
  /** Spans of a workflow outside any task. */
  trace: '.trace.jsonl',
  /** The document, once the workflow has ended. */
  document: '.json',
  /** JSONL: all received events, repeats included. The other files are folds of this one. */
  facts: '.facts',
  /** JSON: the revision that was verified in S3, and its object. */
  uploaded: '.uploaded',
} as const;
export type WorkflowFile = keyof typeof WORKFLOW_FILES;

/** Names of other files and folders in the log directory. */
export const OWN_NAMES = {
  workflows: '_workflow',
  /**
   * Below `_workflow`: a file for each day with the events in the order of storing. Only the newest file is appended
   * to.
   */
  feed: '_feed',
  webhooks: '_webhooks',
  lock: '_lock.json',
  /** JSON: the number of the last lease, kept while there is no lock file. */
  lease: '_lease.json',
  /** JSON: the address of the service that holds the directory. */
  page: '_page.json',
  /** 64 hex digits: signs the tokens of senders. */
  key: '_key',
  /** JSON files: the tasks that the service has taken and not ended. */
  queue: '_queue',
  /** JSONL files: what is sent outward, a file for each receiver. */
  notify: '_notify',
  /** JSON files: the configuration files of services, and when agents ran that could write them. */
  config: '_config',
  /** JSON: the id of this directory. */
  directory: '_directory.json',
  /** Tasks that an import is making. */
  moving: '_moving',
  /** JSONL: the tasks and workflows that retention has removed. */
  pruned: '_pruned.jsonl',
} as const;

/** A file of one day: deliveries in `_webhooks`, events in `_feed`. */
export const DAY_FILE: RegExp = /^\d{4}-\d{2}-\d{2}\.jsonl$/;

/** Directory of a task. Throws `ERR_ID_INVALID` for an id that is not safe in a path. */
export function taskDir(logDir: string, taskId: string): string {
  return join(logDir, checkId('task id', taskId));
}

export function taskFile(logDir: string, taskId: string, file: TaskFile): string {
  return join(taskDir(logDir, taskId), TASK_FILES[file]);
}
