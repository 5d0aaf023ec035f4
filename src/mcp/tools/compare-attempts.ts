import { z } from 'zod';
import { compareRecords } from '../compare/attempt-differences.ts';
import { type AttemptRecord, readAttempt } from '../compare/attempt-record.ts';
import { defineTool, type Tool } from '../tool.ts';
import { countOf, Rows } from '../tool-answer.ts';
import { taskId } from '../tool-arguments.ts';

const ROW_BYTES_MAX = 1_500;

const attempt = z.int().min(1).optional().describe('Default: the last one.');
const side = z.strictObject({ task_id: taskId, attempt });

export const compareAttempts: Tool = defineTool({
  name: 'compare_attempts',
  title: 'Compare attempts',
  description:
    'Compares two attempts of a task, or two tasks: the first phase, step or tool call that differs, the first with another input or ' +
    'outcome, and differences of status, time, tokens, cost and calls by tool. Read the lines with read_output and event_id.',
  schema: z.strictObject({ a: side, b: side }),
  run: async ({ a, b }, { reader, signal }) => {
    const left = await readAttempt(reader, a, signal);
    const right = await readAttempt(reader, b, signal);
    const differences = compareRecords(left, right).rows;
    const rows = new Rows();
    rows.add({ a: sideOf(left), b: sideOf(right) }, ROW_BYTES_MAX);
    for (const row of differences) if (!rows.add(row, ROW_BYTES_MAX)) break;
    const hidden = differences.length - (rows.texts.length - 1);
    const leftOut = left.leftOut + right.leftOut;
    return {
      title: [
        differences.length === 0
          ? 'No difference.'
          : `${countOf(differences.length, 'difference')}, after a row about the sides.`,
        ...(hidden > 0 ? [`${hidden} of them have no room here.`] : []),
        ...(leftOut > 0 ? [`${leftOut} acts were too many to compare.`] : []),
      ].join(' '),
      rows: rows.texts,
      links: [...new Set([left.taskId, right.taskId])].map((id) => `/api/tasks/${id}/trace`),
    };
  },
});

function sideOf({ taskId: id, attempt: number, status, acts, amountsFrom }: AttemptRecord): {
  readonly task_id: string;
  readonly attempt: number;
  readonly status: string | null;
  readonly acts: number;
  readonly amounts_from: string;
} {
  return { task_id: id, attempt: number, status, acts: acts.length, amounts_from: amountsFrom };
}
