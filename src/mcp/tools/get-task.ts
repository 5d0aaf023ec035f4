import { z } from 'zod';
import { TasktrailError } from '../../errors.ts';
import { checkId } from '../../model/ids.ts';
import { isJsonObject, type JsonObject } from '../../model/json.ts';
import type { TaskDocument } from '../../model/task-reading.ts';
import type { McpReader } from '../mcp-reader.ts';
import { defineTool, type Tool } from '../tool.ts';
import { Rows } from '../tool-answer.ts';
import { taskId } from '../tool-arguments.ts';

export const getTask: Tool = defineTool({
  name: 'get_task',
  title: 'Get a task',
  description:
    'One task: its metadata, the message that it was given and, once it is over, its result with cost, tokens and their cost_basis. ' +
    'Of one that is not over, activity says what it waits for. ' +
    'read_output has what the agent printed, get_timeline what happened when.',
  schema: z.strictObject({ task_id: taskId }),
  run: async ({ task_id: given }, { reader }) => {
    const id = checkId('task_id', given);
    // The store writes the result before the last metadata.
    const metadata = await readDocument(reader, id, 'metadata');
    const input = await readDocument(reader, id, 'input');
    const result = await readDocument(reader, id, 'final-result');
    if (!(await reader.hasTask(id))) throw notFound(id);
    const known = isJsonObject(metadata) ? metadata : {};
    const activity = (await reader.activityOf?.({ ...known, task_id: id })) ?? undefined;
    return {
      title: 'A task: its metadata, its input, and its result when it is over.',
      rows: new Rows().addAll(
        [{ metadata }, { activity }, { input }, { result }].filter(
          (row) => Object.values(row)[0] !== undefined,
        ),
      ).texts,
      links: ['metadata', 'input', 'final-result'].map((name) => `/api/tasks/${id}/logs/${name}`),
    };
  },
});

export function notFound(id: string): TasktrailError {
  return new TasktrailError('ERR_NOT_FOUND', `there is no task ${id}: search_tasks lists them`);
}

/** One damaged file must not hide the others. */
async function readDocument(
  reader: McpReader,
  id: string,
  document: TaskDocument,
): Promise<JsonObject | string | undefined> {
  try {
    return await reader.readDocument(id, document);
  } catch (error) {
    if (error instanceof TasktrailError && error.code === 'ERR_STORE_UNAVAILABLE' && !error.retryable)
      return '(the file is damaged)';
    throw error;
  }
}
