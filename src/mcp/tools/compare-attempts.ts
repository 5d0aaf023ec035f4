import { z } from 'zod';
import { compareRuns } from '../../compare/compare-runs.ts';
import type { RunName } from '../../compare/read-run.ts';
import { checkId } from '../../model/ids.ts';
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
    'Compares two attempts of a task, or two tasks: differences of status, result, time, tokens, cost, artifacts and calls by tool, and ' +
    'the phases, steps and tool calls that differ, the first one first. Read the lines with read_output and event_id.',
  schema: z.strictObject({ a: side, b: side }),
  run: async ({ a, b }, { reader, signal }) => {
    const compared = await compareRuns(reader, [nameOf(a), nameOf(b)], { signal });
    const { first_divergence: first, differences, cut } = compared;
    const found = [
      ...(first === null ? [] : [{ difference: 'first_divergence', ...first }]),
      ...differences,
      // The first one is shown above.
      ...compared.rows.slice(1).map((row) => ({ difference: 'row', ...row })),
    ];
    const rows = new Rows();
    rows.add({ a: compared.a, b: compared.b }, ROW_BYTES_MAX);
    for (const row of found) if (!rows.add(row, ROW_BYTES_MAX)) break;
    const total = found.length + compared.differences_left_out + compared.rows_left_out;
    const hidden = total - (rows.texts.length - 1);
    return {
      title: [
        total === 0 ? 'No difference.' : `${countOf(total, 'difference')}, after a row about the sides.`,
        ...(hidden > 0 ? [`${hidden} of them have no room here.`] : []),
        ...(cut === null
          ? []
          : [`Not compared, as too many or too different: ${cut.a} of a, ${cut.b} of b.`]),
      ].join(' '),
      rows: rows.texts,
      links: [...new Set([a.task_id, b.task_id])].map((id) => `/api/tasks/${id}/trace`),
    };
  },
});

function nameOf(given: z.infer<typeof side>): RunName {
  return { taskId: checkId('task_id', given.task_id), attempt: given.attempt };
}
