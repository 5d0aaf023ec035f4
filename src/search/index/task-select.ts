import type { ListPlace } from '../../model/list-place.ts';
import type { TaskSort } from '../../model/task-reading.ts';
import type { FieldClause, NumberClause, TermClause, TextClause } from '../query/clauses.ts';
import { WITHOUT_CASE } from '../query/query-fields.ts';
import type { TextField } from '../query/searched-fields.ts';
import type { TaskSearch } from '../query/task-search.ts';
import type { SqlValue } from './driver/driver.ts';
import { msOf, NO_TIME } from './index-time.ts';

/** A condition on a row of `task`, with the values that it binds. */
interface Condition {
  readonly sql: string;
  readonly values: readonly SqlValue[];
  /** For a condition by which rows can be found: the numbers of these rows, and the condition where they are many. */
  readonly many?: { readonly members: string; readonly sql: string };
}

/** Whether a statement gives many rows. Then it is faster to go through the tasks in their order and to test each. */
type HasMany = (sql: string, values: readonly SqlValue[]) => boolean;

/** Where the words and the fields of several values of a row stand. */
export interface SelectTable {
  readonly text: string;
  /** A statement up to its condition on `value`, which gives the numbers of rows; undefined for a column of the row itself. */
  members(field: TextField): { readonly select: string; readonly value: string } | undefined;
}

const TASKS: SelectTable = {
  text: 'text',
  members: (field) => {
    if (field === 'tool') return { select: 'SELECT n FROM task_tool WHERE', value: 'tool' };
    if (field === 'workflow_id') return { select: 'SELECT n FROM task_workflow WHERE', value: 'workflow_id' };
    return undefined;
  },
};

interface SelectOptions {
  /** Only what comes after this place. */
  readonly after?: { readonly place: ListPlace; readonly sort: TaskSort } | undefined;
  readonly hasMany?: HasMany;
  /** Default: that of tasks. */
  readonly table?: SelectTable;
}

interface Selection {
  /** From `WHERE` on. */
  readonly sql: string;
  readonly values: readonly SqlValue[];
}

export const SORT_COLUMNS: Readonly<Record<TaskSort, string>> = {
  created: 'at',
  cost: 'cost',
  duration: 'duration',
  tokens: 'tokens',
};

/** The rows that may be of the search: phrases and long words are looked up in the files afterwards. */
export function whereOf(
  search: TaskSearch,
  { after, hasMany, table = TASKS }: SelectOptions = {},
): Selection {
  const conditions = [
    ...search.fields.map((clause) => fieldCondition(clause, table)),
    ...termConditions(search.terms, table.text),
    ...(search.since === undefined ? [] : [{ sql: 'at >= ?', values: [msOf(search.since)] }]),
    ...(search.until === undefined
      ? []
      : [{ sql: 'at > ? AND at < ?', values: [NO_TIME, msOf(search.until)] }]),
    ...(after === undefined ? [] : [afterCondition(after.place, after.sort)]),
  ];
  return {
    sql:
      conditions.length === 0
        ? ''
        : `WHERE ${conditions.map((one) => `(${sqlOf(one, hasMany)})`).join(' AND ')}`,
    values: conditions.flatMap(({ values }) => values),
  };
}

function sqlOf({ sql, values, many }: Condition, hasMany: HasMany | undefined): string {
  return many !== undefined && hasMany?.(many.members, values) === true ? many.sql : sql;
}

/** Descending values have NULL last by themselves. */
export function orderOf(sort: TaskSort): string {
  return `ORDER BY ${SORT_COLUMNS[sort]} DESC, id DESC`;
}

/** The terms about which the index does not say everything. */
export function unsureTerms(terms: readonly TermClause[]): readonly TermClause[] {
  return terms.filter(({ term }) => !term.isExact);
}

function fieldCondition(clause: FieldClause, table: SelectTable): Condition {
  return clause.kind === 'number' ? numberCondition(clause) : textCondition(clause, table);
}

function textCondition({ field, values, isNegated }: TextClause, table: SelectTable): Condition {
  const members = table.members(field);
  const column = members?.value ?? field;
  const collation = WITHOUT_CASE.has(field) ? ' COLLATE NOCASE' : '';
  const parts = values.map(({ text, isPrefix }) =>
    isPrefix
      ? { sql: `substr(${column}, 1, length(?))${collation} = ?`, values: [text, text] }
      : { sql: `${column}${collation} = ?`, values: [text] },
  );
  const either = parts.map(({ sql }) => sql).join(' OR ');
  const bound = parts.flatMap((part) => part.values);
  if (members !== undefined) return memberCondition(`${members.select} (${either})`, bound, isNegated);
  return { sql: isNegated ? `NOT COALESCE(${either}, 0)` : either, values: bound };
}

function numberCondition({ field, min, max, isMinOpen, isMaxOpen, isNegated }: NumberClause): Condition {
  const sides: string[] = [`${field} IS NOT NULL`];
  const values: number[] = [];
  const ends: string[] = [];
  if (min !== undefined) {
    ends.push(`${field} ${isMinOpen ? '>' : '>='} ?`);
    values.push(min);
  }
  if (max !== undefined) {
    ends.push(`${field} ${isMaxOpen ? '<' : '<='} ?`);
    values.push(max);
  }
  if (ends.length > 0) sides.push(`${isNegated ? 'NOT ' : ''}(${ends.join(' AND ')})`);
  return { sql: sides.join(' AND '), values };
}

/** All positive terms are one expression of FTS5. Each word is quoted, so that none is an operator. */
function termConditions(terms: readonly TermClause[], text: string): readonly Condition[] {
  const positive = terms.filter(({ isNegated }) => !isNegated).map(matchOf);
  const negative = terms.filter(({ isNegated, term }) => isNegated && term.isExact).map(matchOf);
  const members = `SELECT rowid FROM ${text} WHERE ${text} MATCH ?`;
  return [
    ...(positive.length === 0 ? [] : [memberCondition(members, [positive.join(' ')], false)]),
    ...negative.map((match) => memberCondition(members, [match], true)),
  ];
}

/** `+n` keeps SQLite from going through the members and sorting them. */
function memberCondition(members: string, values: readonly SqlValue[], isNegated: boolean): Condition {
  if (isNegated) return { sql: `n NOT IN (${members})`, values };
  return { sql: `n IN (${members})`, values, many: { members, sql: `+n IN (${members})` } };
}

function matchOf({ term: { words, isPrefix } }: TermClause): string {
  const quoted = words.map((word) => `"${word.replaceAll('"', '""')}"`).join(' ');
  return isPrefix ? `${quoted}*` : quoted;
}

function afterCondition({ value, id }: ListPlace, sort: TaskSort): Condition {
  const column = SORT_COLUMNS[sort];
  if (sort === 'created') {
    const atMs = msOf(String(value));
    return { sql: 'at <= ? AND (at < ? OR (at = ? AND id < ?))', values: [atMs, atMs, atMs, id] };
  }
  if (value === null) return { sql: `${column} IS NULL AND id < ?`, values: [id] };
  const sql = `${column} < ? OR (${column} = ? AND id < ?)`;
  return { sql: `${sql} OR ${column} IS NULL`, values: [value, value, id] };
}
