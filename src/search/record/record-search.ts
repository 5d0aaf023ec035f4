import type { DeliveryQuery } from '../../model/delivery.ts';
import { fieldValues } from '../../model/field-values.ts';
import type { WorkflowQuery } from '../../model/workflow.ts';
import type { FieldClause } from '../query/clauses.ts';
import { matchesValues } from '../query/field-match.ts';
import { parseQuery } from '../query/grammar.ts';
import { DELIVERY_FIELDS, type QueryFields, WORKFLOW_FIELDS } from '../query/query-fields.ts';
import type { RecordTextField } from '../query/searched-fields.ts';
import { earliest, latest, type TaskSearch } from '../query/task-search.ts';
import { TextMatch } from '../text/text-match.ts';
import type { RecordKind } from './record-files.ts';
import type { SearchedRecord } from './searched-record.ts';

type RecordQuery = WorkflowQuery & DeliveryQuery;

/** Parameters that name one value of a field. */
const PARAMETERS = [
  'status',
  'name',
  'work_item_id',
  'project',
  'environment',
  'task_id',
  'provider',
  'outcome',
  'event_type',
] as const satisfies readonly (RecordTextField & keyof RecordQuery)[];

const FIELDS: Readonly<Record<RecordKind, QueryFields>> = {
  workflow: WORKFLOW_FIELDS,
  delivery: DELIVERY_FIELDS,
};

/** Filters and `q` as one search. Throws `QueryError` for `q`. */
export function recordSearch(kind: RecordKind, query: Partial<RecordQuery>, nowMs: number): TaskSearch {
  const asked = parseQuery(query.q ?? '', nowMs, FIELDS[kind]);
  const fields: FieldClause[] = PARAMETERS.flatMap((field) => {
    const text = query[field];
    return text === undefined
      ? []
      : [{ kind: 'text' as const, field, values: fieldValues(text), isNegated: false }];
  });
  const { duration_min: min, duration_max: max } = query;
  if (min !== undefined || max !== undefined)
    fields.push({
      ...{ kind: 'number', field: 'duration', min, max },
      ...{ isMinOpen: false, isMaxOpen: false, isNegated: false },
    });
  return {
    fields: [...fields, ...asked.fields],
    terms: asked.terms,
    since: latest(query.since, asked.since),
    until: earliest(query.until, asked.until),
  };
}

/** Whether a record is as the fields and terms say, by its files. */
export async function matchesRecord(
  record: SearchedRecord,
  { fields, terms }: Pick<TaskSearch, 'fields' | 'terms'>,
): Promise<boolean> {
  const texts = (field: string): readonly string[] => record.values[field as RecordTextField] ?? [];
  const number = (field: string): number | null => (field === 'attempt' ? record.attempt : record.duration);
  if (!matchesValues({ texts, number }, fields)) return false;
  if (terms.length === 0) return true;
  const match = new TextMatch(terms.map(({ term }) => term));
  for (const text of await record.texts()) match.read(text);
  return terms.every(({ isNegated }, index) => match.found[index] !== isNegated);
}
