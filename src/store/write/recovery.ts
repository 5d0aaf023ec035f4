import { readdir, stat, utimes } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errnoOf } from '../../errors.ts';
import { isPathSafeId, isWorkflowId } from '../../model/ids.ts';
import { parseObject } from '../../model/json.ts';
import { readText } from '../../system/durable.ts';
import { TASK_FILES, type TaskFile, WORKFLOW_FILES } from '../layout.ts';
import { openTaskLines } from '../task-file.ts';
import { workflowFile } from '../workflow-place.ts';

/** Tasks that an earlier process may have left unfinished. */
export async function unsettledTasks(logDir: string): Promise<AsyncGenerator<string>> {
  const ids = (await listNames(logDir)).filter(isPathSafeId);
  return (async function* () {
    for (const id of ids) if (!(await isTaskSettled(logDir, id))) yield id;
  })();
}

/**
 * The document of a workflow with which nothing is left to do is that much younger than its last event: the time after
 * which no span is waited for. Files whose times were lost in copying are looked at once more, which changes nothing.
 */
const SETTLED_MS = 10_000;

/** Notes that nothing is left to do: order is made, and every span that nobody sends is made. */
export async function markSettled(month: string, workflowId: string): Promise<void> {
  const facts = await mtimeOf(workflowFile(month, workflowId, 'facts'));
  const document = workflowFile(month, workflowId, 'document');
  if (facts === undefined || (await mtimeOf(document)) === undefined) return;
  const settledAt = new Date(facts + SETTLED_MS + 1);
  await utimes(document, settledAt, settledAt);
}

/** Workflows of a month that are running, or that were not left alone long enough after their end. */
export async function* unsettledWorkflows(month: string): AsyncGenerator<string> {
  for (const name of await listNames(month)) {
    const id = basename(name, WORKFLOW_FILES.facts);
    if (!name.endsWith(WORKFLOW_FILES.facts) || !isWorkflowId(id)) continue;
    const [document, facts] = await Promise.all([
      mtimeOf(workflowFile(month, id, 'document')),
      mtimeOf(workflowFile(month, id, 'facts')),
    ]);
    if (document === undefined || facts === undefined || document - facts < SETTLED_MS) yield id;
  }
}

/** Whether a span is in the trace of its task. Only looks: the task's own writer may be at work. */
export async function isSpanInTask(logDir: string, taskId: string, spanId: string): Promise<boolean> {
  const opened = await openTaskLines(logDir, taskId, 'trace');
  if (opened === undefined) return false;
  try {
    for await (const batch of opened.lines()) {
      if (batch.some(({ bytes }) => bytes?.includes(`"spanId":"${spanId}"`))) return true;
    }
    return false;
  } finally {
    await opened.close();
  }
}

/** Settled, and no line was written since: what a crash left behind is newer than the last document. */
async function isTaskSettled(logDir: string, id: string): Promise<boolean> {
  const path = (file: TaskFile): string => join(logDir, id, TASK_FILES[file]);
  try {
    if (parseObject(await readText(path('metadata')))?.settled !== true) return false;
    const { mtimeMs } = await stat(path('metadata'));
    for (const file of ['webhookFlow', 'agentOutput', 'facts', 'trace'] as const) {
      const lines = await mtimeOf(path(file));
      if (lines !== undefined && lines > mtimeMs) return false;
    }
    return true;
  } catch (error) {
    // A name that is no directory is none of ours; everything else is read, and mended, by opening it.
    return errnoOf(error) === 'ENOTDIR';
  }
}

async function mtimeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function listNames(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
