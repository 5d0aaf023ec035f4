import { lstat, lutimes } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errnoOf } from '../../errors.ts';
import { isPathSafeId, isWorkflowId } from '../../model/ids.ts';
import { parseJson, parseObject } from '../../model/json.ts';
import { compareMarks, markOfSpan } from '../../model/sender.ts';
import { readText } from '../../system/durable.ts';
import { lstatIfPresent, namesIn, readableNamesIn } from '../../system/files/optional-files.ts';
import { TASK_FILES, type TaskFile, WORKFLOW_FILES } from '../layout.ts';
import { openTaskLines } from '../task-file.ts';
import { workflowFile } from '../workflow-place.ts';
import { spanOf } from './lines/sent-span.ts';
import type { SoughtSpan } from './workflow/missing-spans.ts';

/** Ids of tasks that an earlier process may have left unfinished. */
export async function unsettledTasks(logDir: string): Promise<AsyncGenerator<string>> {
  const ids = (await namesIn(logDir)).filter(isPathSafeId);
  return (async function* () {
    for (const id of ids) if (!(await isTaskSettled(logDir, id))) yield id;
  })();
}

/**
 * Marks a settled workflow: its document's mtime is this much later than that of its facts. It is the time after
 * which missing spans are given up. Files that lost their times in copying are opened once more, which changes
 * nothing.
 */
const SETTLED_MS = 10_000;

/** Marks a workflow as settled: its file is sorted and all missing spans are built. */
export async function markSettled(month: string, workflowId: string): Promise<void> {
  const facts = await mtimeOf(workflowFile(month, workflowId, 'facts'));
  const document = workflowFile(month, workflowId, 'document');
  if (facts === undefined || (await mtimeOf(document)) === undefined) return;
  const settledAt = new Date(facts + SETTLED_MS + 1);
  await lutimes(document, settledAt, settledAt);
}

/** Ids of a month's workflows that are not marked as settled. */
export async function* unsettledWorkflows(month: string): AsyncGenerator<string> {
  const names = await readableNamesIn(month);
  const idsOf = (suffix: string): string[] =>
    names.filter((name) => name.endsWith(suffix)).map((name) => basename(name, suffix));
  // A document whose facts are lost gives them back.
  for (const id of new Set([...idsOf(WORKFLOW_FILES.facts), ...idsOf(WORKFLOW_FILES.document)])) {
    if (!isWorkflowId(id)) continue;
    // An error counts as absent: the workflow is opened, which repairs it or reports the error.
    const [document, facts] = await Promise.all([
      mtimeOf(workflowFile(month, id, 'document')).catch(() => undefined),
      mtimeOf(workflowFile(month, id, 'facts')).catch(() => undefined),
    ]);
    if (document === undefined || facts === undefined || document - facts < SETTLED_MS) yield id;
  }
}

/**
 * Whether a span is in its task's trace, sent by the trail or by a sender of this mark. Only reads: the task may be open for
 * writing.
 */
export async function isSpanInTask(
  logDir: string,
  taskId: string,
  { spanId, mark }: SoughtSpan,
): Promise<boolean> {
  const opened = await openTaskLines(logDir, taskId, 'trace');
  if (opened === undefined) return false;
  try {
    for await (const batch of opened.lines()) {
      for (const { bytes } of batch) {
        if (bytes?.includes(`"spanId":"${spanId}"`) !== true) continue;
        const stored = spanOf(parseJson(bytes.toString('utf8')));
        if (stored?.spanId === spanId && compareMarks(markOfSpan(stored.attributes), mark) <= 0) return true;
      }
    }
    return false;
  } finally {
    await opened.close();
  }
}

/** Settled, and no line was written after the metadata: lines left by a crash are newer. */
async function isTaskSettled(logDir: string, id: string): Promise<boolean> {
  const path = (file: TaskFile): string => join(logDir, id, TASK_FILES[file]);
  try {
    // Opening a link reports it.
    if ((await lstat(join(logDir, id))).isSymbolicLink()) return false;
    if (parseObject(await readText(path('metadata')))?.settled !== true) return false;
    const { mtimeMs } = await lstat(path('metadata'));
    for (const file of ['webhookFlow', 'agentOutput', 'facts', 'trace'] as const) {
      const lines = await mtimeOf(path(file));
      // Equal: a clock of coarse steps cannot tell. Settling comes seconds after the last line.
      if (lines !== undefined && lines >= mtimeMs) return false;
    }
    return true;
  } catch (error) {
    // ENOTDIR: not a task. For any other error the task is opened, which repairs it or reports the error.
    return errnoOf(error) === 'ENOTDIR';
  }
}

async function mtimeOf(path: string): Promise<number | undefined> {
  return (await lstatIfPresent(path))?.mtimeMs;
}
