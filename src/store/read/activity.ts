import { type JsonObject, parseObject } from '../../model/json.ts';
import {
  isRunning,
  runningActivity,
  saidWait,
  type TaskActivity,
} from '../../project/activity/running-task.ts';
import type { Approval } from '../../project/activity/waiting-approval.ts';
import { unlessUnreadable } from '../file-errors.ts';
import { taskFile } from '../layout.ts';
import { lstatStored, openStored } from '../stored-file.ts';

/** The end of an output that is read: dozens of lines. Doubled until a whole line is in it. */
const TAIL_BYTES = 65_536;
const TAIL_BYTES_MAX = 1_048_576;

export interface ActivityOptions {
  readonly nowMs: number;
  /** The approval that a workflow of the task waits for. */
  readonly approval: Approval | undefined;
}

/** Undefined for a task that does not run. Files that cannot be read count as empty. */
export async function readActivity(
  logDir: string,
  metadata: JsonObject,
  { nowMs, approval }: ActivityOptions,
): Promise<TaskActivity | undefined> {
  const { task_id: id, status } = metadata;
  if (typeof id !== 'string' || !isRunning(metadata)) return undefined;
  // The holder touches the facts with each heartbeat, and each fact is a sign of life too.
  const facts = await unlessUnreadable(lstatStored({ path: taskFile(logDir, id, 'facts'), what: 'a task' }));
  const lines = (await unlessUnreadable(readTail(taskFile(logDir, id, 'agentOutput')))) ?? [];
  const wait = approval ?? (status === 'waiting_input' ? saidWait(await readFacts(logDir, id)) : undefined);
  return runningActivity({ metadata, nowMs, heardMs: facts?.mtimeMs, lines, wait });
}

/** The end of its facts. */
async function readFacts(logDir: string, id: string): Promise<readonly JsonObject[]> {
  return (await unlessUnreadable(readTail(taskFile(logDir, id, 'facts')))) ?? [];
}

async function readTail(path: string): Promise<readonly JsonObject[]> {
  const opened = await openStored({ path, what: 'a line file of a task' });
  if (opened === undefined) return [];
  const { handle, size } = opened;
  try {
    for (let bytes = TAIL_BYTES; ; bytes *= 2) {
      const from = Math.max(0, size - bytes);
      const buffer = Buffer.allocUnsafe(size - from);
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, from);
      const texts = buffer.toString('utf8', 0, bytesRead).split('\n');
      // The first one is torn, and so may be the last one.
      const whole = from === 0 ? texts : texts.slice(1);
      const lines = whole.map((text) => parseObject(text)).filter((line) => line !== undefined);
      if (lines.length > 0 || from === 0 || bytes >= TAIL_BYTES_MAX) return lines;
    }
  } finally {
    await handle.close();
  }
}
