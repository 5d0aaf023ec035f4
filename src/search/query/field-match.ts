import { numberIn, type TaskRow, textsIn } from '../task-row.ts';
import type { FieldClause, NumberClause, TextClause } from './clauses.ts';
import { WITHOUT_CASE } from './query-fields.ts';

/** Whether a task is as the clauses say. `tools` are those that its agent has called. */
export function matchesFields(
  row: TaskRow,
  clauses: readonly FieldClause[],
  tools: ReadonlySet<string> = new Set(),
): boolean {
  return clauses.every((clause) =>
    clause.kind === 'number' ? matchesNumber(row, clause) : matchesText(row, clause, tools),
  );
}

/** Whether the clause can be decided without the output. */
export function isOfDocuments(clause: FieldClause): boolean {
  return clause.field !== 'tool';
}

function matchesText(
  row: TaskRow,
  { field, values, isNegated }: TextClause,
  tools: ReadonlySet<string>,
): boolean {
  const found = field === 'tool' ? [...tools] : textsIn(row, field);
  const isFound = found.some((text) => values.some((value) => isValue(text, value, WITHOUT_CASE.has(field))));
  return isFound !== isNegated;
}

function isValue(text: string, value: TextClause['values'][number], isCaseless: boolean): boolean {
  const [found, sought] = isCaseless ? [text.toLowerCase(), value.text.toLowerCase()] : [text, value.text];
  return value.isPrefix ? found.startsWith(sought) : found === sought;
}

function matchesNumber(row: TaskRow, clause: NumberClause): boolean {
  const value = numberIn(row, clause.field);
  if (value === null) return false;
  const { min, max, isMinOpen, isMaxOpen, isNegated } = clause;
  const isAbove = min === undefined || (isMinOpen ? value > min : value >= min);
  const isBelow = max === undefined || (isMaxOpen ? value < max : value <= max);
  return (isAbove && isBelow) !== isNegated;
}
