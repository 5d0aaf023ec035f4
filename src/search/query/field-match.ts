import { numberIn, type TaskRow, textsIn } from '../task-row.ts';
import type { FieldClause, NumberClause, TextClause } from './clauses.ts';
import { WITHOUT_CASE } from './query-fields.ts';
import type { NumberField, TextField } from './searched-fields.ts';

/** The values of a task, a workflow or a delivery. */
export interface FieldValues {
  texts(field: TextField): readonly string[];
  number(field: NumberField): number | null;
}

/** Whether a task is as the clauses say. `tools` are those that its agent has called. */
export function matchesFields(
  row: TaskRow,
  clauses: readonly FieldClause[],
  tools: ReadonlySet<string> = new Set(),
): boolean {
  return matchesValues(
    {
      texts: (field) => (field === 'tool' ? [...tools] : textsIn(row, field)),
      number: (field) => numberIn(row, field),
    },
    clauses,
  );
}

export function matchesValues(values: FieldValues, clauses: readonly FieldClause[]): boolean {
  return clauses.every((clause) =>
    clause.kind === 'number' ? matchesNumber(values, clause) : matchesText(values, clause),
  );
}

/** Whether the clause can be decided without the output. */
export function isOfDocuments(clause: FieldClause): boolean {
  return clause.field !== 'tool';
}

function matchesText(of: FieldValues, { field, values, isNegated }: TextClause): boolean {
  const isFound = of
    .texts(field)
    .some((text) => values.some((value) => isValue(text, value, WITHOUT_CASE.has(field))));
  return isFound !== isNegated;
}

function isValue(text: string, value: TextClause['values'][number], isCaseless: boolean): boolean {
  const [found, sought] = isCaseless ? [withoutCase(text), withoutCase(value.text)] : [text, value.text];
  return value.isPrefix ? found.startsWith(sought) : found === sought;
}

/** As NOCASE of SQLite: of the letters of ASCII alone. */
function withoutCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function matchesNumber(of: FieldValues, clause: NumberClause): boolean {
  const value = of.number(clause.field);
  if (value === null) return false;
  const { min, max, isMinOpen, isMaxOpen, isNegated } = clause;
  const isAbove = min === undefined || (isMinOpen ? value > min : value >= min);
  const isBelow = max === undefined || (isMaxOpen ? value < max : value <= max);
  return (isAbove && isBelow) !== isNegated;
}
