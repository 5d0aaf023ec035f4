import { fieldValues } from '../../model/field-values.ts';
import type { TaskFilter } from '../../model/task-reading.ts';
import type { FieldClause, TermClause } from './clauses.ts';
import { parseQuery } from './grammar.ts';
import type { NumberField, TaskTextField } from './searched-fields.ts';

/** What a query asks for. Plain data: it passes between threads. */
export interface TaskSearch {
  readonly fields: readonly FieldClause[];
  readonly terms: readonly TermClause[];
  /** ISO 8601, inclusive. */
  readonly since: string | undefined;
  /** ISO 8601, exclusive. */
  readonly until: string | undefined;
}

const TEXT_PARAMETERS = [
  'status',
  'source',
  'provider',
  'agent',
  'model',
  'command',
  'repo',
  'workflow_id',
  'error_type',
] as const satisfies readonly TaskTextField[];

const RANGES = ['cost', 'duration'] as const satisfies readonly NumberField[];

/** Filters and `q` as one search. Throws `QueryError` for `q`. */
export function taskSearch(filter: TaskFilter, nowMs: number): TaskSearch {
  const asked = parseQuery(filter.q ?? '', nowMs);
  return {
    fields: [...clausesOf(filter), ...asked.fields],
    terms: asked.terms,
    since: latest(filter.since, asked.since),
    until: earliest(filter.until, asked.until),
  };
}

function clausesOf(filter: TaskFilter): readonly FieldClause[] {
  const clauses: FieldClause[] = [];
  for (const field of TEXT_PARAMETERS) {
    const text = filter[field];
    if (text !== undefined)
      clauses.push({ kind: 'text', field, values: fieldValues(text), isNegated: false });
  }
  for (const field of RANGES) {
    const [min, max] = [filter[`${field}_min`], filter[`${field}_max`]];
    if (min === undefined && max === undefined) continue;
    clauses.push({ kind: 'number', field, min, max, isMinOpen: false, isMaxOpen: false, isNegated: false });
  }
  return clauses;
}

export function latest(a: string | undefined, b: string | undefined): string | undefined {
  return a === undefined || (b !== undefined && b > a) ? b : a;
}

export function earliest(a: string | undefined, b: string | undefined): string | undefined {
  return a === undefined || (b !== undefined && b < a) ? b : a;
}
