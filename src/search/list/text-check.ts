import type { FieldClause, TermClause } from '../query/clauses.ts';
import { matchesFields } from '../query/field-match.ts';
import type { TaskFiles } from '../searched-files.ts';
import type { TaskDocuments, TaskRow } from '../task-row.ts';
import { textsOfDocuments, textsOfLine } from '../text/task-texts.ts';
import { TextMatch } from '../text/text-match.ts';

/** Whether the texts of a task are as the terms say. Reads no further than needed. */
export async function hasTerms(
  files: TaskFiles,
  taskId: string,
  { documents, terms }: { readonly documents: TaskDocuments; readonly terms: readonly TermClause[] },
): Promise<boolean> {
  const match = new TextMatch(terms.map(({ term }) => term));
  for (const text of textsOfDocuments(taskId, documents)) match.read(text);
  if (!match.isComplete) {
    for await (const lines of files.outputLines(taskId)) {
      for (const line of lines) {
        if (match.mayBeIn(line)) for (const text of textsOfLine(line).texts) match.read(text);
      }
      if (match.isComplete) break;
    }
  }
  return terms.every(({ isNegated }, index) => match.found[index] !== isNegated);
}

/** Whether a task is as clauses about its tools say. */
export async function hasTools(
  files: TaskFiles,
  row: TaskRow,
  clauses: readonly FieldClause[],
): Promise<boolean> {
  return clauses.length === 0 || matchesFields(row, clauses, new Set((await toolsOf(files, row.id)).keys()));
}

/** The tools that the agent has called, with the number of calls. */
export async function toolsOf(files: TaskFiles, taskId: string): Promise<ReadonlyMap<string, number>> {
  const tools = new Map<string, number>();
  for await (const lines of files.outputLines(taskId)) {
    for (const line of lines) {
      // Most lines are no calls, and need not be parsed.
      const tool = line.includes('"tool_call"') ? textsOfLine(line).tool : undefined;
      if (tool !== undefined) tools.set(tool, (tools.get(tool) ?? 0) + 1);
    }
  }
  return tools;
}
